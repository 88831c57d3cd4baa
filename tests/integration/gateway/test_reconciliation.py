"""Who is said to be online here is compared, again and again, with who really is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from gateway.reconciliation import Reconciler
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.stations.stations import Connection, Ownership
from shared.settings import ServiceSettings
from shared.store.pool import Database
from shared.store.stations import connections, stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.relay import relay
from tests.support.stations import register, station_client

INTERVAL_S = 0.2


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
def registry(redis: Redis) -> OwnershipRegistry:
    return OwnershipRegistry(redis)


async def test_a_station_that_left_while_postgres_was_away_is_put_offline(
    db: Database, database_url: str, registry: OwnershipRegistry, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        relay(database_url) as wire,
        start_pod(database_url=wire.url, reconcile_interval_s=INTERVAL_S) as gateway,
    ):
        async with station_client(gateway.url) as station:
            await station.boot()
            await wire.cut()
        await eventually(lambda: _held(gateway.server.all()), lambda held: held == 0)
        assert (await stations.get(db, "CP-1")).online
        await wire.mend()
        await eventually(lambda: _is_online(db), lambda online: not online)
        assert await registry.find_owner("CP-1") is None


async def test_a_claim_whose_answer_never_came_is_let_go_of(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(reconcile_interval_s=INTERVAL_S) as gateway:
        async with station_client(gateway.url) as station:
            await station.boot()
            held = gateway.server.get("CP-1")
            assert held is not None
            ours = held.station.ownership
            lost = await _claim(db, pod_id=ours.pod_id)
            # Its station speaks for nobody any more: it is told so, and comes back.
            with pytest.raises(ConnectionClosed) as closed:
                await station.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
        await eventually(lambda: _is_online(db), lambda online: not online)
        async with station_client(gateway.url) as station:
            await station.boot()
            assert (await stations.get(db, "CP-1")).epoch == lost.epoch + 1
            await asyncio.sleep(4 * INTERVAL_S)
            assert (await station.call("Heartbeat", {}))[0] == 3
            assert (await stations.get(db, "CP-1")).online


async def test_a_station_that_is_here_is_put_online_again(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(reconcile_interval_s=INTERVAL_S) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        await db.execute("UPDATE stations SET online = false")
        await eventually(lambda: _is_online(db), bool)
        assert (await station.call("Heartbeat", {}))[0] == 3


async def test_a_station_that_another_pod_has_claimed_is_given_up_without_redis(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(reconcile_interval_s=INTERVAL_S) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        await _claim(db, pod_id="another-pod")
        with pytest.raises(ConnectionClosed):
            await station.receive()
        await eventually(lambda: _held(gateway.server.all()), lambda held: held == 0)
        assert (await stations.get(db, "CP-1")).pod_id == "another-pod"
        assert (await stations.get(db, "CP-1")).online


async def test_a_command_for_a_station_that_is_gone_ends_the_route_that_led_it_here(
    db: Database, redis: Redis, registry: OwnershipRegistry, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with start_pod() as gateway, station_client(gateway.url, "CP-2") as station:
        await station.boot()
        held = gateway.server.get("CP-2")
        assert held is not None
        here, gone = held.station.ownership, "CP-1"
        await registry.claim(
            [Ownership(station_id=gone, epoch=7, pod_id=here.pod_id, connection_id="gone")]
        )
        sender = PodRequestSender(redis)
        for station_id in (gone, "CP-2"):
            await sender.send(here.pod_id, RunCommand("no-such-command", station_id, ""))

        async def withdrawn() -> bool:
            return await registry.find_owner(gone) is None

        await eventually(withdrawn, bool)
        assert await registry.find_owner("CP-2") == here


async def test_a_station_is_put_offline_only_when_it_was_missed_twice(
    db: Database, registry: OwnershipRegistry, start_pod: StartPod
) -> None:
    """A claim may be under way: Postgres has it, and its connection is not known here yet."""
    await register(db)
    async with start_pod() as gateway:
        await _claim(db, pod_id=gateway.server._pod_id)
        reconciler = _reconciler(db, registry, gateway)
        await reconciler.reconcile()
        assert await _is_online(db)
        await db.execute("UPDATE stations SET online = false")
        await reconciler.reconcile()  # it is not missed any more
        await db.execute("UPDATE stations SET online = true")
        await reconciler.reconcile()
        assert await _is_online(db)
        await reconciler.reconcile()
        assert not await _is_online(db)


async def test_an_older_connection_is_not_the_one_that_is_missed(
    db: Database, registry: OwnershipRegistry, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod() as gateway, station_client(gateway.url) as station:
        await station.boot()
        await _claim(db, pod_id=gateway.server._pod_id)
        reconciler = _reconciler(db, registry, gateway)
        await reconciler.reconcile()  # the connection that is here is given up, and no excuse
        await eventually(lambda: _held(gateway.server.all()), lambda held: held == 0)
        assert await _is_online(db)
        await reconciler.reconcile()
        assert not await _is_online(db)


def _reconciler(db: Database, registry: OwnershipRegistry, gateway: Pod) -> Reconciler:
    """Return one that looks when it is told to."""
    return Reconciler(
        db=db,
        registry=registry,
        claims=gateway.server._claims,
        connections=gateway.server,
        pod_id=gateway.server._pod_id,
        interval_s=3600,
    )


async def _claim(db: Database, *, pod_id: str) -> Ownership:
    lost = Connection(station_id="CP-1", connection_id="lost", pod_id=pod_id, ocpp_version="1.6")
    (ownership,) = await connections.claim(db, [lost])
    assert ownership is not None
    return ownership


async def _is_online(db: Database) -> bool:
    return (await stations.get(db, "CP-1")).online


async def _held(connections: list[object]) -> int:
    return len(connections)
