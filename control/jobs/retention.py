"""What is kept for some days only."""

from datetime import UTC, datetime, timedelta

from shared.store import ocpp_log
from shared.store.pool import Database


async def keep_ocpp_log(db: Database, *, ahead_days: int, retention_days: int) -> int:
    """Make the days ahead of the OCPP log, and drop those that are too old.

    Args:
        db: the pool.
        ahead_days: for how many days, today included, partitions are made.
        retention_days: how many whole days are kept beside today; days are UTC days.

    Returns:
        How many days were dropped.
    """
    await ocpp_log.ensure_partitions_ahead(db, days=ahead_days)
    first_kept = datetime.now(UTC).date() - timedelta(days=retention_days)
    return await ocpp_log.drop_before(db, first_kept)
