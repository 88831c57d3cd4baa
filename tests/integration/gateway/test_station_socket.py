"""The short way of messages and answers: the same order and the same limits as the long one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.stations import StationClient, plain_client, register, station_client

HEARTBEAT = '[2,"%s","Heartbeat",{}]'


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


@asynccontextmanager
async def throttled(db: Database, start_pod: StartPod) -> AsyncIterator[StationClient]:
    """Connect as CP-1, which may send 10 frames at once and 100 in a second."""
    await register(db)
    async with (
        start_pod(station_frames_per_s=100, station_frames_burst=10) as gateway,
        plain_client(gateway.url) as station,
    ):
        yield station


async def receive_to_the_end(station: StationClient) -> None:
    while True:
        await station.receive()


async def test_a_message_in_fragments_is_answered_in_its_turn(station: StationClient) -> None:
    async with asyncio.timeout(5):
        await station.websocket.send(['[2,"a","Heart', 'beat"', ",{}]"])
        await station.send(HEARTBEAT % "b")
        assert [(await station.receive())[1] for _ in range(2)] == ["a", "b"]


async def test_what_is_sent_before_the_connection_is_claimed_is_answered_in_order(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.send([2, "a", "BootNotification", {"chargePointVendor": "V"}])
        for message_id in ("b", "c"):
            await station.send(HEARTBEAT % message_id)
        assert [(await station.receive())[1] for _ in range(3)] == ["a", "b", "c"]


async def test_a_compressed_message_is_read(db: Database, gateway: Pod) -> None:
    await register(db)
    async with plain_client(gateway.url, extensions=[ClientPerMessageDeflateFactory()]) as station:
        assert station.websocket.protocol.extensions
        assert (await station.boot())["status"] == "Accepted"


async def test_text_that_is_not_utf_8_closes_with_1007(station: StationClient) -> None:
    await station.websocket.send(b'[2,"a","Heartbeat",{"\xff":1}]', text=True)
    with pytest.raises(ConnectionClosed) as closed:
        await station.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007


async def test_more_calls_than_may_wait_close_with_1008(station: StationClient) -> None:
    for number in range(100):
        await station.send([2, f"m{number}", "Authorize", {"idTag": "T"}])
    with pytest.raises(ConnectionClosed) as closed:
        await receive_to_the_end(station)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_a_station_that_does_not_read_its_answers_is_not_read_from(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(station_frames_per_s=1_000_000) as gateway,
        plain_client(gateway.url) as station,
    ):
        await station.boot()
        held = gateway.server.get("CP-1")
        assert held is not None
        ours, theirs = held._websocket.transport, station.websocket.transport
        for transport, option in ((ours, SO_SNDBUF), (theirs, SO_RCVBUF)):
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, option, 4096)
        theirs.pause_reading()

        async def send_heartbeats() -> int:
            for number in range(1000):
                await station.send(HEARTBEAT % number)
            await asyncio.sleep(0.1)
            return ours.get_write_buffer_size()

        high_water = ours.get_write_buffer_limits()[1]
        buffered = await eventually(send_heartbeats, lambda size: size > high_water, timeout_s=60)
        assert await send_heartbeats() == buffered

        theirs.resume_reading()
        await station.send(HEARTBEAT % "last")
        async with asyncio.timeout(60):
            while (await station.receive())[1] != "last":
                pass


async def test_a_station_that_sends_too_much_is_read_from_more_slowly_and_loses_nothing(
    db: Database, start_pod: StartPod
) -> None:
    async with throttled(db, start_pod) as station:
        began = time.monotonic()
        await station.boot()
        for number in range(60):  # one after the other, as a station does
            assert (await station.call("Heartbeat", {}, message_id=f"a{number}"))[0] == 3
        assert time.monotonic() - began > 0.4
        for number in range(100):  # all at once, which fills the kernel's buffers
            await station.send(HEARTBEAT % f"b{number}")
        assert [(await station.receive())[1] for _ in range(100)] == [f"b{n}" for n in range(100)]
        assert (await station.call("Heartbeat", {}))[0] == 3
        assert time.monotonic() - began > 1.4


async def test_fragments_and_pings_count_as_what_a_station_sends(
    db: Database, start_pod: StartPod
) -> None:
    async with throttled(db, start_pod) as station:
        began = time.monotonic()
        await station.boot()
        await station.websocket.send([*'[2,"a","Heart', *'beat",{}]'])
        assert (await station.receive())[:2] == [3, "a"]
        for _ in range(50):
            await station.websocket.ping()
        await (await station.websocket.ping())
        assert (await station.call("Heartbeat", {}))[0] == 3
        assert time.monotonic() - began > 0.5


async def test_a_station_that_is_throttled_is_not_taken_for_gone(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    settings = {"station_frames_per_s": 2, "station_frames_burst": 1}
    async with (
        start_pod(**settings, ping_interval_s=0.2, ping_timeout_s=1.0) as gateway,
        plain_client(gateway.url) as station,
    ):
        await station.boot()
        for _ in range(5):
            assert (await station.call("Heartbeat", {}))[0] == 3
