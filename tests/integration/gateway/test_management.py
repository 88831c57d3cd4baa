"""The pod's management port, and who holds it open."""

import asyncio
import time

from tests.integration.gateway.conftest import StartPod
from tests.support.http import http_client
from tests.support.raw_http import connect, connected


async def test_500_half_sent_requests_hold_up_nobody_and_are_closed_in_time(
    start_pod: StartPod,
) -> None:
    async with start_pod(handshake_timeout_s=3) as gateway:
        began = time.monotonic()
        half = await asyncio.gather(*(connect(gateway.management_url) for _ in range(500)))
        for index, each in enumerate(half):
            await each.send(b"GET /healthz HTTP/1.1\r\nHost: pod\r\n"[: index % 30])
        async with http_client(base_url=gateway.management_url) as client:
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await client.get(path)).status_code == 200
        await asyncio.gather(*(each.rest(timeout_s=15) for each in half))
        assert time.monotonic() - began < 12
        for each in half:
            each.close()


async def test_a_connection_is_closed_behind_its_answer(start_pod: StartPod) -> None:
    async with (
        start_pod(handshake_timeout_s=2) as gateway,
        connected(gateway.management_url) as client,
    ):
        await client.send(b"GET /healthz HTTP/1.1\r\nHost: pod\r\n\r\n")
        assert (await client.answer()).status == 200
        assert await client.rest(timeout_s=8) == b""
