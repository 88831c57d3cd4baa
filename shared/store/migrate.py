"""Brings the schema up to date. Migrations are raw SQL, one file each, in `migrations/versions`."""

import asyncio
from pathlib import Path

import asyncpg
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.domain.errors import UnavailableError
from shared.store import audit_triggers, indexes, schema, scopes
from shared.store.hosts import Hosts
from shared.store.judgement import is_locked

log = structlog.get_logger()

# Any number will do, as long as nothing else in the database locks on it.
_MIGRATION_LOCK = 6_801_600_201
# Whoever comes after a statement that waits for a lock waits too: stations, for no longer than
# this, and then nobody until the next try.
_LOCK_TIMEOUT_S = 0.5
_BETWEEN_TRIES_S = 2.0


async def migrate(
    database_url: str, *, connect_timeout_s: float, lock_wait_s: float = 600.0
) -> None:
    """Run every migration that the database has not seen, each in a transaction of its own.

    So what one has locked is free again while the next one works; the code before lives with each
    of them. Pods may do this at the same time: an advisory lock lets one work and the others find
    it done. A lock that somebody holds on a table is waited for in short tries. Who sees which rows
    comes after that, and what the audit log tells of them, table by table, and then indexes of
    tables that grow, without a lock that anybody notices.

    Args:
        database_url: `postgresql://…`, as in the settings.
        connect_timeout_s: how long the connection may take.
        lock_wait_s: how long to try while somebody holds a lock.

    Raises:
        UnavailableError: somebody holds a lock for longer, or the role of requests is missing and
            cannot be made by whoever migrates; what was done before stays.
    """
    hosts = Hosts(
        database_url,
        connect_timeout_s=connect_timeout_s,
        command_timeout_s=None,
        lock_timeout_s=_LOCK_TIMEOUT_S,
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        # Not left to SQLAlchemy, which cannot read a URL that names several hosts.
        async_creator=hosts.connect,
    )
    clock = asyncio.get_running_loop().time
    give_up_at = clock() + lock_wait_s
    try:
        while not (
            await _try_to_migrate(engine)
            and await _provide_scopes(hosts)
            and await _build_indexes(hosts, lock_wait_s)
        ):
            if clock() >= give_up_at:
                raise UnavailableError(
                    "somebody holds a lock on what is to be changed for longer than "
                    f"{lock_wait_s:g} s, such as a backup or an open transaction "
                    "(pg_stat_activity shows it): end it, or run this again later, which goes on "
                    "where this has stopped"
                )
            await asyncio.sleep(_BETWEEN_TRIES_S)
    finally:
        await engine.dispose()


async def _try_to_migrate(engine: AsyncEngine) -> bool:
    try:
        while await _take_a_step(engine):
            pass
        async with engine.begin() as connection:  # what a lock is in the way of, the worker makes
            for statement in schema.PARTITIONS_AHEAD:
                await connection.execute(text(statement))
    except DBAPIError as error:
        cause = error.orig and error.orig.__cause__
        if cause is None or not is_locked(cause):
            raise
        log.warning("a migration waits for a lock that somebody holds", error=str(cause))
        return False
    return True


async def _provide_scopes(hosts: Hosts) -> bool:
    connection = await hosts.connect()
    try:
        return await scopes.provide(connection) and await audit_triggers.provide(connection)
    except asyncpg.LockNotAvailableError as error:
        log.warning("a policy or a trigger waits for a lock that somebody holds", error=str(error))
        return False
    finally:
        await connection.close()


async def _build_indexes(hosts: Hosts, lock_wait_s: float) -> bool:
    connection = await hosts.connect()
    try:
        return await indexes.build_missing(connection, lock_wait_s=lock_wait_s)
    except asyncpg.LockNotAvailableError as error:
        log.warning("an index waits for a transaction that somebody has open", error=str(error))
        return False
    finally:
        await connection.close()


async def _take_a_step(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> bool:
    """Run the next migration; return whether there was one."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    head = ScriptDirectory.from_config(config).get_current_head()
    if MigrationContext.configure(connection).get_current_revision() == head:
        return False
    command.upgrade(config, "+1")
    return True
