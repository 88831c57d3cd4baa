"""Gives events their numbers, in an order in which a reader misses none.

A number that each transaction took for itself would become visible when that one commits: a reader
that has seen 8 would miss 7. So whatever is visible in the outbox is numbered by one transaction at
a time, which takes it from there and puts it among the events. The next one begins to look only
when that has become visible, because Postgres gives up a transaction's locks after that.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.store.pool import Database

# Any number will do, as long as nothing else in the database locks on it.
_LOCK = 6_801_600_205


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the outbox: how many, counted up to a bound, and for how long the oldest."""

    count: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """What one transaction has numbered.

    Attributes:
        newest: the highest number that it gave.
        counts: how many events, by their type.
        lag_s: from when the oldest of them was put to when it got its number.
        recorded_at: when that was.
    """

    newest: int
    counts: Mapping[str, int]
    lag_s: float
    recorded_at: datetime


async def look(db: Database, *, up_to: int) -> Waiting:
    """Return what waits, counting no further than `up_to`."""
    record = await db.fetchrow(
        """
        SELECT count(*) AS count,
               coalesce(extract(epoch FROM clock_timestamp() - min(put_at)), 0)::float8 AS age_s
        FROM (SELECT put_at FROM event_outbox ORDER BY outbox_id LIMIT $1) AS waiting
        """,
        up_to,
    )
    return Waiting(0, 0.0) if record is None else Waiting(**record)


async def number(db: Database, *, limit: int) -> Numbered | None:
    """Number up to `limit` events.

    Returns:
        None if there was nothing, or somebody else does it now.
    """
    async with db.acquire() as connection, connection.transaction(isolation="read_committed"):
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return None
        # A statement of its own, whose snapshot is younger than the lock: what the transaction
        # before has numbered is in it.
        records = await connection.fetch(_NUMBER, limit)
    if not records:
        return None
    counts: Counter[str] = Counter({each["type"]: each["count"] for each in records})
    return Numbered(
        newest=max(each["newest"] for each in records),
        counts=counts,
        lag_s=max(each["lag_s"] for each in records),
        recorded_at=records[0]["recorded_at"],
    )


# Times of recording never go back, whatever the clock does, so that days hold numbers in one piece.
_NUMBER = """
    WITH taken AS (
        DELETE FROM event_outbox
        WHERE outbox_id IN (SELECT outbox_id FROM event_outbox ORDER BY outbox_id LIMIT $1)
        RETURNING *
    ),
    before AS (
        SELECT coalesce(max(last_number), 0) AS number,
               greatest(clock_timestamp(), max(last_recorded_at)) AS recorded_at
        FROM event_days
    ),
    numbered AS (
        INSERT INTO events (number, type, occurred_at, recorded_at, organization_id, location_id,
                            station_id, data)
        SELECT before.number + row_number() OVER (ORDER BY outbox_id), type, occurred_at,
               before.recorded_at, organization_id, location_id, station_id, data
        FROM taken CROSS JOIN before
        ORDER BY outbox_id
        RETURNING number
    ),
    noted AS (
        INSERT INTO event_days (day, first_number, last_number, last_recorded_at)
        SELECT (recorded_at AT TIME ZONE 'UTC')::date, before.number + 1,
               (SELECT max(number) FROM numbered), recorded_at
        FROM before WHERE EXISTS (SELECT FROM numbered)
        ON CONFLICT (day) DO UPDATE
        SET last_number = excluded.last_number, last_recorded_at = excluded.last_recorded_at
        RETURNING last_number
    )
    SELECT type, count(*) AS count, (SELECT last_number FROM noted) AS newest,
           greatest(0, extract(epoch FROM before.recorded_at - min(put_at)))::float8 AS lag_s,
           before.recorded_at
    FROM taken CROSS JOIN before
    GROUP BY type, before.recorded_at
"""
