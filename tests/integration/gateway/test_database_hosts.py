"""The URL of the database names several hosts, of which one takes writes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.domain.errors import UnavailableError
from shared.settings import DatabaseSettings
from shared.store.judgement import is_away
from shared.store.migrate import migrate
from shared.store.pool import Database, open_database
from tests.support.relay import Relay, relay


@asynccontextmanager
async def two_ways(database_url: str) -> AsyncIterator[tuple[Relay, Relay, str]]:
    """Two hosts, which are ways to the same server, and the URL that names them in this order."""
    async with relay(database_url) as first, relay(database_url) as second:
        ports = [urlsplit(each.url).port for each in (first, second)]
        parts = urlsplit(database_url)
        credentials = parts.netloc.rpartition("@")[0]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        yield first, second, parts._replace(netloc=f"{credentials}@{hosts}").geturl()
        first.answering.set()


def opened(database_url: str) -> AbstractAsyncContextManager[Database]:
    return open_database(DatabaseSettings(database_url=database_url))


async def test_the_first_one_is_taken_if_it_is_well(database_url: str) -> None:
    async with two_ways(database_url) as (first, second, url), opened(url) as db:
        await db.execute("SELECT 1")
        assert (len(first._connections), len(second._connections)) == (1, 0)


async def test_one_that_refuses_costs_no_time(empty_database_url: str) -> None:
    async with two_ways(empty_database_url) as (first, _, url):
        await first.cut()
        began = time.monotonic()
        async with opened(url) as db:
            await db.execute("SELECT 1")
        assert time.monotonic() - began < 0.4
        await migrate(url, connect_timeout_s=5)


async def test_one_that_never_answers_does_not_use_up_the_time_of_the_next(
    database_url: str,
) -> None:
    async with two_ways(database_url) as (first, _, url):
        first.answering.clear()
        began = time.monotonic()
        async with opened(url) as db:
            await db.execute("SELECT 1")
        assert time.monotonic() - began < 2


async def test_what_waits_for_one_that_hangs_ends_when_another_is_found(database_url: str) -> None:
    async with two_ways(database_url) as (first, _, url), opened(url) as db:
        first.answering.clear()
        waiting = asyncio.create_task(db.execute("SELECT 1"))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await db.execute("SELECT 1")
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as ended:
            await waiting
        assert is_away(ended.value)
        assert time.monotonic() - began < 2
        # It is well again, and takes nobody from the one that was found.
        first.answering.set()
        await asyncio.gather(*(db.execute("SELECT pg_sleep(0.1)") for _ in range(4)))
        assert not first._connections


async def test_if_none_takes_writes_it_is_said_why(database_url: str) -> None:
    async with opened(database_url) as db:
        name = urlsplit(database_url).path.removeprefix("/")
        await db.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    async with two_ways(database_url) as (first, _, url):
        with pytest.raises(UnavailableError, match="takes no writes"):
            async with opened(url):
                pass
        await first.cut()
        with pytest.raises(UnavailableError, match=r"does not answer .*Connect call failed"):
            async with opened(url):
                pass
