"""Reading a session's values costs what it has, however much its EVSE has told in its time."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.store.pool import Database
from shared.store.sessions import sessions
from tests.support.plans import Asked

START = datetime(2025, 6, 1, tzinfo=UTC)
MINUTES = 40_000  # four weeks
HOURS = 5  # a session begins every so often, and lasts for four of these
TRANSACTION = MINUTES // (60 * HOURS) // 2
OF_A_DAY = 24 * 60


async def tell_a_history(db: Database) -> None:
    """Have EVSE 1 told a value a minute, which no partition takes, as its clock is off."""
    await db.execute(
        """
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples)
        SELECT 'CS-1', 1, $1::timestamptz + n * interval '1 minute', n,
               CASE WHEN n % ($3 * 60) < 240 THEN (n / ($3 * 60))::text END, n, '[]'
        FROM generate_series(0, $2 - 1) AS n
        """,
        START,
        MINUTES,
        HOURS,
    )
    await db.execute(
        """
        INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                              ocpp_version, started_at, ended_at, ended_by)
        SELECT 'CS-1', 1, n::text, 'csms', '1.6', $1::timestamptz + n * $2 * interval '1 hour',
               $1::timestamptz + (n * $2 + 4) * interval '1 hour', 'station'
        FROM generate_series(0, $3 - 1) AS n
        """,
        START,
        HOURS,
        MINUTES // (60 * HOURS),
    )
    await db.execute("ANALYZE meter_values")
    await db.execute("ANALYZE sessions")


async def read(db: Database, *, limit: int = 1000) -> tuple[int, int]:
    """Return how many values one session has, and how many were read for that."""
    session_id = await db.fetchval(
        "SELECT session_id::text FROM sessions WHERE transaction_id = $1", str(TRANSACTION)
    )
    session = await sessions.get(db, session_id)
    asked = Asked(db)
    found = await sessions.list_meter_values_after(asked.db, session, after=None, limit=limit)
    assert {value.transaction_id for _, value in found} == {str(TRANSACTION)}
    return len(found), await asked.rows_read("meter_values")


@pytest.mark.timeout(120)
async def test_a_sessions_values_are_read_and_not_those_of_its_evse(db: Database) -> None:
    await tell_a_history(db)
    count, rows = await read(db)
    assert count == 240
    # A day before its start and after its end are looked at, as one of its values may stand there.
    assert rows <= count + 2 * OF_A_DAY + 60


@pytest.mark.timeout(120)
async def test_a_session_without_a_start_or_an_end_is_read_when_its_events_were_taken(
    db: Database,
) -> None:
    await tell_a_history(db)
    began = START + timedelta(hours=HOURS * TRANSACTION)
    await db.execute(
        """
        INSERT INTO transaction_events (station_id, transaction_id, seq_no, event_type,
                                        occurred_at, trigger_reason, offline, sampled_from,
                                        sampled_until, fingerprint)
        SELECT 'CS-1', $1, n, 'Updated', $2::timestamptz + n * interval '1 min',
               'MeterValuePeriodic', false, $2::timestamptz + n * interval '1 min',
               $2::timestamptz + n * interval '1 min', n
        FROM generate_series(0, 239) AS n
        """,
        str(TRANSACTION),
        began,
    )
    for told in ("started_at = NULL, ended_at", "ended_at = NULL, ended_by", "started_at"):
        await db.execute(
            f"UPDATE sessions SET {told} = NULL WHERE transaction_id = $1",  # noqa: S608
            str(TRANSACTION),
        )
        count, rows = await read(db)
        assert (count, rows <= count + 2 * OF_A_DAY + 60) == (240, True), (told, rows)


async def test_what_a_clock_that_is_off_told_is_found(db: Database) -> None:
    await tell_a_history(db)
    far = datetime(2001, 1, 1, tzinfo=UTC)
    await db.execute(
        """
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples) VALUES ('CS-1', 1, $1, 1, $2, 1, '[]')
        """,
        far,
        str(TRANSACTION),
    )
    count, rows = await read(db)
    assert count == 241
    assert rows <= count + 2 * OF_A_DAY + 60
    first, _ = await read(db, limit=1)
    assert first == 1
