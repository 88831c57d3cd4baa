"""What the worker puts right, each on the real Postgres and Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
import structlog
from prometheus_client import REGISTRY

from cli.up.ports import free_ports
from control.jobs.app import run
from control.jobs.periodic import Job, each_by_itself, run_once
from control.jobs.settings import WorkerSettings
from control.jobs.sweeps import put_offline, route_again
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.commands import ClearCache, Command, CommandRecord, CommandState, Reset
from shared.domain.errors import UnavailableError
from shared.store import pods
from shared.store.commands import commands
from shared.store.pool import Database, open_database
from shared.store.stations import stations
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import PodPlayer, playing_pod, register
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.relay import relay


@pytest.fixture
def settings(database_url: str, redis_url: str) -> WorkerSettings:
    (port,) = free_ports(1)
    return WorkerSettings(
        database_url=database_url,
        redis_url=redis_url,
        redis_timeout_s=1.0,
        management_host="127.0.0.1",
        management_port=port,
        dead_pods_interval_s=0.05,
        expired_commands_interval_s=0.05,
        unanswered_commands_interval_s=0.05,
        waiting_commands_interval_s=0.05,
        waiting_commands_age_s=0,
    )


@pytest.fixture
async def worker(settings: WorkerSettings) -> AsyncIterator[str]:
    """A running worker; the URL of its management port."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    yield f"http://127.0.0.1:{settings.management_port}"
    stop.set()
    await running


async def queue(db: Database, command: Command, *, timeout_s: float = 60) -> str:
    record, _ = await commands.create(db, station_id="CS-1", command=command, timeout_s=timeout_s)
    return record.command_id


async def ended(db: Database, command_id: str) -> CommandRecord:
    return await eventually(
        lambda: commands.get(db, command_id), lambda record: record.state.final, timeout_s=5
    )


@pytest.mark.usefixtures("worker")
async def test_the_stations_of_a_dead_pod_go_offline(db: Database, pod: PodPlayer) -> None:
    await pod.hold("CS-1")
    await pods.renew_lease(db, pod_id=pod.pod_id, pod_name="pod", lease_s=0.01)
    await eventually(lambda: stations.get(db, "CS-1"), lambda station: not station.online)


async def test_the_stations_of_a_living_pod_and_of_its_successor_stay_online(
    db: Database, pod: PodPlayer, settings: WorkerSettings
) -> None:
    await pod.hold("CS-1")
    await pod.hold("CS-2")
    async with playing_pod(db, settings, "pod-2-abcdef") as successor:
        await successor.hold("CS-2")
        await pods.renew_lease(db, pod_id=pod.pod_id, pod_name="pod", lease_s=0.01)
        await asyncio.sleep(0.05)
        with structlog.testing.capture_logs() as logs:
            assert await put_offline(db) == 1
            assert await put_offline(db) == 0
        assert [line["pod_id"] for line in logs] == [pod.pod_id]
        assert (await stations.get(db, "CS-1")).online is False
        assert (await stations.get(db, "CS-2")).online is True


@pytest.mark.usefixtures("worker")
async def test_a_queued_command_past_its_deadline_has_expired(db: Database) -> None:
    await register(db, "CS-1")
    record = await ended(db, await queue(db, Reset(), timeout_s=0.01))
    assert record.state is CommandState.EXPIRED
    assert record.sent_at is None


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("command", "state"),
    [(Reset(), CommandState.UNKNOWN), (ClearCache(), CommandState.TIMED_OUT)],
)
async def test_a_command_sent_by_a_pod_that_died_is_ended_at_once(
    db: Database, pod: PodPlayer, command: Command, state: CommandState
) -> None:
    await pod.hold("CS-1")
    command_id = await queue(db, command)
    await pod.take(RunCommand(command_id, "CS-1", ""))
    await pods.remove(db, pod.pod_id)
    record = await ended(db, command_id)
    assert record.state is state
    assert record.error_code == "NoAnswer"


async def test_a_living_pod_gets_a_grace_to_end_its_commands(db: Database, pod: PodPlayer) -> None:
    await pod.hold("CS-1")
    command_id = await queue(db, Reset(), timeout_s=0.05)
    await pod.take(RunCommand(command_id, "CS-1", ""))
    await asyncio.sleep(0.1)
    assert await commands.sweep_unanswered(db, grace_s=60) == 0
    assert await commands.sweep_unanswered(db, grace_s=0) == 1
    assert (await commands.get(db, command_id)).state is CommandState.UNKNOWN


@pytest.mark.usefixtures("worker")
async def test_a_command_whose_stream_was_lost_reaches_the_pod_that_holds_its_station_now(
    db: Database, pod: PodPlayer
) -> None:
    await register(db, "CS-1")
    command_id = await queue(db, Reset())
    await asyncio.sleep(0.2)  # nobody holds the station: the command waits
    assert (await commands.get(db, command_id)).state is CommandState.QUEUED
    await pod.hold("CS-1")
    request = await pod.next_command()
    assert request.command_id == command_id
    assert await pod.take(request) is not None


async def test_a_command_on_its_first_way_and_one_without_a_way_are_left_alone(
    db: Database, pod: PodPlayer, settings: WorkerSettings
) -> None:
    await pod.hold("CS-1")
    await register(db, "CS-2")
    await commands.create(db, station_id="CS-2", command=Reset(), timeout_s=60)
    await queue(db, Reset())
    async with open_redis(settings) as redis:
        bus = (OwnershipRegistry(redis), PodRequestSender(redis))
        assert await route_again(db, *bus, older_than_s=5, limit=10) == 0
        assert await route_again(db, *bus, older_than_s=0, limit=10) == 1


async def test_a_command_whose_station_has_come_to_another_pod_follows_it_at_once(
    db: Database, pod: PodPlayer, settings: WorkerSettings
) -> None:
    await pod.hold("CS-1")
    command_id = await queue(db, Reset())  # goes to a pod that dies
    async with (
        open_redis(settings) as redis,
        playing_pod(db, settings, "pod-2-abcdef") as successor,
    ):
        bus = (OwnershipRegistry(redis), PodRequestSender(redis))
        assert await route_again(db, *bus, older_than_s=60, limit=10) == 0
        await successor.hold("CS-1")
        assert await route_again(db, *bus, older_than_s=60, limit=10) == 1
        assert (await successor.next_command()).command_id == command_id
        # It is on its way there now, and is not put on it again.
        assert await route_again(db, *bus, older_than_s=60, limit=10) == 0


async def test_commands_that_wait_in_a_pods_queue_do_not_keep_others_from_being_routed(
    db: Database, pod: PodPlayer, settings: WorkerSettings
) -> None:
    for number in range(4):
        await pod.hold(f"CS-{number}")
        await commands.create(db, station_id=f"CS-{number}", command=Reset(), timeout_s=60)
    async with open_redis(settings) as redis:
        bus = (OwnershipRegistry(redis), PodRequestSender(redis))
        for _ in range(2):
            assert await route_again(db, *bus, older_than_s=0, limit=2) == 2
    routed = {(await pod.next_command()).station_id for _ in range(4)}
    assert routed == {f"CS-{number}" for number in range(4)}


async def test_a_command_that_was_routed_twice_is_sent_once(
    db: Database, pod: PodPlayer, settings: WorkerSettings
) -> None:
    await pod.hold("CS-1")
    await queue(db, Reset())
    async with open_redis(settings) as redis:
        bus = (OwnershipRegistry(redis), PodRequestSender(redis))
        for _ in range(2):  # two workers, or one that is quick
            await route_again(db, *bus, older_than_s=0, limit=10)
    taken = [await pod.take(await pod.next_command()) for _ in range(2)]
    assert [record is not None for record in taken] == [True, False]


async def test_partitions_are_made_for_the_days_ahead(
    db: Database, settings: WorkerSettings
) -> None:
    today = datetime.now(UTC).date()
    await db.execute(f"DROP TABLE meter_values_{today:%Y%m%d}")
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    await eventually(
        lambda: db.fetchval("SELECT to_regclass($1)", f"meter_values_{today:%Y%m%d}"),
        lambda table: table is not None,
    )
    stop.set()
    await running


async def test_a_sweep_is_counted_by_what_it_put_right(db: Database, worker: str) -> None:
    await register(db, "CS-1")
    name, labels = "voltaro_worker_swept_total", {"what": "expired_commands"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    await ended(db, await queue(db, Reset(), timeout_s=0.01))
    async with http_client(base_url=worker) as client:
        page = (await client.get("/metrics")).text
    assert f'{name}{{what="expired_commands"}} {before + 1}' in page


async def test_a_sweep_that_fails_is_logged_counted_and_tried_again(
    db: Database, settings: WorkerSettings
) -> None:
    name, labels = "voltaro_worker_sweep_failures_total", {"what": "waiting_commands"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    async with relay(settings.redis_url) as wire:
        await wire.cut()
        away = settings.model_copy(update={"redis_url": wire.url})
        stop = asyncio.Event()
        await register(db, "CS-1")
        await db.execute("UPDATE stations SET online = true")
        await queue(db, Reset())
        running = asyncio.create_task(run(away, stop))

        async def failures() -> float:
            return REGISTRY.get_sample_value(name, labels) or 0

        await eventually(failures, lambda count: count >= before + 2)
        # The other jobs go on, and the worker says what it misses.
        await ended(db, await queue(db, Reset(), timeout_s=0.01))
        url = f"http://127.0.0.1:{settings.management_port}"
        async with http_client(base_url=url) as client:
            assert (await client.get("/healthz")).status_code == 200
            ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["dependencies"] == {"postgres": "ok", "redis": "away"}
        await wire.mend()
        async with playing_pod(db, settings) as pod:
            await pod.hold("CS-1")
            await pod.next_command()
        stop.set()
        await running


async def test_a_fault_is_logged_with_its_traceback_and_a_missing_dependency_without() -> None:
    async def fault() -> int:
        raise RuntimeError("a fault")

    async def away() -> int:
        raise UnavailableError("away")

    with structlog.testing.capture_logs() as logs:
        await run_once(Job("fault", 1, fault))
        await run_once(Job("away", 1, away))
    assert [(line["job"], line["log_level"], "exc_info" in line) for line in logs] == [
        ("fault", "error", True),
        ("away", "warning", False),
    ]


async def test_one_of_many_that_fails_or_takes_too_long_keeps_no_other_from_its_turn(
    db: Database,
) -> None:
    done = []

    async def do(item: str) -> bool:
        if item == "broken":
            raise ValueError(item)
        if item == "slow":
            await db.execute("SELECT pg_sleep(60)", timeout=0.1)
        if item == "cancelled":
            async with db.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 100")
                await connection.execute("SELECT pg_sleep(60)")
        done.append(item)
        return True

    items = ["a", "broken", "b", "slow", "c", "cancelled", "d"]
    with structlog.testing.capture_logs() as logs:
        assert await each_by_itself(db, "several", items, do) == 4
    assert done == ["a", "b", "c", "d"]
    assert [line["item"] for line in logs] == ["broken", "slow", "cancelled"]


async def test_a_dependency_that_is_away_is_no_items_fault(
    db: Database, database_url: str, make_settings: MakeSettings
) -> None:
    async def storage_is_away(item: str) -> bool:
        raise UnavailableError(item)

    with pytest.raises(UnavailableError):
        await each_by_itself(db, "several", ["a", "b"], storage_is_away)
    async with (
        relay(database_url) as link,
        open_database(make_settings(database_url=link.url, database_connect_timeout_s=0.5)) as cut,
    ):

        async def read(_: str) -> bool:
            await link.cut()
            return bool(await cut.fetchval("SELECT true", timeout=0.5))

        with pytest.raises((OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
            await each_by_itself(cut, "several", ["a", "b"], read)


async def test_very_many_commands_end_in_bites(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(db, "CS-1")
    monkeypatch.setattr(commands, "_ENDED_AT_ONCE", 2)
    for state in ("queued", "sent"):
        await db.execute(
            """
            INSERT INTO commands (station_id, type, params, state, expires_at)
            SELECT 'CS-1', 'Reset', '{}', $1, now() - interval '1 second'
            FROM generate_series(1, 5)
            """,
            state,
        )
    assert await commands.sweep_expired(db) == 5
    assert await commands.sweep_unanswered(db, grace_s=0) == 5
    assert await commands.sweep_expired(db) == 0
