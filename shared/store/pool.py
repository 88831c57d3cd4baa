"""Connections to Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol, TypeAlias

import asyncpg
import msgspec
import structlog
from asyncpg.pool import PoolConnectionProxy

from shared.domain.errors import UnavailableError
from shared.settings import DatabaseSettings
from shared.store.hosts import Hosts
from shared.store.judgement import is_away
from shared.store.server_connection import ServerPool, end_unless_usable

log = structlog.get_logger()

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"


class Database(Protocol):
    """What stores use: the pool, or the pool as one request may use it."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """Hold a connection for as long as the context lasts."""

    async def fetch(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 - as asyncpg's
    ) -> list[asyncpg.Record]:
        """Return the rows of a statement, within a time other than that of the settings."""

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """Return the first row of a statement, or None."""

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - as asyncpg's
        """Return the first value of the first row of a statement, or None."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, and return what Postgres says of it."""


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, *, max_lock_timeout_s: float = float("inf")
) -> AsyncIterator[Pool]:
    """Hold a pool of connections for as long as the context lasts.

    Args:
        settings: where Postgres is, and time-outs.
        max_lock_timeout_s: no statement waits longer for a lock, whatever the settings say.

    Raises:
        UnavailableError: Postgres cannot be reached now.
    """
    hosts = Hosts(
        settings.database_url,
        connect_timeout_s=settings.database_connect_timeout_s,
        command_timeout_s=settings.database_command_timeout_s,
        lock_timeout_s=min(settings.database_lock_timeout_s, max_lock_timeout_s),
    )
    try:
        pool = await ServerPool.open(
            hosts.connect,
            max_size=settings.database_pool_size,
            init=_prepare_connection,
            reset=_leave_as_it_is,
        )
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise UnavailableError(
            "Postgres at VOLTARO_DATABASE_URL takes no writes: it is a standby, or "
            "default_transaction_read_only is on"
        ) from error
    except (
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ) as error:
        raise UnavailableError(
            f"Postgres at VOLTARO_DATABASE_URL does not answer ({error!s}): "
            "is it running, and are host, port and password right?"
        ) from error
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), settings.database_connect_timeout_s)
        except TimeoutError:
            pool.terminate()


async def _prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


async def _leave_as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Spare the round trip that resets a connection: nothing here changes a session's state."""


class KeptConnection:
    """A connection that its one user keeps from one use to the next.

    To take one out of the pool and put it back costs 60 µs, half of what a small statement costs.
    After an error that is not Postgres' word on a statement it is ended, and the next use takes
    another, so that it comes back by itself when Postgres does.

    Args:
        db: where it is taken from.
        lock_timeout_s: how long a statement waits for a lock, if not as long as all others.
    """

    def __init__(self, db: Pool, *, lock_timeout_s: float | None = None) -> None:
        self._db = db
        self._lock_timeout_s = lock_timeout_s
        self._connection: Connection | None = None

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Hold the connection for one use, as `Database.acquire` does; one use at a time."""
        if self._connection is not None and _is_lost(self._connection):
            await self.give_back()
        if self._connection is None:
            self._connection = await self._take()
        try:
            yield self._connection
        except BaseException as error:
            end_unless_usable(self._connection, error)
            await self.give_back()
            raise

    async def give_back(self) -> None:
        """Give the connection back to the pool, which does not close before."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._release(connection)

    async def _take(self) -> Connection:
        connection = await self._db.acquire()
        if self._lock_timeout_s is not None:
            try:
                await connection.execute(
                    f"SET lock_timeout = '{round(1000 * self._lock_timeout_s)}ms'"
                )
            except BaseException:
                await self._release(connection)
                raise
        return connection

    async def _release(self, connection: Connection) -> None:
        if self._lock_timeout_s is not None:  # it must not reach who takes it next
            with suppress(asyncpg.InterfaceError):
                connection.terminate()
        await self._db.release(connection)


def _is_lost(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool saw it end and has taken it back
        return True


async def is_reachable(db: Database) -> bool:
    """Tell whether Postgres answers a query now."""
    try:
        await db.fetchval("SELECT 1")
    except Exception as error:
        if not is_away(error):
            log.exception("nobody knows why Postgres does not answer")
        return False
    return True
