"""Reading long lists to their end: page by page, each in a short statement of its own.

One snapshot for a whole export would be easier to explain, but it lasts as long as its reader is
slow, and meanwhile Postgres can remove no dead row of any table, and no day can be dropped. So each
page sees what is there when it is read: a row that stays as it is comes once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from shared.domain.errors import InvalidInputError
from shared.store.pool import Connection, Database

# What a page takes in memory, about; several things of it are there at once.
_PAGE_BYTES = 1024 * 1024
_FIRST_ROWS = 200
_MAX_ROWS = 1000
_MIN_ROWS = 10
# How often Postgres looks whether who asked is still there; without it a search would go on that
# nobody waits for. `statement_timeout` ends it on the side of Postgres, whatever becomes of us.
_GONE_AFTER_MS = 250
_BOUNDS = """
    SELECT set_config('statement_timeout', $1, true),
           set_config('client_connection_check_interval', $2, true)
"""
_ANSWER_S = 2.0


class PageSize:
    """How many rows the next page has: as many as take about a mebibyte, by those before it."""

    def __init__(self) -> None:
        self.rows = _FIRST_ROWS

    def learn(self, rows: int, size_bytes: int) -> None:
        """Take into account what a page took.

        Args:
            rows: of the page.
            size_bytes: of them all, about.
        """
        if rows == 0:
            return
        fitting = _PAGE_BYTES * rows // max(1, size_bytes)
        self.rows = max(_MIN_ROWS, min(fitting, 2 * self.rows, _MAX_ROWS))


class ExportDatabase:
    """A database whose every use is one short transaction that ends when nobody waits for it.

    Args:
        db: of the request, whose scope holds here as well.
        timeout_s: how long one statement may take.
    """

    def __init__(self, db: Database, *, timeout_s: float) -> None:
        self._db = db
        self._timeout_s = timeout_s

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Hold a connection for one transaction.

        Raises:
            InvalidInputError: a statement took too long.
        """
        milliseconds = str(max(1, round(1000 * self._timeout_s)))
        try:
            async with self._db.acquire() as connection, connection.transaction():
                await connection.execute(_BOUNDS, milliseconds, str(_GONE_AFTER_MS))
                yield connection
        except asyncpg.QueryCanceledError:
            raise InvalidInputError(
                f"the search for the next rows took longer than {self._timeout_s:g} s: name a "
                "station or a shorter time"
            ) from None

    async def fetch(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 - as asyncpg's
    ) -> list[asyncpg.Record]:
        """Return the rows of a statement; its time is that of the export."""
        del timeout
        async with self.acquire() as connection:
            return await connection.fetch(query, *args, timeout=self._timeout_s + _ANSWER_S)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """Return the first row of a statement, or None."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args, timeout=self._timeout_s + _ANSWER_S)

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - as asyncpg's
        """Return the first value of the first row of a statement, or None."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args, timeout=self._timeout_s + _ANSWER_S)

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, and return what Postgres says of it."""
        async with self.acquire() as connection:
            return await connection.execute(query, *args, timeout=self._timeout_s + _ANSWER_S)
