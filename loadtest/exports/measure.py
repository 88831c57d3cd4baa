"""One run: fill a database, export its sessions in every format, and read the files back."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import uvloop

from loadtest.bench.figures import quantile
from loadtest.bench.processes import cpu_s, family_cpu_s
from loadtest.bench.servers import Cluster, cluster
from loadtest.data.fill import Amounts, fill, open_to_fill
from loadtest.data.server import FILLING, configure, postgres_alone, production
from loadtest.exports.reading import FORMATS, Content, read_content

_MIB = 2**20
_LOOK_S = 0.1
_ASK_S = 0.2
# A list that people look at meanwhile.
_ASKED = "/v1/sessions?limit=100"
_READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one export came to.

    Attributes:
        export_format: of the file.
        took_s: until its last byte was there.
        size_bytes: of the file.
        peak_rss_bytes: the most memory that the process of the API had meanwhile.
        control_cpu_s: processor time of that process.
        postgres_cpu_s: likewise of Postgres.
        others_p95_ms: of requests for a list, five a second, that were asked meanwhile.
        content: of the file, as it was read back.
    """

    export_format: str
    took_s: float
    size_bytes: int
    peak_rss_bytes: int
    control_cpu_s: float
    postgres_cpu_s: float
    others_p95_ms: float
    content: Content


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run came to.

    Attributes:
        amounts: how much there was.
        rss_before_bytes: of the process of the API, before the first export.
        figures: one for each format.
        rows: of the table, as Postgres counts them.
        energy_wh: of those that have ended, as Postgres adds it.
    """

    amounts: Amounts
    rss_before_bytes: int
    figures: Sequence[Figure]
    rows: int
    energy_wh: Decimal


def run(scale: float, *, directory: Path | None) -> Result:
    """Fill a new database, export it, and remove both.

    Args:
        scale: a share of 10 million sessions.
        directory: where the database and the files are to be while they last.
    """
    amounts = Amounts.of(scale)
    with tempfile.TemporaryDirectory(prefix="voltaro-exports-", dir=directory) as name:
        data = Path(name) / "data"
        with cluster(data):
            pass  # it makes the database, with the current schema
        configure(data, FILLING)
        with postgres_alone(data) as running:
            uvloop.run(_fill(running, amounts))
        configure(data, production())
        with cluster(data) as running:
            return uvloop.run(_measure(running, amounts, Path(name)))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _fill(running: Cluster, amounts: Amounts) -> Mapping[str, float]:
    async with open_to_fill(running.database_url) as db:
        return await fill(db, amounts, say=_say)


async def _measure(running: Cluster, amounts: Amounts, directory: Path) -> Result:
    async with (
        open_to_fill(running.database_url) as db,
        httpx.AsyncClient(
            base_url=running.http_url,
            headers={"Authorization": f"Bearer {running.api_key}"},
            timeout=_READ_TIMEOUT_S,
            trust_env=False,
        ) as api,
    ):
        (await api.get(_ASKED)).raise_for_status()
        before = psutil.Process(running.pid("control")).memory_info().rss
        figures = []
        for export_format in FORMATS:
            path = directory / f"sessions.{export_format}"
            figures.append(await _export(running, api, export_format, path))
            path.unlink()
        row = await db.fetchrow(
            "SELECT count(*) AS rows, coalesce(sum(energy_wh), 0) AS energy_wh FROM sessions"
            " WHERE ended_at IS NOT NULL"
        )
        active = await db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL")
    assert row is not None  # noqa: S101 - one of an aggregate
    return Result(
        amounts=amounts,
        rss_before_bytes=before,
        figures=figures,
        rows=row["rows"] + active,
        energy_wh=row["energy_wh"],
    )


async def _export(
    running: Cluster, api: httpx.AsyncClient, export_format: str, path: Path
) -> Figure:
    _say(f"exporting {export_format}")
    control, postgres = running.pid("control"), running.pid("postgres")
    control_s, postgres_s = cpu_s(control), family_cpu_s(postgres)
    size_bytes = 0
    began_s = time.perf_counter()
    async with _watching(control) as peak, _asking(api) as took_s:
        async with api.stream(
            "GET", "/v1/sessions/export", params={"format": export_format}
        ) as response:
            response.raise_for_status()
            with path.open("wb") as file:
                async for chunk in response.aiter_raw():
                    # To the cache of this machine, which takes no time.
                    size_bytes += file.write(chunk)
        ended_s = time.perf_counter()
    figure = {
        "took_s": ended_s - began_s,
        "control_cpu_s": cpu_s(control) - control_s,
        "postgres_cpu_s": family_cpu_s(postgres) - postgres_s,
        "others_p95_ms": 1e3 * quantile(took_s, 0.95) if took_s else 0.0,
    }
    _say(f"  {figure['took_s']:.0f} s, {peak[0] / _MIB:.0f} MiB; reading it back")
    return Figure(
        export_format=export_format,
        size_bytes=size_bytes,
        peak_rss_bytes=peak[0],
        content=await asyncio.to_thread(read_content, path, export_format),
        **figure,
    )


@asynccontextmanager
async def _watching(pid: int) -> AsyncIterator[list[int]]:
    """Look at a process' memory ten times a second; the list has the most that was seen."""
    process, peak = psutil.Process(pid), [0]

    async def look() -> None:
        while True:
            peak[0] = max(peak[0], process.memory_info().rss)
            await asyncio.sleep(_LOOK_S)

    watching = asyncio.create_task(look())
    try:
        yield peak
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@asynccontextmanager
async def _asking(api: httpx.AsyncClient) -> AsyncIterator[list[float]]:
    """Ask for a list again and again; the list that is given has the times that took."""
    took_s: list[float] = []

    async def ask() -> None:
        while True:
            began_s = time.perf_counter()
            (await api.get(_ASKED)).raise_for_status()
            took_s.append(time.perf_counter() - began_s)
            await asyncio.sleep(_ASK_S)

    asking = asyncio.create_task(ask())
    try:
        yield took_s
    finally:
        asking.cancel()
        found = await asyncio.gather(asking, return_exceptions=True)
    if isinstance(found[0], Exception):
        raise found[0]
