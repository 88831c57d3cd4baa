"""Brings the schema up to date. Migrations are raw SQL, one file each, in `migrations/versions`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.store.hosts import Hosts

# Any number will do, as long as nothing else in the database locks on it.
_MIGRATION_LOCK = 6_801_600_201


async def migrate(database_url: str, *, connect_timeout_s: float) -> None:
    """Run every migration that the database has not seen, all in one transaction.

    Pods may do this at the same time: an advisory lock lets one work and the others find it done.

    Args:
        database_url: `postgresql://…`, as in the settings.
        connect_timeout_s: how long the connection may take.
    """
    hosts = Hosts(
        database_url,
        connect_timeout_s=connect_timeout_s,
        command_timeout_s=None,
        lock_timeout_s=1.0,
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        # Not left to SQLAlchemy, which cannot read a URL that names several hosts.
        async_creator=hosts.connect,
    )
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        await connection.run_sync(_upgrade)
        await connection.execute(text("SELECT ensure_meter_value_partitions(current_date, 8)"))
    await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
