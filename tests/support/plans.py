"""What statements read, as Postgres explains it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from shared.store.pool import Database

_OF_A_PARTITION = re.compile(r"_(default|[pd]?[0-9_]+)$")


class Asked:
    """Asks a database, and keeps what was asked."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._statements: list[tuple[str, tuple[object, ...]]] = []

    @property
    def db(self) -> Database:
        """What is asked through this."""
        return cast("Database", self)

    async def fetch(self, statement: str, *parameters: object, **options: Any) -> Any:
        self._statements.append((statement, parameters))
        return await self._db.fetch(statement, *parameters, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)  # what is not kept

    async def most_rows_read(self) -> dict[str, int]:
        """Return by table how many of its rows a statement since the last call read at most.

        Those of partitions are those of their table.
        """
        most: Counter[str] = Counter()
        for statement, parameters in self._statements:
            explained = await self._db.fetchval(
                f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) {statement}", *parameters
            )
            read: Counter[str] = Counter()
            for scan in _scans(json.loads(explained)[0]["Plan"]):
                rows = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
                table = _OF_A_PARTITION.sub("", scan["Relation Name"])
                read[table] += round(rows * scan["Actual Loops"])
            most |= read
        self._statements.clear()
        return most

    async def rows_read(self, table: str) -> int:
        """Return how many rows of a table and its partitions the last statement read.

        A scan of a whole table that has rows is not let pass, however few these are.
        """
        statement, parameters = self._statements[-1]
        explained = await self._db.fetchval(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) {statement}", *parameters
        )
        read = 0.0
        for scan in _scans(json.loads(explained)[0]["Plan"]):
            if scan["Relation Name"].startswith(table):
                rows = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
                assert scan["Node Type"] != "Seq Scan" or not rows, statement
                read += rows * scan["Actual Loops"]
        return round(read)

    async def tables_planned(self) -> set[str]:
        """Return the tables and partitions that stand in the plan of the last statement."""
        statement, parameters = self._statements[-1]
        explained = await self._db.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *parameters)
        return {scan["Relation Name"] for scan in _scans(json.loads(explained)[0]["Plan"])}


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for each in plan.get("Plans", ()):
        yield from _scans(each)
