"""One run: fill, read through the API, look at the plans, make a day and drop one."""

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvloop

from loadtest.bench.figures import quantile
from loadtest.bench.processes import Bystanders, cpu_s, family_cpu_s
from loadtest.bench.servers import Cluster, cluster
from loadtest.data.fill import DAYS, Amounts, fill, open_to_fill, read_sql
from loadtest.data.plans import Plan, PlanLog
from loadtest.data.reads import READS, Picks, Read
from loadtest.data.server import (
    FILLING,
    configure,
    everybody_else_stopped,
    plans_logged,
    postgres_alone,
    production,
)
from shared.store.partitions import DailyTable
from shared.store.pool import Database

_WARM_UPS = 20
# Enough of the same statement that Postgres has changed to a generic plan, if it ever does.
_EXPLAINED = 12
_API_TIMEOUT_S = 60.0
_MS = 1e3
_DROP = "SELECT drop_daily_partitions($1, $2)"


@dataclass(frozen=True, kw_only=True)
class ReadFigure:
    """What a read costs.

    Attributes:
        name: which.
        p50_ms: time until the whole answer was there, over HTTP.
        p95_ms: likewise.
        api_cpu_ms: processor time of the API per request, which whoever else uses the machine
            changes little.
        postgres_cpu_ms: likewise of Postgres.
        statements: per request.
        rows: that Postgres read for a request; the most.
        buffers: pages of 8 KiB that it looked at; the most.
        scanned: tables that it read through, which it should not.
    """

    name: str
    p50_ms: float
    p95_ms: float
    api_cpu_ms: float
    postgres_cpu_ms: float
    statements: int
    rows: int
    buffers: int
    scanned: list[str]


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """How large a table is, all its partitions together."""

    name: str
    rows: int
    heap_bytes: int
    index_bytes: int
    toast_bytes: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run came to.

    Attributes:
        amounts: how much there was.
        filled_in_s: each part of the filling.
        reads: in their order.
        sizes: the largest first.
        days_ms: to make and to drop a day, by what was done.
        requests: for each read.
        server: version of Postgres, and the settings that it was read with.
        others_share: what other programs used of all processors, while filling and while reading.
    """

    amounts: Amounts
    filled_in_s: Mapping[str, float]
    reads: Sequence[ReadFigure]
    sizes: Sequence[TableSize]
    days_ms: Mapping[str, float]
    requests: int
    server: Mapping[str, str]
    others_share: Mapping[str, float] = field(default_factory=dict)


def run(scale: float, *, requests: int, directory: Path | None) -> Result:
    """Fill a new database, measure, and remove it.

    Args:
        scale: a share of 100,000 stations and 10 million sessions.
        requests: for each read.
        directory: where the database is to be while it lasts; None for the system's place.
    """
    amounts = Amounts.of(scale)
    with tempfile.TemporaryDirectory(prefix="voltaro-data-", dir=directory) as name:
        data = Path(name) / "data"
        with cluster(data):
            pass  # it makes the database, with the current schema
        configure(data, FILLING)
        bystanders = Bystanders()
        with postgres_alone(data) as running:
            filled_in_s = uvloop.run(_fill(running, amounts))
        others = {"filling": bystanders.share()}
        configure(data, production())
        with cluster(data) as running:
            bystanders = Bystanders()
            reads, sizes, days_ms, server = uvloop.run(_measure(data, running, requests))
            others["reading"] = bystanders.share()
    return Result(
        amounts=amounts,
        filled_in_s=filled_in_s,
        reads=reads,
        sizes=sizes,
        days_ms=days_ms,
        requests=requests,
        server=server,
        others_share=others,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _fill(running: Cluster, amounts: Amounts) -> Mapping[str, float]:
    async with open_to_fill(running.database_url) as db:
        return await fill(db, amounts, say=_say)


async def _measure(
    data: Path, running: Cluster, requests: int
) -> tuple[list[ReadFigure], list[TableSize], dict[str, float], dict[str, str]]:
    async with (
        open_to_fill(running.database_url) as db,
        httpx.AsyncClient(
            base_url=running.http_url,
            headers={"Authorization": f"Bearer {running.api_key}"},
            timeout=_API_TIMEOUT_S,
            trust_env=False,
        ) as api,
    ):
        picks = await Picks.of(db)
        sizes = [
            TableSize(
                name=record["table_name"], **{k: v for k, v in record.items() if k != "table_name"}
            )
            for record in await db.fetch(read_sql("sizes"))
        ]
        timed = {
            read.name: await _time(read, api, picks, requests, running=running) for read in READS
        }
        # Nobody else's statements stand in the log then.
        with (
            everybody_else_stopped(running, but=("postgres", "redis", "control")),
            plans_logged(data, running) as path,
        ):
            log = PlanLog(path, db)
            await log.begin()
            plans = {read.name: await _explain(read, api, picks, log) for read in READS}
        rows_of = await _rows_of_all(db)
        figures = [_figure(name, timed[name], plans[name], rows_of) for name in timed]
        days_ms = await make_and_drop_days(db)
        server = {
            "version": str(await db.fetchval("SHOW server_version")),
            **{
                name: str(await db.fetchval(f"SHOW {name}"))
                for name in ("shared_buffers", "fsync", "synchronous_commit", "random_page_cost")
            },
        }
        return figures, sizes, days_ms, server


async def _rows_of_all(db: Database) -> dict[str, int]:
    """Return how many rows each table and each partition has, by the statistics."""
    records = await db.fetch(
        "SELECT relname, greatest(0, reltuples)::bigint AS rows FROM pg_class WHERE relkind = 'r'"
    )
    return {record["relname"]: record["rows"] for record in records}


@dataclass(frozen=True)
class _Timed:
    """How long requests took, and the processor time of all of them, in seconds."""

    took_s: Sequence[float]
    api_cpu_s: float
    postgres_cpu_s: float


async def _time(
    read: Read, api: httpx.AsyncClient, picks: Picks, requests: int, *, running: Cluster
) -> _Timed:
    _say(f"reading {read.name}")
    for _ in range(_WARM_UPS):
        await read.ask(api, picks)
    api_pid, postgres_pid = running.pid("control"), running.pid("postgres")
    api_before_s, postgres_before_s = cpu_s(api_pid), family_cpu_s(postgres_pid)
    took_s = [await read.ask(api, picks) for _ in range(requests)]
    return _Timed(
        took_s, cpu_s(api_pid) - api_before_s, family_cpu_s(postgres_pid) - postgres_before_s
    )


async def _explain(
    read: Read, api: httpx.AsyncClient, picks: Picks, log: PlanLog
) -> list[list[Plan]]:
    """Return the plans of some requests."""
    explained = []
    for _ in range(_EXPLAINED):
        await read.ask(api, picks)
        explained.append(await log.take())
    return explained


def _figure(
    name: str, timed: _Timed, plans: Sequence[Sequence[Plan]], rows_of: Mapping[str, int]
) -> ReadFigure:
    scanned = {each for request in plans for plan in request for each in plan.scanned(rows_of)}
    return ReadFigure(
        name=name,
        p50_ms=quantile(timed.took_s, 0.5) * _MS,
        p95_ms=quantile(timed.took_s, 0.95) * _MS,
        api_cpu_ms=timed.api_cpu_s * _MS / len(timed.took_s),
        postgres_cpu_ms=timed.postgres_cpu_s * _MS / len(timed.took_s),
        statements=round(statistics.median(map(len, plans))),
        rows=round(max(sum(plan.rows for plan in request) for request in plans)),
        buffers=max(sum(plan.buffers for plan in request) for request in plans),
        scanned=sorted(scanned),
    )


async def make_and_drop_days(db: Database) -> dict[str, float]:
    """Return what it takes to make a day and to drop one that is full, in milliseconds."""
    today = datetime.now(UTC).date()
    took_ms = {}
    # The first day of the meter values is full from the time of day on at which all was filled.
    await db.fetchval(_DROP, DailyTable.METER_VALUES, today - timedelta(days=DAYS - 1))
    for table, first_kept in (
        (DailyTable.METER_VALUES, today - timedelta(days=DAYS - 2)),
        (DailyTable.OCPP_LOG, today),
    ):
        began_s = time.perf_counter()
        made = await db.fetchval(
            "SELECT attach_daily_partition($1, $2)", table, today + timedelta(days=60)
        )
        took_ms[f"make a day of {table}"] = (time.perf_counter() - began_s) * _MS
        began_s = time.perf_counter()
        dropped = await db.fetchval(_DROP, table, first_kept)
        took_ms[f"drop a full day of {table}"] = (time.perf_counter() - began_s) * _MS
        if not made or dropped != 1:
            raise RuntimeError(f"of {table} {dropped} days were dropped, and {made} is made")
    return took_ms
