"""A database as a former version left it."""

from functools import partial
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.store import migrate


async def make_former(database_url: str, revision: str) -> None:
    """Run the migrations up to one of them in an empty database."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        # SQLAlchemy reads other options out of a URL.
        async_creator=partial(asyncpg.connect, database_url),
    )
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
