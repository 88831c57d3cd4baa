"""Who may speak for a station: the newest connection, on whichever pod, and nobody who is late."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.domain.stations.availability import Disconnection, DisconnectReason
from shared.domain.stations.stations import Connection, Ownership, SecurityProfile
from shared.settings import ServiceSettings
from shared.store import pods
from shared.store.pool import Database
from shared.store.stations import connections, stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.stations import register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    settings = ServiceSettings(database_url="", redis_url=redis_url)
    async with open_redis(settings) as client:
        yield client


@pytest.fixture
def registry(redis: Redis) -> OwnershipRegistry:
    return OwnershipRegistry(redis)


def connection(number: int, station_id: str = "CP-1") -> Connection:
    return Connection(
        station_id=station_id,
        connection_id=f"connection-{number}",
        pod_id=f"pod-{number}",
        ocpp_version="1.6",
    )


async def claim(db: Database, number: int) -> Ownership:
    (ownership,) = await connections.claim(db, [connection(number)])
    assert ownership is not None
    return ownership


async def test_every_claim_raises_the_epoch(db: Database) -> None:
    await register(db)
    assert [(await claim(db, n)).epoch for n in range(3)] == [1, 2, 3]


async def test_two_claims_of_one_station_in_one_batch_get_epochs_of_their_own(
    db: Database,
) -> None:
    await register(db)
    ownerships = await connections.claim(db, [connection(1), connection(2)])
    assert [ownership and ownership.epoch for ownership in ownerships] == [1, 2]
    assert (await stations.get(db, "CP-1")).pod_id == "pod-2"


async def test_a_claim_of_a_deleted_station_gets_nothing(db: Database) -> None:
    assert await connections.claim(db, [connection(1)]) == [None]


async def test_a_late_release_harms_nobody(db: Database, registry: OwnershipRegistry) -> None:
    await register(db)
    old, new = await claim(db, 1), await claim(db, 2)
    await registry.claim([old])
    (taken_over,) = await registry.claim([new])
    assert taken_over.other_pod_id == "pod-1"
    assert await registry.release([old]) == [False]
    late = Disconnection(
        ownership=old,
        reason=DisconnectReason.CONNECTION_LOST,
        close_code=None,
        close_reason=None,
        last_heard_at=datetime.now(UTC),
    )
    await connections.release(db, [late])
    assert (await stations.get(db, "CP-1")).online
    await registry.renew_lease("pod-2", lease_s=5)
    assert (await registry.find_routes(["CP-1"]))["CP-1"].pod_id == "pod-2"
    assert await registry.release([new]) == [True]
    assert await registry.find_routes(["CP-1"]) == {}


async def test_an_older_claim_that_comes_late_is_refused(
    db: Database, registry: OwnershipRegistry
) -> None:
    await register(db)
    old, new = await claim(db, 1), await claim(db, 2)
    await registry.claim([new])
    (late,) = await registry.claim([old])
    assert (late.claimed, late.other_pod_id) == (False, "pod-2")


async def test_an_owner_without_a_lease_is_no_owner(
    db: Database, registry: OwnershipRegistry
) -> None:
    await register(db)
    await registry.claim([await claim(db, 1)])
    assert await registry.find_routes(["CP-1"]) == {}
    await registry.renew_lease("pod-1", lease_s=5)
    assert "CP-1" in await registry.find_routes(["CP-1"])


async def test_a_dead_pods_stations_are_put_offline_and_no_others(db: Database) -> None:
    await register(db)
    await register(db, "CP-2")
    await pods.renew_lease(db, pod_id="pod-1", pod_name="pod", lease_s=-1)
    await pods.renew_lease(db, pod_id="pod-2", pod_name="pod", lease_s=10)
    await connections.claim(db, [connection(1, "CP-1"), connection(2, "CP-2")])
    assert await pods.sweep_dead(db) == [("pod-1", 1)]
    assert not (await stations.get(db, "CP-1")).online
    assert (await stations.get(db, "CP-2")).online


async def test_the_newest_connection_wins_on_one_pod(db: Database, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as old:
        await old.boot()
        async with station_client(gateway.url) as new:
            with pytest.raises(ConnectionClosed, match="a newer connection"):
                await old.receive()
            assert (await new.boot())["status"] == "Accepted"
    assert await eventually(lambda: stations.get(db, "CP-1"), lambda s: not s.online)


async def test_the_newest_connection_wins_on_another_pod(
    db: Database, start_pod: StartPod, registry: OwnershipRegistry
) -> None:
    await register(db)
    async with (
        start_pod(pod_name="a") as first,
        start_pod(pod_name="b") as second,
        station_client(first.url) as old,
    ):
        await old.boot()
        async with station_client(second.url) as new:
            with pytest.raises(ConnectionClosed, match="replaced"):
                await old.receive()
            assert (await new.boot())["status"] == "Accepted"
            await eventually(
                lambda: registry.find_routes(["CP-1"]),
                lambda routes: "CP-1" in routes and routes["CP-1"].pod_id.startswith("b-"),
            )
            station = await stations.get(db, "CP-1")
            assert station.online
            assert station.epoch == 2


async def test_who_brings_no_password_does_not_displace_who_is_alive(
    db: Database, gateway: Pod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    async with station_client(gateway.url) as old:
        await old.boot()
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{gateway.url}/CP-1", subprotocols=["ocpp1.6"])
        assert refused.value.response.status_code == 409
        assert b"this station is connected" in (refused.value.response.body or b"")
        assert (await old.call("Heartbeat", {}))[0] == 3


async def test_stations_are_announced_again_after_redis_came_back_empty(
    db: Database, redis: Redis, registry: OwnershipRegistry, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(pod_lease_s=0.6) as gateway, station_client(gateway.url) as station:
        await station.boot()
        await eventually(lambda: registry.find_routes(["CP-1"]), bool)
        await redis.flushall()
        assert await registry.find_routes(["CP-1"]) == {}
        await eventually(lambda: registry.find_routes(["CP-1"]), bool)
        assert (await station.call("Heartbeat", {}))[0] == 3


async def test_a_pod_that_was_taken_for_dead_takes_back_what_is_still_its_own(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with (
        start_pod(pod_lease_s=0.9) as gateway,
        station_client(gateway.url) as mine,
        station_client(gateway.url, "CP-2") as lost,
    ):
        await mine.boot()
        await lost.boot()
        # As if it had been stopped past its lease: swept, and one station is elsewhere by now.
        await connections.claim(db, [connection(9, "CP-2")])
        await db.execute(
            """
            WITH dead AS (DELETE FROM pods)
            UPDATE stations SET online = false WHERE pod_id <> 'pod-9'
            """
        )
        await eventually(lambda: stations.get(db, "CP-1"), lambda station: station.online)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(lost.receive(), 5)
        assert (await stations.get(db, "CP-2")).pod_id == "pod-9"


async def test_a_status_of_an_older_connection_is_not_written_over_a_newer_ones(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    async with station_client(gateway.url) as station:
        await station.boot()
        await station.call("StatusNotification", status)
        await db.execute("UPDATE connectors SET epoch = epoch + 1")
        await station.call("StatusNotification", {**status, "status": "Faulted"})
    (connector,) = await stations.list_connectors(db, ["CP-1"])
    assert connector.status == "Available"


async def test_a_stopped_pod_leaves_nothing_behind(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod() as gateway, station_client(gateway.url) as station:
        await station.boot()
    assert not (await stations.get(db, "CP-1")).online
    assert await db.fetchval("SELECT count(*) FROM pods") == 0
    assert await redis.keys("*") == []


async def test_a_pod_that_starts_again_is_another_pod(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with start_pod(pod_lease_s=60) as former, station_client(former.url) as station:
        await station.boot()
        owner = (await stations.get(db, "CP-1")).pod_id
        # The next one of its name comes while the lease of the former one still counts.
        async with start_pod(pod_lease_s=60) as again:
            names = dict(await db.fetch("SELECT pod_id, pod_name FROM pods"))
            assert len(names) == 2
            assert set(names.values()) == {"pod"}
            assert again.server.all() == []
            assert (await stations.get(db, "CP-1")).pod_id == owner
