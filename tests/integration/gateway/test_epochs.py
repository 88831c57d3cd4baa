"""Epochs that fell back: the newest connection speaks all the same, and is never sent away for it.

A database that is restored makes epochs again that Redis and living pods have seen; a station that
is deleted and registered again begins anew.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
from websockets.exceptions import ConnectionClosed

from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.domain.stations.stations import Connection, Ownership
from shared.settings import ServiceSettings
from shared.store import epochs, pods, station_removal
from shared.store.pool import Database
from shared.store.stations import connections, stations
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.stations import register, station_client

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


@pytest.fixture
async def registry(redis_url: str) -> AsyncIterator[OwnershipRegistry]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield OwnershipRegistry(client)


async def restore(db: Database) -> None:
    """Set back what a restore of the database sets back: the sequence, stations, leases."""
    await db.execute("SELECT setval('station_epochs', 1)")
    await db.execute("DELETE FROM station_connections")
    await db.execute("DELETE FROM pods")
    await db.execute(
        """
        UPDATE stations SET epoch = 1, raised_from = NULL, online = false, pod_id = 'pod-then',
                            connection_id = 'then', ocpp_version = '1.6'
        """
    )


async def connect(db: Database, name: str, station_id: str = "CP-1") -> Ownership:
    (ownership,) = await connections.claim(
        db,
        [
            Connection(
                station_id=station_id,
                connection_id=f"connection-{name}",
                pod_id=f"pod-{name}",
                ocpp_version="1.6",
            )
        ],
    )
    assert ownership is not None
    return ownership


async def speaker(db: Database) -> tuple[str, int]:
    record = await db.fetchrow("SELECT connection_id, epoch FROM stations")
    return record["connection_id"], record["epoch"]


async def raised(db: Database, ownership: Ownership, above: int) -> Ownership | None:
    (found,) = await epochs.rise(db, [(ownership, above)])
    return found


async def test_a_station_that_is_registered_again_goes_on_above_its_former_epochs(
    db: Database,
) -> None:
    await register(db)
    before = [await connect(db, "a") for _ in range(5)][-1]
    await station_removal.delete(db, "CP-1")
    await register(db)
    assert (await connect(db, "b")).epoch > before.epoch


async def test_pods_of_the_version_before_may_raise_a_stations_own_epoch(db: Database) -> None:
    await register(db)
    await db.execute("UPDATE stations SET epoch = epoch + 1000")  # as they do
    assert (await connect(db, "a")).epoch == 1001
    assert (await connect(db, "b")).epoch == 1002


async def test_only_the_newest_connection_rises(db: Database) -> None:
    await register(db)
    old, new = await connect(db, "old"), await connect(db, "new")
    assert await raised(db, old, 1_000_000) is None
    found = await raised(db, new, 1_000_000)
    assert found is not None
    assert found.epoch > 1_000_000
    assert (await stations.get(db, "CP-1")).epoch == found.epoch
    (span,) = await db.fetch("SELECT epoch FROM station_connections WHERE disconnected_at IS NULL")
    assert span["epoch"] == found.epoch


async def test_who_rises_at_the_same_time_never_lowers_the_sequence(db: Database) -> None:
    """Between looking at the sequence and raising it, others take from it."""
    names = [f"CP-{number}" for number in range(20)]
    for name in names:
        await register(db, name)
    owned = [await connect(db, "a", name) for name in names]
    seen: list[int] = []

    async def take(name: str) -> None:
        seen.extend([(await connect(db, "b", name)).epoch for _ in range(20)])

    async def rise(number: int) -> None:
        ours = owned[number]
        for step in range(20):
            found = await raised(db, ours, ours.epoch + 10 * step)
            if found is not None:
                ours = found
                seen.append(found.epoch)

    work: list[Awaitable[None]] = [take(name) for name in names[:10]]
    work += [rise(number) for number in range(10, 20)]
    await asyncio.gather(*work)
    assert len(seen) == len(set(seen)) == 400


async def test_a_rise_that_was_not_told_is_the_same_when_it_is_asked_for_again(
    db: Database,
) -> None:
    await register(db)
    ours = await connect(db, "a")
    told = [await raised(db, ours, 70) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0] is not None
    assert told[0].epoch > 70
    assert await db.fetchval("SELECT raised_from FROM stations") == ours.epoch


async def test_nobody_takes_from_the_sequence_while_it_is_raised(db: Database) -> None:
    await register(db)
    async with db.acquire() as raising:
        async with raising.transaction():
            await raising.execute("SELECT pg_advisory_xact_lock($1)", epochs.RAISING)
            claiming = asyncio.create_task(connect(db, "a"))
            await asyncio.sleep(0.3)
            assert not claiming.done()
        assert (await claiming).epoch == 1


async def test_a_station_whose_epoch_fell_back_is_not_sent_away(
    db: Database, start_pod: StartPod, registry: OwnershipRegistry
) -> None:
    await register(db)
    async with start_pod() as gateway:
        async with station_client(gateway.url) as station:
            await station.boot()
            (route,) = (await eventually(lambda: registry.find_routes(["CP-1"]), bool)).values()
        far = Ownership(
            station_id="CP-1", epoch=route.epoch + 500, pod_id="pod-gone", connection_id="gone"
        )
        await registry.claim([far])
        await restore(db)
        async with station_client(gateway.url) as station:
            await station.boot()
            await station.call("StatusNotification", STATUS)
            routes = await eventually(lambda: registry.find_routes(["CP-1"]), bool)
            assert routes["CP-1"].epoch > far.epoch
            found = await stations.get(db, "CP-1")
            assert (found.online, found.epoch) == (True, routes["CP-1"].epoch)
            (connector,) = await stations.list_connectors(db, ["CP-1"])
            assert connector.status == "Available"


async def test_an_epoch_that_comes_twice_is_settled_by_postgres(
    db: Database, start_pod: StartPod, registry: OwnershipRegistry
) -> None:
    await register(db)
    async with start_pod() as gateway:
        same = Ownership(station_id="CP-1", epoch=1, pod_id="pod-gone", connection_id="gone")
        await registry.claim([same])
        async with station_client(gateway.url) as station:
            await station.boot()
            routes = await eventually(lambda: registry.find_routes(["CP-1"]), bool)
            assert routes["CP-1"].epoch > same.epoch


async def test_after_a_restore_the_old_connection_on_another_pod_loses(
    db: Database, start_pod: StartPod, registry: OwnershipRegistry
) -> None:
    await register(db)
    for _ in range(20):
        await connect(db, "before")
    async with (
        start_pod(pod_name="a") as first,
        start_pod(pod_name="b") as second,
        station_client(first.url) as old,
    ):
        await old.boot()
        await eventually(lambda: registry.find_routes(["CP-1"]), bool)
        await restore(db)
        async with station_client(second.url) as new:
            with pytest.raises(ConnectionClosed, match="replaced"):
                await asyncio.wait_for(old.receive(), 5)
            assert (await new.boot())["status"] == "Accepted"
            await eventually(
                lambda: registry.find_routes(["CP-1"]),
                lambda routes: "CP-1" in routes and routes["CP-1"].pod_id.startswith("b-"),
            )


async def test_after_a_restore_a_new_connection_to_the_same_pod_wins(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    for _ in range(20):
        await connect(db, "before")
    async with start_pod() as gateway, station_client(gateway.url) as old:
        await old.boot()
        await restore(db)
        async with station_client(gateway.url) as new:
            with pytest.raises(ConnectionClosed, match="replaced"):
                await asyncio.wait_for(old.receive(), 5)
            assert (await new.boot())["status"] == "Accepted"


async def test_a_connection_that_a_restore_forgot_stays_and_takes_its_station_back(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    for _ in range(20):
        await connect(db, "before")
    async with start_pod(pod_lease_s=0.9) as gateway, station_client(gateway.url) as station:
        await station.boot()
        before = await speaker(db)
        await restore(db)
        await eventually(lambda: stations.get(db, "CP-1"), lambda found: found.online)
        assert await speaker(db) == before
        await station.call("StatusNotification", STATUS)
        (connector,) = await stations.list_connectors(db, ["CP-1"])
        assert connector.status == "Available"


async def test_a_connection_from_before_speaks_not_for_who_is_registered_again(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with start_pod(reconcile_interval_s=0.3) as gateway, station_client(gateway.url) as old:
        await old.boot()
        # While Redis is away nobody tells the pod, and a new box has the id at once.
        await station_removal.delete(db, "CP-1")
        await register(db)
        answer = await old.call("StatusNotification", STATUS)
        assert answer[0] == 3
        assert await stations.list_connectors(db, ["CP-1"]) == []
        with pytest.raises(ConnectionClosed, match="replaced"):
            await asyncio.wait_for(old.receive(), 5)
        assert not (await stations.get(db, "CP-1")).online
        assert (await speaker(db))[0] is None


async def test_a_connection_that_a_restore_forgot_does_not_displace_who_came_since(
    db: Database,
) -> None:
    await register(db)
    old = [await connect(db, f"{number}") for number in range(20)][-1]
    await restore(db)
    new = await connect(db, "new")
    assert new.epoch < old.epoch
    await pods.renew_lease(db, pod_id=old.pod_id, pod_name="old", lease_s=60)
    await pods.renew_lease(db, pod_id=new.pod_id, pod_name="new", lease_s=60)
    assert await connections.reassert(db, [old]) == set()
    assert await speaker(db) == (new.connection_id, new.epoch)
    # Its pod died meanwhile: then there is nobody else.
    await pods.remove(db, new.pod_id)
    assert await connections.reassert(db, [old]) == {"CP-1"}
    assert await speaker(db) == (old.connection_id, old.epoch)


async def test_a_pod_that_may_not_raise_epochs_goes_on(
    db: Database, start_pod: StartPod, registry: OwnershipRegistry
) -> None:
    await register(db)
    async with start_pod(pod_lease_s=0.3) as gateway, station_client(gateway.url) as station:
        await station.boot()
        far = Ownership(station_id="CP-1", epoch=500, pod_id="pod-gone", connection_id="gone")
        await registry.claim([far])
        # Of a database that somebody restored without all that belongs to it.
        await db.execute("ALTER SEQUENCE station_epochs RENAME TO gone")
        (connection,) = gateway.server.all()
        connection.announced = False
        await asyncio.sleep(0.5)
        assert (await station.call("StatusNotification", STATUS))[0] == 3
        await db.execute("ALTER SEQUENCE gone RENAME TO station_epochs")
        await eventually(
            lambda: registry.find_routes(["CP-1"]),
            lambda routes: "CP-1" in routes and routes["CP-1"].epoch > far.epoch,
        )
