"""What statements read, as Postgres explains it."""

import json
from collections.abc import Iterator
from typing import Any, cast

from shared.store.pool import Database


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
