"""Meter values of one batch: those of a session that a rule has closed wake it, all are kept."""

from shared.domain.sessions.meter_values import MeterValuesReported
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control import charges
from tests.support.transaction_events import register


def told(transaction_id: str | None, *at: float, evse_id: int = 1) -> MeterValuesReported:
    values = [register(minutes, 2000) for minutes in at]
    return MeterValuesReported("CS-1", evse_id, transaction_id, values)


async def closed_by_rule(db: Database, transaction_id: str) -> None:
    await db.execute(
        """
        UPDATE sessions SET ended_at = now(), ended_by = 'rule', end_rule = 'session_quiet',
                            end_rule_at = now(), settled_at = now(), settle_at = NULL
        WHERE transaction_id = $1
        """,
        transaction_id,
    )


async def woken(db: Database) -> set[str]:
    records = await db.fetch("SELECT transaction_id FROM sessions WHERE settled_at IS NULL")
    return {record["transaction_id"] for record in records}


async def two_sessions(db: Database) -> tuple[str, str]:
    open_, closed = await charges.begin(db), await charges.begin(db, evse_id=2)
    await db.execute("UPDATE sessions SET settled_at = now(), settle_at = NULL")
    await closed_by_rule(db, closed)
    return open_, closed


async def test_a_batch_wakes_only_who_was_closed_by_rule_and_keeps_all(db: Database) -> None:
    open_, closed = await two_sessions(db)
    batch = [
        told(open_, 1, 2), told(None, 3), told(closed, 4, 5, evse_id=2), told(open_, 6), told("0"),
        told(closed, evse_id=2),
    ]  # fmt: skip
    await facts.write(db, batch)
    assert await woken(db) == {closed}
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 6
    await facts.write(db, batch)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 6


async def test_a_transaction_that_nobody_knows_means_the_newest_session_of_its_evse(
    db: Database,
) -> None:
    open_, closed = await two_sessions(db)
    await facts.write(db, [told("0", 1), told(open_, 2)])
    assert await woken(db) == set()
    await facts.write(db, [told("0", 3, evse_id=2), told(open_, 4)])
    assert await woken(db) == {closed}
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 4
