"""Fills a database with a large fleet and its sessions: set by set, in SQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files

from shared.settings import DatabaseSettings
from shared.store.pool import Database, open_database

DAYS = 90
_STATIONS = 100_000
_SESSIONS = 10_000_000
_TOKENS_PER_STATION = 2
_STATIONS_PER_LOCATION = 20
_STATIONS_PER_GROUP = 50
# One for each processor of the machine that the times are promised for.
_CONNECTIONS = 2
_STATEMENT_TIMEOUT_S = 1800.0
# Filled without their indexes, which are built when all rows are there.
_BARE = ("sessions", "transaction_events", "connector_status_changes")
_RANGES = ("sessions", "transaction_events", "status_changes")

Job = Callable[[Database], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much is to be there.

    Attributes:
        stations: registered ones.
        sessions: of all of them, in `days`.
        days: until now.
    """

    stations: int
    sessions: int
    days: int = DAYS

    @classmethod
    def of(cls, scale: float) -> "Amounts":
        """Return a share of 100,000 stations and 10 million sessions; of each a few at least."""
        return cls(
            stations=max(20, round(_STATIONS * scale)),
            sessions=max(1000, round(_SESSIONS * scale)),
        )


@asynccontextmanager
async def open_to_fill(database_url: str) -> AsyncIterator[Database]:
    """Hold connections whose statements may take long."""
    settings = DatabaseSettings(
        database_url=database_url,
        database_pool_size=_CONNECTIONS,
        database_command_timeout_s=_STATEMENT_TIMEOUT_S,
        database_lock_timeout_s=_STATEMENT_TIMEOUT_S,
    )
    async with open_database(settings) as db:
        yield db


def read_sql(name: str) -> str:
    """Return the text of a file in `sql/`."""
    return files("loadtest.data").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


async def fill(db: Database, amounts: Amounts, *, say: Callable[[str], None]) -> dict[str, float]:
    """Fill a database that has the current schema and no rows.

    Args:
        db: of `open_to_fill`.
        amounts: how much.
        say: takes one line about what happens.

    Returns:
        How long each part took, in seconds.
    """
    took_s: dict[str, float] = {}

    async def step(name: str, jobs: Iterable[Job]) -> None:
        began_s = time.perf_counter()
        await _run(db, jobs)
        took_s[name] = time.perf_counter() - began_s
        say(f"{name}: {took_s[name]:.1f} s")

    await db.execute(read_sql("plan"))
    await db.execute(read_sql("sessions"))
    await _write_plan(db, amounts)
    for table in _BARE:
        await db.execute("SELECT fill.take_off($1::regclass)", table)
    fleet = partial(_execute, read_sql("fleet"))
    await step(
        "stations and sessions, and what was said of them",
        [fleet, *(_range(each, amounts, day) for each in _RANGES for day in range(amounts.days))],
    )
    await step("meter values", [_day(day) for day in range(amounts.days + 1)])
    operations = partial(_execute, read_sql("operations"))
    await step(
        "commands, letters, the OCPP log, and indexes",
        [operations, *map(_statement, await _list(db, "set_aside"))],
    )
    await step("constraints", map(_statement, await _list(db, "keys")))
    await db.execute("DROP SCHEMA fill CASCADE")
    await step("vacuum and statistics", map(_vacuum, await _tables(db)))
    return took_s


async def _write_plan(db: Database, amounts: Amounts) -> None:
    ended_at = datetime.now(UTC)
    await db.execute(
        """
        INSERT INTO fill.plan (stations, locations, groups, tokens, sessions, days, began_at,
                               ended_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        amounts.stations,
        max(1, amounts.stations // _STATIONS_PER_LOCATION),
        max(1, amounts.stations // _STATIONS_PER_GROUP),
        amounts.stations * _TOKENS_PER_STATION,
        amounts.sessions,
        amounts.days,
        ended_at - timedelta(days=amounts.days),
        ended_at,
    )


async def _run(db: Database, jobs: Iterable[Job]) -> None:
    """Carry out jobs in their order, as many at a time as there are connections."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job(db)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_CONNECTIONS):
            tasks.create_task(work())


async def _execute(script: str, db: Database) -> None:
    await db.execute(script)


def _statement(statement: str) -> Job:
    return partial(_execute, statement)


def _range(function: str, amounts: Amounts, day: int) -> Job:
    """Give a day's share of the numbers of sessions to a function in `sql/sessions.sql`."""
    first, beyond = (amounts.sessions * each // amounts.days for each in (day, day + 1))
    return partial(_execute, f"SELECT fill.{function}({first}, {beyond})")


def _day(day: int) -> Job:
    return partial(_execute, f"SELECT fill.meter_values({day})")


def _vacuum(table: str) -> Job:
    return partial(_execute, f'VACUUM (ANALYZE) "{table}"')


async def _list(db: Database, table: str) -> Sequence[str]:
    records = await db.fetch(f"SELECT statement FROM fill.{table} ORDER BY number")  # noqa: S608 - our own names
    return [record["statement"] for record in records]


async def _tables(db: Database) -> Sequence[str]:
    """Return all tables with rows of their own, the largest first.

    Not those that are made of partitions: autovacuum leaves these without statistics as well.
    """
    records = await db.fetch(
        """
        SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        ORDER BY pg_relation_size(oid) DESC
        """
    )
    return [record["relname"] for record in records]
