"""What is kept day by day: partitions made ahead, and days that are too old dropped."""

from datetime import UTC, datetime, timedelta

import structlog

from shared.store import partitions
from shared.store.access import decisions
from shared.store.accounts import audit_log
from shared.store.notices import events
from shared.store.partitions import DailyTable
from shared.store.pool import Database
from shared.store.stations import ocpp_log

log = structlog.get_logger()


async def make_partitions(db: Database, table: DailyTable, *, days: int) -> int:
    """Make the partitions of today and the days ahead; what exists is left alone.

    Returns:
        0: nothing was amiss. What a lock is in the way of is made in a later run, days before it is
        needed.
    """
    missing = await partitions.make_ahead(db, table, days=days)
    if missing:
        log.warning(
            "a lock is in the way of new partitions; they are made later",
            table=table.value,
            days_ahead=days - missing,
        )
    return 0


async def keep_ocpp_log(db: Database, *, ahead_days: int, retention_days: int) -> int:
    """Make the days ahead of the OCPP log, and drop those that are too old.

    Args:
        db: the pool.
        ahead_days: for how many days, today included, partitions are made.
        retention_days: how many whole days are kept beside today; days are UTC days.

    Returns:
        How many days were dropped.
    """
    await make_partitions(db, DailyTable.OCPP_LOG, days=ahead_days)
    first_kept = datetime.now(UTC).date() - timedelta(days=retention_days)
    return await ocpp_log.drop_before(db, first_kept)


async def keep_authorizations(db: Database, *, ahead_days: int, retention_days: int) -> int:
    """Make the days ahead of the decisions about tokens, and drop those that are too old.

    Args:
        db: the pool.
        ahead_days: for how many days, today included, partitions are made.
        retention_days: how many whole days are kept beside today; days are UTC days.

    Returns:
        How many days were dropped.
    """
    await make_partitions(db, DailyTable.AUTHORIZATIONS, days=ahead_days)
    first_kept = datetime.now(UTC).date() - timedelta(days=retention_days)
    return await decisions.drop_days_before(db, first_kept)


async def keep_events(db: Database, *, ahead_days: int, retention_days: int) -> int:
    """Make the days ahead of events, and drop those that are too old.

    Args:
        db: the pool.
        ahead_days: for how many days, today included, partitions are made.
        retention_days: how many whole days are kept beside today; days are UTC days.

    Returns:
        How many days were dropped.
    """
    await make_partitions(db, DailyTable.EVENTS, days=ahead_days)
    first_kept = datetime.now(UTC).date() - timedelta(days=retention_days)
    return await events.drop_days_before(db, first_kept)


async def keep_audit_log(db: Database, *, ahead_months: int, retention_days: int) -> int:
    """Make the months ahead of the audit log, and drop those that are too old.

    Args:
        db: the pool.
        ahead_months: for how many months, this one included, partitions are made.
        retention_days: how many days before today are kept at least.

    Returns:
        How many months were dropped.
    """
    if not await audit_log.make_months_ahead(db, months=ahead_months):
        log.warning("a lock is in the way of new months of the audit log; they are made later")
    first_kept = datetime.now(UTC).date() - timedelta(days=retention_days)
    return await audit_log.drop_months_before(db, first_kept)
