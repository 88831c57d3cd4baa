"""What `make streams` measures, with a hundred clients instead of two thousand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from control.jobs.notices.numbering import EventNumberer
from control.settings import ControlSettings
from loadtest.streams.followers import follow, leaving
from loadtest.streams.measure import PROBES, LostEventError, Target, deliver, with_stuck
from shared.bus.client import open_redis
from shared.bus.event_words import EventWords
from shared.store.pool import Database, open_database
from tests.integration.control.players import API_KEY, running

CLIENTS = 100


@pytest.fixture
async def target(database_url: str, redis_url: str) -> AsyncIterator[Target]:
    settings = ControlSettings(
        database_url=database_url,
        redis_url=redis_url,
        api_keys=API_KEY,
        event_streams_max_per_principal=2 * CLIENTS,
        event_stream_write_timeout_s=0.5,
    )
    async with (
        open_redis(settings) as redis,
        open_database(settings) as db,
        running(settings) as api,
    ):
        words = EventWords(redis, timeout_s=1.0)
        numbering = asyncio.create_task(_number(db, words))
        yield Target(api.url, API_KEY, db)
        numbering.cancel()
        with suppress(asyncio.CancelledError):
            await numbering


async def _number(db: Database, words: EventWords) -> None:
    """Do what the worker does."""
    numberer = EventNumberer(db, words, batch=1000)
    while True:
        await numberer.run()
        await asyncio.sleep(0.05)


async def test_a_hundred_clients_hear_of_everything_and_one_that_is_stuck_harms_nobody(
    target: Target,
) -> None:
    with leaving(await follow(target.url, target.api_key, CLIENTS, query=PROBES)) as followers:
        alone = await deliver(target, followers, events=20, per_s=50)
        assert (alone.clients, alone.events) == (CLIENTS, 20)
        beside, ended = await with_stuck(target, followers, stuck=1, events=20, per_s=50, first=20)
    assert ended == 1
    # A stuck one that held up others would do so for its whole time of half a second.
    assert beside.p50_ms < alone.p50_ms + 400


async def test_a_client_that_was_not_told_of_everything_fails_the_run(target: Target) -> None:
    with leaving(await follow(target.url, target.api_key, 2, query=PROBES)) as followers:
        followers[1].close()
        with pytest.raises(LostEventError):
            await deliver(target, followers, events=2, per_s=50, timeout_s=0.5)
