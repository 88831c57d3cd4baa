"""What reads cost in Postgres: the plans of the statements that the API really sent.

Postgres logs them (auto_explain), so that they are those of the API's own connections, prepared
statements and generic plans included, and not of a copy of its statements that somebody keeps here.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from shared.store.pool import Database

_POLL_S = 0.02
_LOGGED_WITHIN_S = 20.0
_BEFORE_PLAN = "plan:\n"

# What has few rows however many stations there are: Postgres rightly reads all of these.
_SMALL_TABLE_ROWS = 1000
# Who reads a twentieth of a large table for one page has scanned it, by an index or without.
_SHARE_READ_MAX = 0.05
_ROWS_READ_MAX = 2000


@dataclass(frozen=True)
class Scan:
    """One look into a table.

    Attributes:
        kind: in Postgres' word: `Index Scan`, `Seq Scan`.
        table: or the partition of it.
        rows: that were read, those included that were not what was asked for.
    """

    kind: str
    table: str
    rows: float


@dataclass(frozen=True)
class Plan:
    """The plan of one statement, carried out.

    Attributes:
        statement: its text.
        buffers: pages that were looked at, in memory or not.
        scans: every look into a table that was carried out.
    """

    statement: str
    buffers: int
    scans: Sequence[Scan]

    @classmethod
    def of(cls, explained: Mapping[str, Any]) -> "Plan":
        """Read what auto_explain has logged."""
        root = explained["Plan"]
        return cls(
            statement=explained["Query Text"],
            buffers=root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0),
            scans=tuple(_scans(root)),
        )

    @property
    def rows(self) -> float:
        """How many rows all scans have read."""
        return sum(scan.rows for scan in self.scans)

    def scanned(self, rows_of: Mapping[str, int]) -> Iterator[str]:
        """Say of each table that was read through what was done to it.

        Args:
            rows_of: how many rows tables and partitions have.
        """
        for scan in self.scans:
            rows = rows_of.get(scan.table, 0)
            if rows <= _SMALL_TABLE_ROWS:
                continue
            if scan.kind == "Seq Scan":
                yield f"Seq Scan on {scan.table} ({rows:,} rows)"
            elif scan.rows > _ROWS_READ_MAX and scan.rows > _SHARE_READ_MAX * rows:
                yield f"{scan.kind} of {scan.rows:,.0f} rows of {scan.table} ({rows:,} rows)"


def _scans(node: Mapping[str, Any]) -> Iterator[Scan]:
    loops = node.get("Actual Loops", 0)
    if "Relation Name" in node and loops:
        each = node["Actual Rows"] + sum(
            count for name, count in node.items() if name.startswith("Rows Removed by")
        )
        yield Scan(node["Node Type"], node["Relation Name"], each * loops)
    for below in node.get("Plans", ()):
        yield from _scans(below)


class PlanLog:
    """What Postgres has logged since the last look.

    Args:
        path: of its log, one JSON object per line.
        db: connected to it, to leave a mark there.
    """

    def __init__(self, path: Path, db: Database) -> None:
        self._path = path
        self._db = db
        self._offset = 0

    async def begin(self) -> None:
        """Wait until plans are logged, and pass over those that are there.

        Raises:
            TimeoutError: none are.
        """
        async with asyncio.timeout(_LOGGED_WITHIN_S):
            while not await self._logs():  # noqa: ASYNC110 - Postgres says so to nobody
                await asyncio.sleep(_POLL_S)
        await self.take()

    async def take(self) -> list[Plan]:
        """Return the plans of all statements that have ended by now, and were not taken before.

        Raises:
            TimeoutError: Postgres logs nothing.
        """
        mark = f"mark-{uuid4().hex}"
        await self._db.execute(f"SELECT '{mark}'")
        async with asyncio.timeout(_LOGGED_WITHIN_S):
            while True:
                text = self._unread()
                if mark in text and text.endswith("\n"):
                    break
                await asyncio.sleep(_POLL_S)
        self._offset += len(text.encode())
        plans = (read_plan(line) for line in text.splitlines())
        return [plan for plan in plans if plan and mark not in plan.statement]

    async def _logs(self) -> bool:
        return bool(await self._db.fetchval("SHOW auto_explain.log_min_duration") == "0")

    def _unread(self) -> str:
        if not self._path.exists():
            return ""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            return log.read().decode()


def read_plan(line: str) -> Plan | None:
    """Return the plan in a line of the log; None if it says something else."""
    _, found, explained = json.loads(line)["message"].partition(_BEFORE_PLAN)
    return Plan.of(json.loads(explained)) if found else None
