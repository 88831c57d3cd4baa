"""The daily partitions of what grows by the day."""

from enum import StrEnum

from shared.store.pool import Database


class DailyTable(StrEnum):
    """A table that has a partition for each UTC day, and one for days that have none."""

    METER_VALUES = "meter_values"
    OCPP_LOG = "ocpp_log"


async def make_ahead(db: Database, table: DailyTable, *, days: int) -> int:
    """Make the partitions of today and the days ahead, as far as they are missing.

    Each day is made in a transaction of its own, which waits for no lock longer than a moment.

    Args:
        db: the pool.
        table: whose.
        days: for how many days, today included.

    Returns:
        How many days have none now, because somebody holds a lock on the table.
    """
    for day in range(days):
        made = await db.fetchval(
            "SELECT attach_daily_partition($1, (now() AT TIME ZONE 'UTC')::date + $2::integer)",
            table,
            day,
        )
        if not made:
            return days - day
    return 0
