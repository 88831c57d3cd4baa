"""What Postgres does when nothing of ours is in between: a commit, a COPY, a page of rows."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

Row: TypeAlias = tuple[Any, ...]

_TIMEOUT_S = 60.0
_COMMITS = "bench_commits"
_COPIED = "bench_copied_meter_values"


class RawPostgres:
    """One connection of `asyncpg`, made by `raw_postgres`."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def execute(self, statement: str, *parameters: object) -> None:
        """Carry out a statement of the benchmark's own."""
        await self._connection.execute(statement, *parameters)

    async def version(self) -> str:
        """Return the server's version."""
        return str(await self._connection.fetchval("SHOW server_version"))

    async def commit(self, count: int) -> list[float]:
        """Commit so many single rows, one after another, and return what each took in seconds."""
        await self.execute(f"CREATE TABLE IF NOT EXISTS {_COMMITS} (number integer)")
        insert = await self._connection.prepare(f"INSERT INTO {_COMMITS} VALUES ($1)")  # noqa: S608 - our own name
        took_s = []
        for number in range(count):
            began_s = time.perf_counter()
            await insert.fetch(number)
            took_s.append(time.perf_counter() - began_s)
        return took_s

    async def copy_meter_values(self, batches: Sequence[Sequence[Row]]) -> float:
        """Copy rows into a table like that of the meter values; return what it took in seconds.

        The table has the same columns and the same key, but no partitions.
        """
        await self.execute(
            f"CREATE TABLE IF NOT EXISTS {_COPIED} (LIKE meter_values INCLUDING ALL)"
        )
        began_s = time.perf_counter()
        for batch in batches:
            await self._connection.copy_records_to_table(
                _COPIED,
                records=batch,
                columns=(
                    *("station_id", "evse_id", "sampled_at", "fingerprint", "transaction_id"),
                    *("energy_wh", "samples"),
                ),
            )
        return time.perf_counter() - began_s

    async def read_page(self, after: str, limit: int) -> tuple[float, str | None]:
        """Read a page of stations; return what it took in seconds, and the last id on it."""
        began_s = time.perf_counter()
        records = await self._connection.fetch(
            "SELECT * FROM stations WHERE station_id > $1 ORDER BY station_id LIMIT $2",
            after,
            limit,
        )
        took_s = time.perf_counter() - began_s
        return took_s, records[-1]["station_id"] if len(records) == limit else None


@asynccontextmanager
async def raw_postgres(database_url: str) -> AsyncIterator[RawPostgres]:
    """Hold a connection for as long as the context lasts."""
    connection = await asyncpg.connect(database_url, command_timeout=_TIMEOUT_S)
    try:
        yield RawPostgres(connection)
    finally:
        await connection.close()
