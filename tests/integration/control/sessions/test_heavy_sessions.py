"""Sessions that cannot be worked out cost the others nothing, and people hear of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.sessions import HistoryKind, Session, TransactionEnded
from shared.store import facts
from shared.store.pool import Database, open_database
from shared.store.sessions import history, sessions, stray_ends
from tests.integration.control.charges import START, begin, end, meter
from tests.integration.control.conftest import MakeSettings

MakeWorker = Callable[..., WorkerSettings]
IMPATIENT = {"settle_timeout_s": 0.3, "settle_retry_s": 0.01, "settle_max_failures": 2}


@pytest.fixture
def make_worker(database_url: str, redis_url: str) -> MakeWorker:
    def make(**changes: Any) -> WorkerSettings:
        return WorkerSettings(database_url=database_url, redis_url=redis_url, **changes)

    return make


async def the_session(db: Database, transaction_id: str) -> Session:
    found = await sessions.list_before(db, before=None, limit=100)
    (session,) = [each for each in found if each.transaction_id == transaction_id]
    return session


async def settle_again(db: Database, worker: WorkerSettings) -> None:
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)


@asynccontextmanager
async def unreadable(db: Database, transaction_id: str) -> AsyncIterator[None]:
    """Have whoever reads a session wait, as long as the context lasts.

    The end that a pod from before `transaction_ends` wrote is copied there first, and somebody else
    has just written the same and not committed it.
    """
    await db.execute(
        "UPDATE sessions SET ended_at = $2, meter_stop_wh = 3000, stopped_reason = 'Local' "
        "WHERE transaction_id = $1",
        transaction_id,
        START + timedelta(hours=1),
    )
    async with db.acquire() as connection:
        other = connection.transaction()
        await other.start()
        await connection.execute(
            """
            INSERT INTO transaction_ends (station_id, transaction_id, ended_at, meter_stop_wh,
                                          stopped_reason)
            SELECT station_id, transaction_id, ended_at, meter_stop_wh, stopped_reason
            FROM sessions WHERE transaction_id = $1
            """,
            transaction_id,
        )
        try:
            yield
        finally:
            await other.rollback()


async def test_of_a_batch_with_one_that_cannot_be_read_the_others_are_settled(
    db: Database, make_worker: MakeWorker
) -> None:
    ids = [await begin(db, minute=minute) for minute in range(10)]
    for each in ids[1:]:
        await end(db, each, "3000")
    async with unreadable(db, ids[0]):
        assert await settle_due(db, make_worker(settle_timeout_s=0.8, settle_retry_s=100)) == 9
        assert [(await the_session(db, each)).billable for each in ids] == [False] + [True] * 9
        row = await db.fetchrow(
            "SELECT settle_failures, settle_at - now() AS wait FROM sessions "
            "WHERE transaction_id = $1",
            ids[0],
        )
        assert row is not None
        assert row["settle_failures"] == 1
        assert timedelta(seconds=90) < row["wait"] < timedelta(seconds=100)


async def test_one_that_cannot_be_read_again_and_again_is_for_people_until_it_can(
    db: Database, make_worker: MakeWorker
) -> None:
    transaction_id = await begin(db)
    async with unreadable(db, transaction_id):
        for _ in range(2):
            await settle_again(db, make_worker(**IMPATIENT))
        session = await the_session(db, transaction_id)
        assert session.review_reasons == ("not_worked_out",)
        assert (session.needs_review, session.billable) == (True, False)
        entries = await history.list_after(db, session.session_id, after=None, limit=10)
        assert [entry.kind for entry in entries] == [HistoryKind.NEEDS_REVIEW]
        told = await db.fetch("SELECT type, data FROM event_outbox")
        assert [(row["type"], row["data"]["reasons"]) for row in told] == [
            ("session.needs_review", ["not_worked_out"])
        ]
        await settle_again(db, make_worker(**IMPATIENT))
    await settle_again(db, make_worker(**IMPATIENT))
    session = await the_session(db, transaction_id)
    assert (session.review_reasons, session.billable) == ((), True)
    assert await db.fetchval("SELECT settle_failures FROM sessions") == 0


async def test_one_that_cannot_be_worked_out_at_all_is_for_people(
    db: Database, make_worker: MakeWorker
) -> None:
    broken, good = await begin(db), await begin(db, minute=1)
    await end(db, good, "3000")
    await stray(db)
    await db.execute(
        """
        UPDATE dead_letters SET status = 'assigned', transaction_end = '{}',
               session_id = (SELECT session_id FROM sessions WHERE transaction_id = $1)
        """,
        broken,
    )
    for _ in range(3):
        await settle_again(db, make_worker(**IMPATIENT))
    session = await the_session(db, broken)
    assert session.review_reasons == ("not_worked_out",)
    assert (session.needs_review, session.billable) == (True, False)
    entries = await history.list_after(db, session.session_id, after=None, limit=10)
    assert [entry.detail for entry in entries] == [{"reasons": ["not_worked_out"]}]
    assert (await the_session(db, good)).billable


async def test_a_session_with_more_values_than_are_read_is_for_people(
    db: Database, make_worker: MakeWorker
) -> None:
    ids = [await begin(db, minute=minute) for minute in range(3)]
    for number, each in enumerate(ids):
        await meter(db, each, *((60 * number + 300 + n, str(1000 + n)) for n in range(3 + number)))
        await end(db, each, "3000")
    await settle_due(db, make_worker(settle_max_samples=4))
    found = [await the_session(db, each) for each in ids]
    assert [each.review_reasons for each in found] == [(), (), ("meter_values_too_many",)]
    assert [each.energy_wh for each in found] == [2000, 2000, 2000]
    assert [each.billable for each in found] == [True, True, False]


async def test_no_rule_closes_a_session_whose_values_were_not_read(
    db: Database, make_worker: MakeWorker
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, *((n, str(1000 + n)) for n in range(5)))
    await db.execute("UPDATE sessions SET created_at = now() - interval '300 days'")
    await db.execute("UPDATE meter_values SET received_at = now() - interval '300 days'")
    await settle_due(db, make_worker(settle_max_samples=4))
    session = await the_session(db, transaction_id)
    assert (session.ended_at, session.review_reasons) == (None, ("meter_values_too_many",))
    await settle_again(db, make_worker())
    session = await the_session(db, transaction_id)
    assert (session.ended_by, session.review_reasons[0]) == ("rule", "end_missing")


async def stray(db: Database, station_id: str = "CS-1", **changes: Any) -> None:
    words = {
        "station_id": station_id,
        "transaction_id": "-1",
        "ended_at": START + timedelta(hours=1),
        "meter_stop_wh": Decimal(2500),
        "stopped_reason": "Local",
        "id_token": "04A2B3C4",
        **changes,
    }
    await facts.write(db, [TransactionEnded(**words)])


def not_matched() -> float:
    return REGISTRY.get_sample_value("voltaro_stray_ends_not_matched_total") or 0.0


async def test_a_station_that_heaps_up_stray_ends_keeps_no_other_from_its_own(
    db: Database, make_worker: MakeWorker
) -> None:
    await begin(db, "CS-1")
    other = await begin(db, "CS-2")
    await stray(db, "CS-1")
    await stray(db, "CS-2")
    await db.execute(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, transaction_end)
        SELECT station_id, kind, reason, fact, n, transaction_end
        FROM dead_letters, generate_series(1, $1) AS n WHERE station_id = 'CS-1'
        """,
        stray_ends._MAX_LETTERS,
    )
    before = not_matched()
    await settle_due(db, make_worker())
    assert (await the_session(db, other)).ended_by == "matched"
    assert not_matched() > before
    assert await db.fetchval("SELECT count(*) FROM dead_letters WHERE status <> 'open'") == 1


async def test_a_make_that_names_no_transaction_may_go_on_for_years(
    db: Database, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was matched long ago stands and is not compared again, so that it is not too many."""
    monkeypatch.setattr(stray_ends, "_MAX_LETTERS", 2)
    monkeypatch.setattr(stray_ends, "_MAX_SESSIONS", 2)
    found = []
    for number in range(5):
        found.append(await begin(db, minute=120 * number))
        ended_at = START + timedelta(minutes=120 * number + 60)
        await stray(db, ended_at=ended_at, id_token="04A2B3C4")
        await settle_due(db, make_worker())
        await db.execute("UPDATE dead_letters SET received_at = received_at - interval '5 days'")
    assert [(await the_session(db, each)).ended_by for each in found] == ["matched"] * 5
    assert await db.fetchval("SELECT count(*) FROM dead_letters WHERE status = 'matched'") == 5


async def test_stray_ends_that_cannot_be_read_keep_no_session_from_being_settled(
    db: Database, make_worker: MakeWorker
) -> None:
    mine, other = await begin(db, "CS-1"), await begin(db, "CS-2")
    await end(db, mine, "3000")
    await stray(db, "CS-1")
    await stray(db, "CS-2")
    await db.execute("UPDATE dead_letters SET transaction_end = '{}' WHERE station_id = 'CS-1'")
    await settle_due(db, make_worker())
    assert (await the_session(db, mine)).billable
    assert (await the_session(db, other)).ended_by == "matched"


async def test_an_end_is_not_matched_where_later_values_may_not_have_been_seen(
    db: Database, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, *((1800 + n, "1500") for n in range(5)))
    await meter(db, "another", *((7200 + n, "9000") for n in range(5)))
    await stray(db)
    monkeypatch.setattr(stray_ends, "_MAX_VALUES", 4)
    await settle_due(db, make_worker())
    assert await db.fetchval("SELECT status FROM dead_letters") == "open"
    monkeypatch.undo()
    await settle_again(db, make_worker())
    assert await db.fetchval("SELECT status FROM dead_letters") == "matched"


async def rows_read(db: Database) -> int:
    """Return how many rows of meter values were read, of a pool of one connection."""
    await db.execute("SELECT pg_stat_force_next_flush()")
    query = (
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables "
        "WHERE relname LIKE 'meter_values%'"
    )
    return int(await db.fetchval(query))


async def test_a_page_of_a_sessions_values_reads_no_history_of_others(
    make_settings: MakeSettings,
) -> None:
    async with open_database(make_settings(database_pool_size=1)) as db:
        await db.execute("SELECT ensure_meter_value_partitions('2025-05-25', 10)")
        earlier = [await begin(db, minute=-minutes) for minutes in (4000, 3000)]
        mine = await begin(db)
        for number, each in enumerate(earlier):
            seconds = range(-60 * 4000 + 60_000 * number, -60 * 4000 + 60_000 * number + 1000)
            await meter(db, each, *((second, "1000") for second in seconds))
        await meter(db, mine, (60, "1100"), (120, "1200"))
        await meter(db, mine, (-86_400 * 9000, "1"))  # its clock was off
        await end(db, mine, "3000")
        await db.execute("ANALYZE meter_values")
        session = await the_session(db, mine)
        before = await rows_read(db)
        found = await sessions.list_meter_values_after(db, session, after=None, limit=10)
        assert await rows_read(db) - before < 100
        shown = [value.samples[0]["value"] for _, value in found]
        assert shown == ["1", "1100", "1200"]
        (position, _) = found[0]
        rest = await sessions.list_meter_values_after(db, session, after=position, limit=10)
        assert [value.samples[0]["value"] for _, value in rest] == ["1100", "1200"]
