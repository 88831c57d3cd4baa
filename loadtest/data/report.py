"""The report of `make bench-data`: tables for people, JSON for programs."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from loadtest.bench.report import commit, describe_machine, machine, number
from loadtest.data.measure import ReadFigure, Result

GOAL_MS = 50.0
STRETCH_MS = 20.0
_MIB = 2**20
_GIB = 2**30
_SHOWN_TABLES = 12
_HOW_READ = (
    "Over HTTP, one after another, {requests} of each. "
    f"Goal: p95 within {GOAL_MS:.0f} ms; stretch: {STRETCH_MS:.0f} ms. "
    "Rows and buffers (8 KiB) are those of the dearest of some requests."
)
_READ_COLUMNS = (
    *("read", "p50", "p95", "goal", "stretch", "CPU of the API", "CPU of Postgres"),
    *("statements", "rows read", "buffers", "scans a table"),
)


def to_dict(result: Result) -> dict[str, Any]:
    """Return the whole report, ready for JSON."""
    return {
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "load_average": list(os.getloadavg()),
        **asdict(result),
    }


def failures(result: Result) -> Iterator[str]:
    """Say of each read that scans a table which one it is."""
    for read in result.reads:
        for scanned in read.scanned:
            yield f"{read.name}: {scanned}"


def missed(result: Result) -> list[str]:
    """Return the reads that take longer than the goal allows."""
    return [read.name for read in result.reads if read.p95_ms > GOAL_MS]


def to_markdown(result: Result, report: Mapping[str, Any]) -> str:
    """Return the report for people.

    Args:
        result: of the run.
        report: what `to_dict` made of it.
    """
    amounts, server = result.amounts, result.server
    settings = ", ".join(f"{name} {value}" for name, value in server.items() if name != "version")
    others = ", ".join(f"{share:.0%} while {when}" for when, share in result.others_share.items())
    bytes_in_all = sum(
        size.heap_bytes + size.index_bytes + size.toast_bytes for size in result.sizes
    )
    how_much = (
        f"{amounts.stations:,} stations, {amounts.sessions:,} sessions and their meter values "
        f"in {amounts.days} days"
    )
    return "\n".join(
        [
            "# Reading a large database",
            "",
            "What `make bench-data` printed; docs/performance.md says what the figures mean.",
            "",
            f"{how_much}: {bytes_in_all / _GIB:.1f} GiB.",
            "",
            f"- Commit {report['commit']}, {report['ended_at']}",
            f"- Machine: {describe_machine(report['machine'])}",
            f"- Postgres {server['version']}: {settings}",
            f"- Other programs used of all processors: {others}.",
            "",
            "## Reads",
            "",
            _HOW_READ.format(requests=result.requests),
            "",
            f"| {' | '.join(_READ_COLUMNS)} |",
            "|---" * len(_READ_COLUMNS) + "|",
            *map(_row, result.reads),
            "",
            "## Size",
            "",
            "| table | rows | size | table, bytes per row | indexes | TOAST |",
            "|---|---|---|---|---|---|",
            *(
                f"| {size.name} | {size.rows:,} "
                f"| {(size.heap_bytes + size.index_bytes + size.toast_bytes) / _MIB:,.0f} MiB "
                f"| {size.heap_bytes / max(1, size.rows):.0f} "
                f"| {size.index_bytes / max(1, size.rows):.0f} "
                f"| {size.toast_bytes / max(1, size.rows):.0f} |"
                for size in result.sizes[:_SHOWN_TABLES]
            ),
            "",
            "## Days",
            "",
            "| what | took |",
            "|---|---|",
            *(f"| {what} | {number(ms)} ms |" for what, ms in result.days_ms.items()),
            "",
            "## Filling",
            "",
            "| part | took |",
            "|---|---|",
            *(f"| {part} | {seconds:.0f} s |" for part, seconds in result.filled_in_s.items()),
            f"| all of it | {sum(result.filled_in_s.values()):.0f} s |",
        ]
    )


def _row(read: ReadFigure) -> str:
    cells = (
        read.name,
        f"{number(read.p50_ms)} ms",
        f"{number(read.p95_ms)} ms",
        "met" if read.p95_ms <= GOAL_MS else "**missed**",
        "met" if read.p95_ms <= STRETCH_MS else "missed",
        f"{number(read.api_cpu_ms)} ms",
        f"{number(read.postgres_cpu_ms)} ms",
        str(read.statements),
        f"{read.rows:,}",
        f"{read.buffers:,}",
        "**" + "; ".join(read.scanned) + "**" if read.scanned else "no",
    )
    return f"| {' | '.join(cells)} |"
