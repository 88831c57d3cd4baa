"""The daily partitions of meter values."""

from shared.store.pool import Database


async def ensure_ahead(db: Database, *, days: int) -> None:
    """Make the partitions of today and the days ahead, as far as they are missing."""
    await db.execute("SELECT ensure_meter_value_partitions(current_date, $1)", days)
