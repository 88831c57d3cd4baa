"""Requests to webhook endpoints, over real sockets and TLS."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control.notices.requests import open_requests
from control.notices.webhook_settings import WebhookSendSettings
from shared.domain.notices.webhooks import Attempt
from tests.support.certificates import Authority
from tests.support.webhook_receiver import Receiver

BODY = json.dumps({"id": "1", "station_id": None, "data": {"n": 0}})
HEADERS = {"webhook-id": "1", "content-type": "application/json"}


def settings(**changes: object) -> WebhookSendSettings:
    return WebhookSendSettings(
        **{
            "database_url": "postgresql://nowhere",
            "redis_url": "redis://nowhere",
            "webhook_allowed_networks": "127.0.0.0/8",
            "webhook_timeout_s": 2,
            **changes,
        }
    )


async def send(url: str, **changes: object) -> Attempt:
    async with open_requests(settings(**changes)) as requests:
        return await requests.send(url, HEADERS, BODY)


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """One whose certificate is for its address, of an authority that is trusted."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("receiver", host="127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver = Receiver(tls=context)
    await receiver.start()
    yield receiver
    await receiver.stop()


async def test_https_reaches_who_proves_to_be_there(receiver: Receiver) -> None:
    attempt = await send(receiver.url)
    assert attempt.delivered
    assert attempt.status == 204
    assert receiver.requests[0].body.decode() == BODY


async def test_tls_goes_by_the_name_and_not_by_the_address_that_was_found(
    receiver: Receiver,
) -> None:
    attempt = await send(receiver.url.replace("127.0.0.1", "localhost"))
    assert attempt.error is not None
    assert "localhost" in attempt.error
    assert receiver.requests == []


async def test_an_authority_that_nobody_knows_is_not_trusted(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    attempt = await send(receiver.url)
    assert attempt.error is not None
    assert "certificate" in attempt.error.lower()
    assert receiver.requests == []


async def test_no_proxy_of_the_environment_is_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await send(receiver.url)).delivered


async def test_of_a_name_only_addresses_that_are_allowed_are_tried() -> None:
    """`localhost` is ::1 as well, which is not allowed here."""
    receiver = Receiver()
    await receiver.start()
    try:
        url = f"http://localhost:{receiver.port}/"
        assert (await send(url, webhook_allow_http=True)).delivered
        refused = await send(url, webhook_allow_http=True, webhook_allowed_networks="::1/128")
        assert not refused.delivered
        assert len(receiver.requests) == 1
    finally:
        await receiver.stop()


async def test_a_name_that_nobody_knows_is_told_in_words() -> None:
    attempt = await send("https://nobody.invalid/")
    assert attempt.error is not None
    assert "nobody knows the host nobody.invalid" in attempt.error


async def test_who_says_a_byte_now_and_then_is_given_up_in_time() -> None:
    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(dribble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        began_s = time.monotonic()
        attempt = await send(
            f"http://127.0.0.1:{port}/", webhook_allow_http=True, webhook_timeout_s=0.5
        )
    assert attempt.error == "no answer within 0.5 s"
    assert time.monotonic() - began_s < 10


async def test_a_connection_is_used_again(receiver: Receiver) -> None:
    async with open_requests(settings()) as requests:
        for _ in range(3):
            assert (await requests.send(receiver.url, HEADERS, BODY)).delivered
    assert receiver.connections == 1


def test_endpoints_of_a_killed_worker_wait_for_less_than_a_minute() -> None:
    found = settings(webhook_timeout_s=15)
    assert found.webhook_lease_s + 2 * found.webhook_interval_s < 60


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"webhook_lease_s": 20}, "VOLTARO_WEBHOOK_LEASE_S"),
        ({"webhook_disable_after_s": 10**6}, "VOLTARO_WEBHOOK_DISABLE_AFTER_S"),
        ({"webhook_allowed_networks": "10.0.0.1/8"}, "webhook_allowed_networks"),
    ],
)
def test_settings_that_break_a_promise_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**{"webhook_timeout_s": 15, **changes})
