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
    try:
        pool = await asyncpg.create_pool(
            settings.database_url,
            min_size=1,
            max_size=settings.database_pool_size,
            timeout=settings.database_connect_timeout_s,
            command_timeout=settings.database_command_timeout_s,
            init=_prepare_connection,
            reset=_leave_as_it_is,
        )
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


def is_away(error: BaseException) -> bool:
    """Tell whether `error` means that Postgres is away, rather than that a statement is wrong."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_AWAY_SQLSTATE_CLASSES)
    # A closed or broken connection is an InterfaceError; one raised for a bad argument is a
    # DataError as well.
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)
    return isinstance(error, OSError | TimeoutError)


async def is_reachable(db: Database) -> bool:
    """Tell whether Postgres answers a query now."""
    try:
        await db.fetchval("SELECT 1")
    except Exception as error:
        if is_away(error):
            return False
        raise
    return True
