"""What `make streams` measures, with a hundred clients instead of two thousand."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from control.jobs.notices.numbering import EventNumberer
from control.settings import ControlSettings
from loadtest.bench.servers import Cluster
from loadtest.streams.command import describe, lines, measure, parser
from loadtest.streams.followers import follow, leaving
from loadtest.streams.measure import PROBES, LostEventError, Target, deliver
from shared.bus.client import open_redis
from shared.bus.event_words import EventWords
from shared.settings import DatabaseSettings
from shared.store.pool import Database, open_database
from tests.integration.control.players import API_KEY, running

CLIENTS = 100


@pytest.fixture
async def control(database_url: str, redis_url: str) -> AsyncIterator[Cluster]:
    """This process as the one that is measured, with what numbers events."""
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
        numbering = asyncio.create_task(_number(db, EventWords(redis, timeout_s=1.0)))
        report = {
            "http_url": api.url,
            "api_key": API_KEY,
            "database_url": database_url,
            "pids": {"control": os.getpid()},
        }
        yield Cluster(report=report, start_s=0.0)
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
    control: Cluster,
) -> None:
    options = [
        "--streams",
        str(CLIENTS),
        "--events",
        "20",
        "--per-s",
        "50",
        "--settle-s",
        "0",
        "--write-timeout-s",
        "0.5",
    ]
    figures = await measure(control, parser().parse_args(options))
    alone, beside = figures["deliveries"].values()
    assert (alone["clients"], alone["events"]) == (CLIENTS, 20)
    assert figures["stuck_ended"] == 1
    # A stuck one that held up others would do so for its whole time of half a second.
    assert beside["p50_ms"] < alone["p50_ms"] + 400
    text = "\n".join(lines(describe(figures, others_share=0.5)))
    assert "| of these ended with a word where to resume | 1 |" in text


async def test_a_client_that_was_not_told_of_everything_fails_the_run(control: Cluster) -> None:
    async with open_database(DatabaseSettings(database_url=control.database_url)) as db:
        target = Target(control.http_url, API_KEY, db)
        with leaving(await follow(target.url, target.api_key, 2, query=PROBES)) as followers:
            followers[1].close()
            with pytest.raises(LostEventError):
                await deliver(target, followers, events=2, per_s=50, timeout_s=0.5)
