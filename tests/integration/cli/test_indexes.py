"""Indexes of tables that grow are built while everything goes on."""

import asyncio

import asyncpg
import pytest

from shared.domain.errors import UnavailableError
from shared.settings import DatabaseSettings
from shared.store import indexes
from shared.store.migrate import migrate
from shared.store.pool import Database, open_database
from tests.support.eventually import eventually

NAME = "sessions_by_transaction"


async def there(db: Database) -> set[str]:
    """Return the indexes that may be used, without those of the days' partitions.

    A migration makes the partitions of the days to come, so those differ after midnight.
    """
    records = await db.fetch("""
        SELECT indexrelid::regclass::text
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indisvalid AND NOT relispartition AND relnamespace = 'public'::regnamespace
    """)
    return {record[0] for record in records}


async def test_all_are_there_after_a_migration(database_url: str) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        assert indexes.INDEXES.keys() <= await there(db)


async def test_stations_write_while_one_is_built(database_url: str) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        await db.execute(f"DROP INDEX {NAME}")
        async with db.acquire() as older, older.transaction():
            await older.execute(_INSERT, "T1")
            building = asyncio.create_task(migrate(database_url, connect_timeout_s=5))
            # It waits for who has written before it, and nobody waits for it.
            await eventually(lambda: db.fetchval(_WAITING), bool)
            for number in range(2, 5):
                async with asyncio.timeout(1):
                    await db.execute(_INSERT, f"T{number}")
        await building
        assert NAME in await there(db)
        assert await db.fetchval("SELECT count(*) FROM sessions") == 4


async def test_one_that_was_not_finished_is_built_anew(database_url: str) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        await db.execute(f"DROP INDEX {NAME}")
        async with db.acquire() as older, older.transaction():
            await older.execute(_INSERT, "T1")
            with pytest.raises(UnavailableError, match="holds a lock"):
                await migrate(database_url, connect_timeout_s=5, lock_wait_s=0.2)
        assert NAME not in await there(db)
        assert await db.fetchval("SELECT to_regclass($1)", NAME) is not None
        await migrate(database_url, connect_timeout_s=5)
        assert NAME in await there(db)


async def test_several_that_migrate_at_the_same_time_build_each_once(database_url: str) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        before = await there(db)
        for name in indexes.INDEXES:
            await db.execute(f"DROP INDEX {name}")
        await asyncio.gather(*(migrate(database_url, connect_timeout_s=5) for _ in range(3)))
        assert await there(db) == before


async def test_an_error_on_the_way_is_told(database_url: str) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        await db.execute(f"DROP INDEX {NAME}")
        await db.execute("ALTER TABLE sessions RENAME COLUMN transaction_id TO another")
        with pytest.raises(asyncpg.UndefinedColumnError, match="transaction_id"):
            await migrate(database_url, connect_timeout_s=5)


_INSERT = """
    INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer, ocpp_version)
    VALUES ('CS-1', 1, $1, 'station', '2.0.1')
"""
_WAITING = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                   WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
                     AND datname = current_database())
"""
