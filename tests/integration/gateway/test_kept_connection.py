"""A connection kept out of the pool: always the same one, until it is lost."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.settings import DatabaseSettings
from shared.store.judgement import is_away
from shared.store.pool import Database, KeptConnection, open_database
from tests.support.relay import relay


@pytest.fixture
async def kept(db: Database) -> AsyncIterator[KeptConnection]:
    connection = KeptConnection(db)
    yield connection
    await connection.give_back()


async def backend_of(connection: KeptConnection) -> int:
    async with connection.acquire() as held:
        return await held.fetchval("SELECT pg_backend_pid()")


async def test_it_is_the_same_from_one_use_to_the_next(kept: KeptConnection) -> None:
    assert await backend_of(kept) == await backend_of(kept)


async def test_one_that_ended_between_two_uses_is_replaced_unnoticed(
    db: Database, kept: KeptConnection
) -> None:
    before = await backend_of(kept)
    await db.execute("SELECT pg_terminate_backend($1, 5000)", before)
    await asyncio.sleep(0.1)
    assert await backend_of(kept) != before


async def test_one_that_ends_in_use_fails_as_postgres_away_and_is_replaced(
    db: Database, kept: KeptConnection
) -> None:
    before = await backend_of(kept)

    async def wait() -> None:
        async with kept.acquire() as held:
            await held.execute("SELECT pg_sleep(60)")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.1)
    await db.execute("SELECT pg_terminate_backend($1, 5000)", before)
    with pytest.raises(asyncpg.PostgresError) as ended:
        await waiting
    assert is_away(ended.value)
    assert await backend_of(kept) != before


async def test_a_statement_that_fails_leaves_it_usable(kept: KeptConnection) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with kept.acquire() as held, held.transaction():
            await held.execute("SELECT * FROM nothing")
    assert await backend_of(kept)


async def test_the_time_out_of_a_command_holds_and_leaves_it_usable(database_url: str) -> None:
    settings = DatabaseSettings(database_url=database_url, database_command_timeout_s=0.2)
    async with open_database(settings) as db:
        kept = KeptConnection(db)
        with pytest.raises(TimeoutError):
            async with kept.acquire() as held:
                await held.execute("SELECT pg_sleep(60)")
        assert await backend_of(kept)
        await kept.give_back()


async def test_it_comes_back_with_postgres(database_url: str) -> None:
    async with relay(database_url) as wire:
        settings = DatabaseSettings(database_url=wire.url, database_connect_timeout_s=0.5)
        async with open_database(settings) as db:
            kept = KeptConnection(db)
            await backend_of(kept)
            await wire.cut()
            with pytest.raises(Exception) as gone:  # noqa: PT011 - what it says is checked next
                await backend_of(kept)
            assert is_away(gone.value)
            await wire.mend()
            assert await backend_of(kept)
            await kept.give_back()


async def test_cancelling_its_user_does_not_keep_the_pool_from_closing(database_url: str) -> None:
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        kept = KeptConnection(db)

        async def wait() -> None:
            async with kept.acquire() as held:
                await held.execute("SELECT pg_sleep(60)")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(2):
            await db.close()
