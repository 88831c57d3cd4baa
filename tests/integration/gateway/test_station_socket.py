"""The short way of messages and answers: the same order and the same limits as the long one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions import ClientExtensionFactory
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.eventually import eventually
from tests.support.stations import StationClient, basic_auth, register, station_client

HEARTBEAT = '[2,"%s","Heartbeat",{}]'


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


@asynccontextmanager
async def plain_client(
    gateway: Pod, *, extensions: Sequence[ClientExtensionFactory] | None = None
) -> AsyncIterator[StationClient]:
    """Connect as CP-1, offering these extensions and no others."""
    async with connect(
        f"{gateway.url}/CP-1",
        subprotocols=["ocpp1.6"],
        additional_headers=basic_auth("CP-1"),
        compression=None,
        extensions=extensions,
    ) as websocket:
        yield StationClient(websocket)


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
    async with plain_client(gateway, extensions=[ClientPerMessageDeflateFactory()]) as station:
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
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with plain_client(gateway) as station:
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
