"""Events as they are read: in the order of their numbers, dropped by the day."""

from datetime import date, datetime, timedelta

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import InvalidInputError, NotFoundError
from shared.domain.notices.events import Event, EventFilter
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.partitions import DailyTable, drop_before
from shared.store.pool import Database

_COLUMNS = "number, type, occurred_at, recorded_at, organization_id, location_id, station_id, data"


async def read_events(
    db: Database,
    *,
    after: int,
    limit: int,
    filter: EventFilter,  # noqa: A002 - what it is
) -> list[Event]:
    """Return events with higher numbers, in order: whoever goes on from the last misses none.

    Args:
        db: the pool.
        after: the number that was seen last; 0 begins at the oldest that is kept.
        limit: how many at most.
        filter: which.
    """
    since = await _day_of(db, after)
    if since is None:
        return []
    conditions = conditions_of(filter, limit)
    conditions.compare("recorded_at >=", since)
    conditions.compare("number >", after)
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM events WHERE {conditions} ORDER BY number LIMIT $1",  # noqa: S608 - names of columns, and conditions made of them
        *conditions.parameters,
    )
    return [event_of(record) for record in records]


async def list_events(
    db: Database,
    found: EventFilter,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    above: int | None = None,
    behind: int | None,
    goes_down: bool,
    limit: int,
    timeout_s: float,
) -> list[Event]:
    """Return up to `limit` events in the order of their numbers.

    Args:
        db: the pool.
        found: which.
        since: only those that got their number then or later.
        until: only those that got it before.
        above: only those with higher numbers.
        behind: the list begins behind this number; None: at its start.
        goes_down: whether the newest comes first.
        limit: how many at most.
        timeout_s: how long the search may take.

    Raises:
        InvalidInputError: the search took too long.
    """
    conditions = conditions_of(found, limit)
    conditions.compare("recorded_at >=", since)
    conditions.compare("recorded_at <", until)
    conditions.compare("number >", above)
    conditions.compare(f"number {'<' if goes_down else '>'}", behind)
    edge = above if behind is None and not goes_down else behind
    if edge is not None:
        day = await _day_of(db, edge)
        if day is None and not goes_down:
            return []
        if goes_down:
            conditions.compare("recorded_at <", day and day + timedelta(days=1))
        else:
            conditions.compare("recorded_at >=", day)
    try:
        records = await db.fetch(
            f"SELECT {_COLUMNS} FROM events WHERE {conditions} "  # noqa: S608 - as above
            f"ORDER BY number {'DESC' if goes_down else 'ASC'} LIMIT $1",
            *conditions.parameters,
            timeout=timeout_s,
        )
    except TimeoutError:
        raise _too_broad(timeout_s) from None
    return [event_of(record) for record in records]


async def count(
    db: Database,
    found: EventFilter,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    above: int | None = None,
    up_to: int,
    timeout_s: float,
) -> int:
    """Return how many events such a list has, counting no further than `up_to`.

    Raises:
        InvalidInputError: the search took too long.
    """
    conditions = conditions_of(found, up_to)
    conditions.compare("recorded_at >=", since)
    conditions.compare("recorded_at <", until)
    conditions.compare("number >", above)
    if above is not None:
        conditions.compare("recorded_at >=", await _day_of(db, above))
    try:
        return await count_rows(db, "events", conditions, timeout_s=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None


def _too_broad(timeout_s: float) -> InvalidInputError:
    return InvalidInputError(
        f"the search took longer than {timeout_s:g} s: name a station, a type or a shorter time"
    )


async def get(db: Database, number: int) -> Event:
    """Return one event.

    Raises:
        NotFoundError: there is none of this number, or none any more.
    """
    day = await _day_of(db, number - 1)
    record = None
    if day is not None:
        record = await db.fetchrow(
            f"""
            SELECT {_COLUMNS} FROM events
            WHERE number = $1 AND recorded_at >= $2 AND recorded_at < $3
            """,  # noqa: S608 - names of columns
            number,
            day,
            day + timedelta(days=1),
        )
    if record is None:
        raise NotFoundError(
            f"there is no event {number}: it has not happened, or is kept no longer",
            code=NotFoundCode.EVENT,
        )
    return event_of(record)


async def _day_of(db: Database, number: int) -> datetime | None:
    """Return the day of the first event behind a number; None if there is none yet.

    Postgres does not know that days hold numbers in order, and would look into each of them.
    """
    day: datetime | None = await db.fetchval(
        """
        SELECT day::timestamp AT TIME ZONE 'UTC' FROM event_days
        WHERE last_number > $1 ORDER BY day LIMIT 1
        """,
        number,
    )
    return day


async def newest_number(db: Database) -> int:
    """Return the highest number that was given; 0 if none was."""
    number: int = await db.fetchval("SELECT coalesce(max(last_number), 0) FROM event_days")
    return number


async def oldest_number(db: Database) -> int | None:
    """Return the lowest number that is kept; None if nothing is.

    Whoever has last seen a number lower than the one before it has missed something.
    """
    number: int | None = await db.fetchval(
        "SELECT min(first_number) FROM event_days WHERE dropped_at IS NULL"
    )
    return number


async def drop_days_before(db: Database, day: date) -> int:
    """Drop every day before this one.

    Returns:
        How many partitions went; one that is in use now goes the next time.
    """
    # First, so that whoever finds that something is missing finds why when it looks afterwards. A
    # day that is in use now counts as gone all the same.
    await db.execute(
        "UPDATE event_days SET dropped_at = now() WHERE day < $1 AND dropped_at IS NULL", day
    )
    dropped = await drop_before(db, DailyTable.EVENTS, day, time="recorded_at")
    # The newest day stays in the list, as it holds the number that comes next.
    await db.execute(
        """
        DELETE FROM event_days
        WHERE dropped_at IS NOT NULL AND day < (SELECT max(day) FROM event_days)
        """
    )
    return dropped


def conditions_of(found: EventFilter, *parameters: object) -> Conditions:
    """Return the conditions of a filter, behind the parameters of the whole statement."""
    conditions = Conditions(*parameters)
    for column, wanted in (
        ("type", found.types),
        ("station_id", found.station_ids),
        ("location_id", found.location_ids),
        ("organization_id", found.organization_ids),
    ):
        if wanted is not None:
            conditions.add(f"{column} = ANY ({conditions.parameter(sorted(wanted))}::text[])")
    return conditions


def event_of(record: asyncpg.Record) -> Event:
    """Return the event of a row."""
    return Event(**record)
