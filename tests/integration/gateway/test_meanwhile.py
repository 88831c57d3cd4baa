"""What happens between two steps of a pod: somebody leaves, comes, or goes on talking."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Opcode

from gateway.errors import StoreAwayError
from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import CloseConnection, PodRequestSender
from shared.domain import commands
from shared.domain.upkeep.firmware import FirmwareStatusReported
from shared.settings import DatabaseSettings, ServiceSettings
from shared.store.pool import Database, open_database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.integration.gateway.test_commands import ask, finished
from tests.support.raw_websocket import frame, raw_websocket
from tests.support.relay import relay
from tests.support.stations import register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


async def test_a_station_that_leaves_while_it_is_announced_is_withdrawn(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        held = gateway.server.get("CP-1")
        assert held is not None
        announcing = asyncio.create_task(gateway.server.announce(held))
        await asyncio.sleep(0)  # it has seen that the station is here, and asks Redis
        del gateway.server._connections["CP-1"]
        await announcing
        assert await OwnershipRegistry(redis).find_owner("CP-1") is None


async def test_a_station_that_is_claimed_during_a_drain_is_sent_away(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(database_lock_timeout_s=20, ingest_hold_s=80) as pod,
        AsyncExitStack() as connected,
    ):
        async with db.acquire() as holder, holder.transaction():
            await holder.execute("SELECT FROM stations FOR UPDATE")
            # Its handshake is over, and its claim waits.
            station = await connected.enter_async_context(station_client(pod.url))
            await pod.server.drain()
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                await station.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.SERVICE_RESTART


async def test_what_comes_after_a_close_has_begun_is_not_answered(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    boot = b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
    async with raw_websocket(gateway.url) as station:
        await station.send(frame(boot))
        assert (await station.receive())[0] == Opcode.TEXT
        # In one piece: the close begins with the second, and the others lie behind it.
        await station.send(
            b"".join(frame(data) for data in (b"\xff", b'[2,"2","Heartbeat",{}]', boot))
        )
        opcode, data = await station.receive()
        assert (opcode, int.from_bytes(data[:2])) == (Opcode.CLOSE, CloseCode.INVALID_DATA)


async def test_only_a_connection_that_is_not_newer_is_closed_for_another_pod(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        held = gateway.server.get("CP-1")
        assert held is not None
        mine = held.station.ownership
        sender = PodRequestSender(redis)
        await sender.send(mine.pod_id, CloseConnection("CP-1", mine.epoch - 1))
        # What comes through the stream after that is carried out, so that this was as well.
        command_id = await ask(db, redis, commands.ClearCache())
        assert (await station.receive())[1] == command_id
        await station.send([3, command_id, {"status": "Accepted"}])
        await finished(db, command_id)
        assert (await station.call("Heartbeat", {}))[0] == 3
        await sender.send(mine.pod_id, CloseConnection("CP-1", mine.epoch))
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(10):
                await station.receive()


async def test_a_command_that_is_routed_twice_takes_one_place_in_the_queue(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(max_queued_commands=3, drain_timeout_s=1) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        first = await ask(db, redis, commands.ClearCache())
        assert (await station.receive())[1] == first
        second = await ask(db, redis, commands.ClearCache(), times=3)
        third = await ask(db, redis, commands.ClearCache())
        for command_id, following in ((first, second), (second, third)):
            await station.send([3, command_id, {"status": "Accepted"}])
            async with asyncio.timeout(10):
                assert (await station.receive())[1] == following
        await station.send([3, third, {"status": "Accepted"}])
        await finished(db, third)


async def test_facts_that_wait_behind_an_outage_are_given_up_with_it(
    db: Database, database_url: str
) -> None:
    """Each would hold its answer for as long again, one batch after the other."""
    await register(db)
    settings = GatewaySettings(
        database_url="-", redis_url="-", ingest_hold_s=0.5, ingest_max_batch=1
    )
    away = asyncio.Event()
    async with (
        relay(database_url) as wire,
        open_database(DatabaseSettings(database_url=wire.url)) as behind_wire,
        asyncio.TaskGroup() as tasks,
    ):
        ingest = Ingest(behind_wire, settings, on_away=away.set)
        running = tasks.create_task(ingest.run())
        await ingest.submit(_status(0))
        wire.answering.clear()  # Postgres hangs: nobody hears whether it has written anything
        facts = [ingest.submit(_status(number)) for number in range(1, 40)]
        try:
            async with asyncio.timeout(10):
                told = await asyncio.gather(*facts, return_exceptions=True)
        finally:
            wire.answering.set()
            running.cancel()
    assert away.is_set()
    assert {type(error) for error in told} == {StoreAwayError}


def _status(number: int) -> FirmwareStatusReported:
    return FirmwareStatusReported(
        station_id="CP-1",
        request_id=number,
        status="Downloading",
        reported_at=datetime.now(UTC),
    )


async def test_a_call_that_cannot_be_written_leaves_its_slot_to_the_next_one(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        connection = gateway.server.get("CP-1")
        assert connection is not None
        limits = {"send_by_s": time.monotonic() + 30, "timeout_s": 10}
        half_a_character = {"vendorId": "\ud800"}
        with pytest.raises(UnicodeEncodeError):
            await connection.call("a", "DataTransfer", half_a_character, **limits)
        calling = asyncio.create_task(connection.call("b", "ClearCache", {}, **limits))
        assert (await station.receive())[1] == "b"
        await station.send([3, "b", {"status": "Accepted"}])
        assert (await calling).message_id == "b"
