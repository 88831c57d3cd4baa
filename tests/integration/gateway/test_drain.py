"""A pod that stops says so before it sends anybody away, so that nobody comes back to it."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from shared.store.pool import Database
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.stations import register, station_client


async def test_a_pod_that_stops_serves_until_the_load_balancer_knows(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with AsyncExitStack() as running, http_client() as client:
        gateway = await running.enter_async_context(start_pod(drain_delay_s=1.5))
        async with station_client(gateway.url) as station:
            await station.boot()
            began = time.monotonic()
            stopping = asyncio.create_task(running.aclose())

            async def readiness() -> int:
                return (await client.get(f"{gateway.management_url}/readyz")).status_code

            await eventually(readiness, lambda status: status == 503)
            assert (await station.call("Heartbeat", {}))[0] == 3
            async with station_client(gateway.url, "CP-2") as late:  # sent here by then
                await late.boot()
                for each in (station, late):
                    with pytest.raises(ConnectionClosed) as closed:
                        await each.receive()
                    assert closed.value.rcvd is not None
                    assert closed.value.rcvd.code == CloseCode.SERVICE_RESTART
            assert time.monotonic() - began > 1.4
            await stopping
