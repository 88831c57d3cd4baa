"""Somebody holds a lock for long: no outage, and only what it is about has to wait."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control.jobs.retention import make_partitions
from shared.domain.access.local_lists import LocalListVersionReported
from shared.domain.errors import UnavailableError
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.settings import DatabaseSettings
from shared.store import facts, redelivery
from shared.store.migrate import migrate
from shared.store.partitions import DailyTable
from shared.store.pool import Database, KeptConnection, open_database
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.former_schema import make_former
from tests.support.pods import Pod
from tests.support.stations import StationClient, register, station_client

HOLD_S = 1.6
# A quarter of the hold is waited for a lock before a fact goes apart; twice that, and some grace.
UNDISTURBED_S = 1.2


@pytest.fixture
async def pod(db: Database, start_pod: StartPod) -> AsyncIterator[Pod]:
    await register(db)
    await register(db, "CP-2")
    async with start_pod(ingest_hold_s=HOLD_S) as gateway:
        yield gateway


@asynccontextmanager
async def locked(db: Database, statement: str, *arguments: object) -> AsyncIterator[None]:
    """Hold what a statement locks, as somebody does who forgot to commit."""
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(statement, *arguments)
        yield


SESSION = "SELECT FROM sessions WHERE station_id = 'CP-1' FOR UPDATE"


async def start(station: StationClient, *, register_wh: int = 0) -> int:
    answer = await station.call(
        "StartTransaction",
        {
            "connectorId": 1,
            "idTag": "TAG",
            "meterStart": register_wh,
            "timestamp": "2026-01-01T00:00:00Z",
        },
    )
    assert answer[0] == 3, answer
    return int(answer[2]["transactionId"])


def stop(transaction_id: int, *, register_wh: int = 50) -> dict[str, Any]:
    return {
        "transactionId": transaction_id,
        "meterStop": register_wh,
        "timestamp": "2026-01-01T00:00:30Z",
    }


def value(second: int) -> dict[str, Any]:
    at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).isoformat()
    return {
        "connectorId": 1,
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": str(second)}]}],
    }


@contextmanager
def within(seconds: float) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    yield
    assert loop.time() - began < seconds


async def letters(db: Database) -> list[tuple[str, str]]:
    records = await db.fetch("SELECT kind, status FROM dead_letters ORDER BY dead_letter_id")
    return [(record["kind"], record["status"]) for record in records]


async def test_what_waits_for_a_lock_is_kept_when_it_is_gone_and_nobody_else_waits(
    db: Database, pod: Pod
) -> None:
    async with station_client(pod.url) as station, station_client(pod.url, "CP-2") as other:
        await station.boot()
        await other.boot()
        transaction_id = await start(station)
        async with locked(db, SESSION):
            ending = asyncio.create_task(station.call("StopTransaction", stop(transaction_id)))
            async with asyncio.timeout(0.8 * HOLD_S):
                for second in range(5):
                    with within(UNDISTURBED_S):
                        assert (await other.call("MeterValues", value(second)))[2] == {}
            assert not ending.done()
        assert (await ending)[2] == {}
    assert await db.fetchval("SELECT meter_stop_wh FROM sessions") == 50
    assert await letters(db) == []
    assert pod.server._services.ingest.available


async def test_what_waits_too_long_is_set_aside_alone_answered_and_delivered_later(
    db: Database, pod: Pod
) -> None:
    async with station_client(pod.url) as station, station_client(pod.url, "CP-2") as other:
        await station.boot()
        await other.boot()
        transaction_id = await start(station)
        async with locked(db, SESSION):
            async with asyncio.timeout(2.5 * HOLD_S):
                assert (await station.call("StopTransaction", stop(transaction_id)))[2] == {}
            assert await letters(db) == [("TransactionEnded", "open")]
            assert "lock" in await db.fetchval("SELECT reason FROM dead_letters")
            assert await redelivery.deliver(db, limit=10) == 0
            with within(UNDISTURBED_S):  # and neither station was sent away
                await other.call("MeterValues", value(0))
                await station.call("Heartbeat", {})
        assert await redelivery.deliver(db, limit=10) == 1
    session = await db.fetchrow("SELECT meter_stop_wh, ended_by FROM sessions")
    assert (session["meter_stop_wh"], session["ended_by"]) == (50, "station")
    assert await letters(db) == [("TransactionEnded", "dismissed")]
    assert await redelivery.deliver(db, limit=10) == 0


async def test_a_table_that_is_locked_sends_no_station_away(db: Database, pod: Pod) -> None:
    async with station_client(pod.url) as station, station_client(pod.url, "CP-2") as other:
        await station.boot()
        await other.boot()
        async with locked(db, "LOCK TABLE meter_values IN ACCESS EXCLUSIVE MODE"):
            telling = asyncio.create_task(station.call("MeterValues", value(1)))
            with within(UNDISTURBED_S):
                transaction_id = await start(other)
            async with asyncio.timeout(2.5 * HOLD_S):
                assert (await telling)[2] == {}
            with within(UNDISTURBED_S):
                assert (await other.call("StopTransaction", stop(transaction_id)))[2] == {}
        assert await redelivery.deliver(db, limit=10) == 1
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 1


@pytest.mark.parametrize("told_under_the_lock", [True, False])
async def test_a_start_that_was_set_aside_gets_the_id_that_its_station_was_told(
    db: Database,
    pod: Pod,
    told_under_the_lock: bool,  # noqa: FBT001 - pytest's own way
) -> None:
    async with station_client(pod.url) as station:
        await station.boot()
        async with locked(db, "LOCK TABLE sessions IN SHARE MODE"):
            transaction_id = await start(station)
            if told_under_the_lock:
                await station.call("StopTransaction", stop(transaction_id))
        if not told_under_the_lock:
            await station.call("StopTransaction", stop(transaction_id))
        await redelivery.deliver(db, limit=10)
    session = await db.fetchrow("SELECT transaction_id, meter_stop_wh, ended_by FROM sessions")
    assert dict(session) == {
        "transaction_id": str(transaction_id),
        "meter_stop_wh": 50,
        "ended_by": "station",
    }
    assert {status for _, status in await letters(db)} == {"dismissed"}


async def ended_session(db: Database, pod: Pod, transaction_id: int) -> dict[str, Any]:
    async with station_client(pod.url) as station:
        await station.boot()
        await station.call("StopTransaction", stop(transaction_id))
    return dict(await db.fetchrow("SELECT transaction_id, ended_by FROM sessions"))


async def test_a_start_that_is_told_again_under_the_lock_gets_the_same_id(
    db: Database, pod: Pod
) -> None:
    told = []
    async with locked(db, "LOCK TABLE sessions IN SHARE MODE"):
        for _ in range(2):  # as a station does whose connection was lost before the answer
            async with station_client(pod.url) as station:
                await station.boot()
                told.append(await start(station))
    assert await redelivery.deliver(db, limit=10) == 1
    assert told[0] == told[1]
    ended = await ended_session(db, pod, told[1])
    assert ended == {"transaction_id": str(told[1]), "ended_by": "station"}


async def test_a_start_that_is_told_again_gets_the_id_that_was_told_last(
    db: Database, pod: Pod
) -> None:
    async with station_client(pod.url) as station:
        await station.boot()
        first = await start(station)
        async with locked(db, "LOCK TABLE sessions IN SHARE MODE"):
            second = await start(station)  # the first answer was lost
    assert await redelivery.deliver(db, limit=10) == 1
    assert first != second
    ended = await ended_session(db, pod, second)
    assert ended == {"transaction_id": str(second), "ended_by": "station"}


async def test_what_was_told_again_after_the_lock_keeps_its_id(db: Database, pod: Pod) -> None:
    async with station_client(pod.url) as station:
        await station.boot()
        async with locked(db, "LOCK TABLE sessions IN SHARE MODE"):
            first = await start(station)
        second = await start(station)  # the first answer was lost
        assert await redelivery.deliver(db, limit=10) == 1
    assert first != second
    ended = await ended_session(db, pod, second)
    assert ended == {"transaction_id": str(second), "ended_by": "station"}


async def test_what_was_delivered_once_is_delivered_again_if_it_is_told_again(
    db: Database,
) -> None:
    await register(db)
    told = LocalListVersionReported(station_id="CP-1", version=5)
    connection = KeptConnection(db)
    aside = [facts.SetAside(told, "a lock", because_of_a_lock=True)]
    for _ in range(2):
        await facts.write_dead_letters(connection, aside)
        assert await redelivery.deliver(db, limit=10) == 1
    await connection.give_back()


async def test_a_letter_that_cannot_be_read_keeps_no_other_from_its_delivery(db: Database) -> None:
    connection = KeptConnection(db)
    for station_id in ("CP-1", "CP-2"):
        await register(db, station_id)
        told = LocalListVersionReported(station_id=station_id, version=5)
        aside = [facts.SetAside(told, "a lock", because_of_a_lock=True)]
        await facts.write_dead_letters(connection, aside)
    await connection.give_back()
    # As a newer version writes it, whose worker has not started yet.
    await db.execute("UPDATE dead_letters SET kind = 'ToldTomorrow' WHERE station_id = 'CP-1'")
    # Not even if it is all that is looked at together.
    assert await redelivery.deliver(db, limit=1) == 1
    assert await letters(db) == [
        ("ToldTomorrow", "open"), ("LocalListVersionReported", "dismissed")
    ]  # fmt: skip


async def test_an_end_that_was_set_aside_and_names_no_transaction_is_a_stray_one(
    db: Database, pod: Pod
) -> None:
    async with station_client(pod.url) as station:
        await station.boot()
        async with locked(db, "LOCK TABLE sessions IN EXCLUSIVE MODE"):
            await station.call("StopTransaction", stop(999))
    assert await redelivery.deliver(db, limit=10) == 0
    letter = await db.fetchrow("SELECT reason, status, transaction_end FROM dead_letters")
    assert letter["reason"] == "the station has no transaction with this id"
    assert letter["status"] == "open"
    assert letter["transaction_end"]["transaction_id"] == "999"


async def test_many_that_wait_for_one_table_are_all_answered(db: Database, pod: Pod) -> None:
    ingest = pod.server._services.ingest
    async with locked(db, "LOCK TABLE meter_values IN ACCESS EXCLUSIVE MODE"):
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        told = [
            fact for number in range(300) for fact in values_at(begin + timedelta(seconds=number))
        ]
        async with asyncio.timeout(4 * HOLD_S):
            await asyncio.gather(*map(ingest.submit, told))
    assert await redelivery.deliver(db, limit=500) == 300
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 300
    assert ingest.available


def values_at(at: datetime) -> list[MeterValuesReported]:
    sample: MeterSample = {
        "value": "1",
        "measurand": "Voltage",
        "context": "Other",
        "location": "Body",
    }
    return [MeterValuesReported("CP-1", 1, None, [MeterValue(at, [sample], None)])]


@pytest.mark.parametrize(
    ("table", "column"),
    [(DailyTable.METER_VALUES, "sampled_at"), (DailyTable.OCPP_LOG, "called_at")],
)
async def test_partitions_are_made_beside_who_reads_today(
    db: Database, table: DailyTable, column: str
) -> None:
    today = datetime.now(UTC).date()
    async with db.acquire() as reader, reader.transaction():
        await reader.fetch(
            f"SELECT FROM {table} WHERE {column} BETWEEN '{today} 00:00+00' AND '{today} 01:00+00'"
        )
        await make_partitions(db, table, days=21)
    name = f"{table}_{today + timedelta(days=20):%Y%m%d}"
    assert await db.fetchval("SELECT to_regclass($1)", name)


async def test_a_day_that_was_made_beside_its_parent_takes_rows_as_all_others(db: Database) -> None:
    day = datetime.now(UTC).date() + timedelta(days=20)
    for table in DailyTable:
        await make_partitions(db, table, days=21)
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    await db.execute(
        """
        INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, outcome, pod_id)
        SELECT $1, 'CP-1', '1.6', 'from_station', 'CallResult', 'pod' FROM generate_series(1, 2)
        """,
        at,
    )
    rows = await db.fetch("SELECT entry_id FROM ocpp_log WHERE called_at = $1", at)
    assert len({row["entry_id"] for row in rows}) == 2
    for _ in range(2):  # its key tells what is told again
        await facts.write(db, values_at(at))
    tables = await db.fetch("SELECT tableoid::regclass::text AS name FROM meter_values")
    assert [row["name"] for row in tables] == [f"meter_values_{day:%Y%m%d}"]


async def test_a_backup_is_in_the_way_of_partitions_and_they_are_in_nobodys(db: Database) -> None:
    day = datetime.now(UTC).date() + timedelta(days=19)
    async with locked(db, "LOCK TABLE meter_values, meter_values_default IN ACCESS SHARE MODE"):
        with within(2):
            await make_partitions(db, DailyTable.METER_VALUES, days=20)
        assert await db.fetchval("SELECT to_regclass($1)", f"meter_values_{day:%Y%m%d}") is None
    await make_partitions(db, DailyTable.METER_VALUES, days=20)
    assert await db.fetchval("SELECT to_regclass($1)", f"meter_values_{day:%Y%m%d}")


async def test_a_migration_waits_for_a_lock_in_short_tries(empty_database_url: str) -> None:
    await make_former(empty_database_url, "0010")
    async with open_database(DatabaseSettings(database_url=empty_database_url)) as former:
        async with locked(former, "LOCK TABLE dead_letters IN ACCESS SHARE MODE"):
            with pytest.raises(UnavailableError, match="holds a lock"):
                await migrate(empty_database_url, connect_timeout_s=5, lock_wait_s=0.1)
            migrating = asyncio.create_task(
                migrate(empty_database_url, connect_timeout_s=5, lock_wait_s=30)
            )
            for _ in range(10):  # who comes behind it waits for one try at most
                with within(1):
                    await former.fetch("SELECT FROM dead_letters LIMIT 1")
                await asyncio.sleep(0.1)
        await migrating
        assert await former.fetchval("SELECT version_num FROM alembic_version") >= "0011"


async def test_what_one_migration_has_locked_is_free_while_the_next_one_works(
    empty_database_url: str,
) -> None:
    await make_former(empty_database_url, "0010")
    async with open_database(DatabaseSettings(database_url=empty_database_url)) as former:
        await former.execute("INSERT INTO stations (station_id, epoch) VALUES ('CP-1', 7)")
        # The last of them cannot go on before this is over, as if its index took that long.
        async with locked(former, "LOCK TABLE station_variables IN ROW EXCLUSIVE MODE"):
            migrating = asyncio.create_task(
                migrate(empty_database_url, connect_timeout_s=5, lock_wait_s=30)
            )
            await eventually(
                lambda: former.fetchval("SELECT version_num FROM alembic_version"),
                lambda at: at >= "0016",
            )
            for _ in range(10):
                with within(0.3):
                    assert await former.fetchval("SELECT epoch FROM stations FOR UPDATE") == 7
                    await former.fetch("SELECT FROM sessions")
                    await former.fetch("SELECT FROM connectors")
                await asyncio.sleep(0.05)
        await migrating
        assert await former.fetchval("SELECT last_value FROM station_epochs") == 8
