"""The daily partitions of what grows by the day."""

from datetime import date
from enum import StrEnum

from shared.store.pool import Database


class DailyTable(StrEnum):
    """A table that has a partition for each UTC day, and one for days that have none."""

    METER_VALUES = "meter_values"
    OCPP_LOG = "ocpp_log"
    AUTHORIZATIONS = "authorizations"
    EVENTS = "events"


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


async def count_ahead(db: Database, table: DailyTable, today: date) -> int:
    """Return for how many days in a row, from this one on, a table has its partitions."""
    days: int = await db.fetchval(
        """
        SELECT coalesce(min(day) FILTER (
            WHERE to_regclass($1 || '_' || to_char($2::date + day, 'YYYYMMDD')) IS NULL), 60)
        FROM generate_series(0, 60) AS day
        """,
        table,
        today,
    )
    return days


async def drop_before(db: Database, table: DailyTable, day: date, *, time: str) -> int:
    """Drop every day before this one.

    Args:
        db: the pool.
        table: whose days.
        day: the first that stays.
        time: the column that the days are of.

    Returns:
        How many partitions went; one that is in use now goes the next time.
    """
    dropped = await db.fetchval("SELECT drop_daily_partitions($1, $2)", table, day)
    # Rows of days that have no partition, because no worker ran when they began. There are none
    # as a rule, and then this costs nothing.
    await db.execute(
        f"DELETE FROM {table}_default WHERE {time} < $1::date::timestamp AT TIME ZONE 'UTC'",  # noqa: S608 - names of our own
        day,
    )
    return int(dropped)
