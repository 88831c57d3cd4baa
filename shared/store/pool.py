"""Connections to Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from shared.domain.errors import UnavailableError
from shared.settings import DatabaseSettings
from shared.store.hosts import Hosts

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

# What says that Postgres is away, and not that a row is wrong. Class 57P is an operator's
# intervention (shutdown, crash recovery), class 53 a lack of resources, class 08 a lost connection,
# 25006 a server that became a standby, 40 a deadlock that a second try resolves.
_AWAY_SQLSTATE_CLASSES = ("08", "53", "57", "58", "40", "25006", "XX")


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Hold a pool of connections for as long as the context lasts.

    Raises:
        UnavailableError: Postgres cannot be reached now.
    """
    hosts = Hosts(
        settings.database_url,
        connect_timeout_s=settings.database_connect_timeout_s,
        command_timeout_s=settings.database_command_timeout_s,
    )
    try:
        pool = await asyncpg.create_pool(
            connect=hosts.connect,
            min_size=1,
            max_size=settings.database_pool_size,
            init=_prepare_connection,
            reset=_leave_as_it_is,
        )
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise UnavailableError(
            "Postgres at VOLTARO_DATABASE_URL takes no writes: it is a standby, or "
            "default_transaction_read_only is on"
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
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
    After an error it goes back, and the next use takes another, so that it comes back by itself
    when Postgres does.

    A statement that is given up ends the connection, and is never cancelled: a commit that waits
    for a standby and is cancelled counts on the primary alone (PostgreSQL documentation,
    Synchronous Replication), and who tells its rows again would be answered with nothing to wait
    for.

    Args:
        db: where it is taken from.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection: Connection | None = None

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Hold the connection for one use, as `Database.acquire` does; one use at a time."""
        if self._connection is not None and _is_lost(self._connection):
            await self.give_back()
        if self._connection is None:
            self._connection = await self._db.acquire()
        try:
            yield self._connection
        except (asyncio.CancelledError, TimeoutError):
            # The pool would first wait until Postgres confirms that it gave the statement up, and
            # one that hangs never does.
            self._connection.terminate()
            await self.give_back()
            raise
        except BaseException:
            await self.give_back()
            raise

    async def give_back(self) -> None:
        """Give the connection back to the pool, which does not close before."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._db.release(connection)


def _is_lost(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool saw it end and has taken it back
        return True


def is_away(error: BaseException) -> bool:
    """Tell whether `error` means that Postgres is away, rather than that a statement is wrong."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_AWAY_SQLSTATE_CLASSES)
    # A closed or broken connection is an InterfaceError; one raised for a bad argument is a
    # DataError as well.
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)
    return isinstance(error, OSError | TimeoutError | asyncpg.TargetServerAttributeNotMatched)


async def is_reachable(db: Database) -> bool:
    """Tell whether Postgres answers a query now."""
    try:
        await db.fetchval("SELECT 1")
    except Exception as error:
        if is_away(error):
            return False
        raise
    return True
