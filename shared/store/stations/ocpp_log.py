"""The OCPP log: written in bulk, searched newest first, dropped by the day."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import fields
from datetime import date

import asyncpg

from shared.domain.errors import InvalidInputError
from shared.domain.stations.ocpp_log import (
    ANY_ERROR,
    CALL_RESULT,
    Direction,
    LogEntry,
    LogFilter,
    LogPosition,
)
from shared.store import partitions
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.exporting import PageSize
from shared.store.partitions import DailyTable
from shared.store.pool import Database, Pool

_COLUMNS = ", ".join(field.name for field in fields(LogEntry))
WRITTEN_COLUMNS = tuple(field.name for field in fields(LogEntry) if field.name != "entry_id")
"""What a row of `write` is made of, in this order."""


async def write(db: Pool, rows: Iterable[tuple[object, ...]], *, timeout_s: float) -> None:
    """Add rows. They are not waited for to reach the disk: a crash may cost the last second.

    Args:
        db: the pool.
        rows: the values of `WRITTEN_COLUMNS`.
        timeout_s: of the whole; nobody wants a log at the cost of what it is about.
    """
    async with db.acquire(timeout=timeout_s) as connection, connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit = off")
        await connection.copy_records_to_table(
            DailyTable.OCPP_LOG, records=rows, columns=WRITTEN_COLUMNS, timeout=timeout_s
        )


async def list_before(
    db: Database,
    found: LogFilter,
    *,
    before: LogPosition | None,
    limit: int,
    timeout_s: float,
    goes_down: bool = True,
) -> list[LogEntry]:
    """Return up to `limit` entries, newest first.

    Args:
        db: the pool.
        found: which.
        before: the list begins behind it.
        limit: how many at most.
        timeout_s: how long the search may take.
        goes_down: whether the newest comes first.

    Raises:
        InvalidInputError: the search took too long.
    """
    query, parameters = _select(found, before, limit, goes_down=goes_down)
    try:
        records = await db.fetch(query, *parameters, timeout=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None
    return [_entry(record) for record in records]


async def count(db: Database, found: LogFilter, *, up_to: int, timeout_s: float) -> int:
    """Return how many entries a list has, counting no further than `up_to`.

    Raises:
        InvalidInputError: the search took too long.
    """
    try:
        return await count_rows(db, "ocpp_log", _conditions(found, up_to), timeout_s=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None


async def pages(
    db: Database, found: LogFilter, size: PageSize
) -> AsyncGenerator[Sequence[LogEntry], None]:
    """Give all entries of a filter page by page, newest first.

    Args:
        db: of `exporting`.
        found: which.
        size: how many at a time.
    """
    position: LogPosition | None = None
    while True:
        limit = size.rows
        query, parameters = _select(found, position, limit)
        page = [_entry(record) for record in await db.fetch(query, *parameters)]
        if page:
            yield page
        if len(page) < limit:
            return
        position = page[-1].position


async def drop_before(db: Database, day: date) -> int:
    """Drop every day before this one.

    Returns:
        How many partitions went; one that is in use now goes the next time.
    """
    return await partitions.drop_before(db, DailyTable.OCPP_LOG, day, time="called_at")


def _select(
    found: LogFilter, before: LogPosition | None, limit: int, *, goes_down: bool = True
) -> tuple[str, Sequence[object]]:
    conditions = _conditions(found, limit)
    behind = None if before is None else (before.called_at, before.entry_id)
    order = conditions.in_order("called_at", "entry_id", behind=behind, goes_down=goes_down)
    if before is not None:  # partitions are left out by their own column only
        conditions.compare(f"called_at {'<=' if goes_down else '>='}", before.called_at)
    query = f"SELECT {_COLUMNS} FROM ocpp_log WHERE {conditions} ORDER BY {order} LIMIT $1"  # noqa: S608 - column names of a dataclass; the values are parameters
    return query, conditions.parameters


def _conditions(found: LogFilter, limit: int) -> Conditions:
    conditions = Conditions(limit)
    for name, value in found.conditions().items():
        conditions.compare(f"{name} =", value)
    conditions.compare("called_at >=", found.since)
    conditions.compare("called_at <", found.until)
    if found.outcome == ANY_ERROR:
        conditions.add(f"outcome <> '{CALL_RESULT}'")
    elif found.outcome is not None:
        conditions.compare("outcome =", found.outcome)
        if found.outcome != CALL_RESULT:
            conditions.add(f"outcome <> '{CALL_RESULT}'")  # says that the partial index serves
    if found.contains is not None:
        text = conditions.parameter(found.contains)
        conditions.add(f"(strpos(request, {text}) > 0 OR strpos(response, {text}) > 0)")
    return conditions


def _entry(record: asyncpg.Record) -> LogEntry:
    return LogEntry(**{**record, "direction": Direction(record["direction"])})


def _too_broad(timeout_s: float) -> InvalidInputError:
    return InvalidInputError(
        f"the search took longer than {timeout_s:g} s: name a station, an outcome or a shorter time"
    )
