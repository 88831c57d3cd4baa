"""The yardsticks do what the figures say they do."""

import asyncio
import json
import os
from itertools import islice

import asyncpg
import pytest

from loadtest.bench.fleet import fleet
from loadtest.bench.load import closed_loop
from loadtest.bench.measures import meter_rows
from loadtest.bench.messages import meter_values
from loadtest.bench.servers import ServerFailedError, yardstick
from loadtest.bench.yardsticks.postgres import raw_postgres
from loadtest.bench.yardsticks.redis import raw_redis
from loadtest.bench.yardsticks.tutorial_server import DATABASE_URL
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import open_database


async def test_copy_leaves_the_rows_that_the_gateway_would(database_url: str) -> None:
    batch = list(islice(meter_rows.meter_values(), 20))
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        await facts.write(db, batch)
        async with raw_postgres(database_url) as postgres:
            await postgres.copy_meter_values([meter_rows.encode_batch(batch)])
        columns = "station_id, evse_id, sampled_at, transaction_id, energy_wh, samples"
        ours, copied = [
            await db.fetch(f"SELECT {columns} FROM {table} ORDER BY station_id")  # noqa: S608 - our own names
            for table in ("meter_values", "bench_copied_meter_values")
        ]
    assert len(ours) == 20
    assert ours == copied


async def test_a_page_of_rows_ends_where_the_next_begins(database_url: str) -> None:
    async with raw_postgres(database_url) as postgres:
        await postgres.execute(
            "INSERT INTO stations (station_id) SELECT 'CP-' || n FROM generate_series(1, 5) AS n"
        )
        _, last = await postgres.read_page("", 3)
        assert last == "CP-3"
        _, last = await postgres.read_page(last, 3)
        assert last is None


async def test_commits_are_there_when_they_are_counted(database_url: str) -> None:
    async with raw_postgres(database_url) as postgres:
        assert len(await postgres.commit(3)) == 3
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM bench_commits") == 3
    await connection.close()


async def test_the_tutorial_server_answers_after_it_has_stored(database_url: str) -> None:
    server = yardstick("tutorial_server", **{DATABASE_URL: database_url})
    with server as tutorial:
        assert tutorial.pid != os.getpid()
        async with fleet(tutorial.url, ["CP-1", "CP-2"]) as stations:
            load = await closed_loop(stations, meter_values(), in_flight=2, seconds=0.3)
    connection = await asyncpg.connect(database_url)
    stored = await connection.fetch("SELECT station_id, meter_value FROM tutorial_meter_values")
    await connection.close()
    assert len(stored) == load.messages > 0
    assert {row["station_id"] for row in stored} == {"CP-1", "CP-2"}
    assert len(json.loads(stored[0]["meter_value"])[0]["sampled_value"]) == 5


async def test_the_echo_server_gives_back_what_it_got() -> None:
    with yardstick("echo_server") as echo:
        async with fleet(echo.url, ["CP-1"], booted=False) as (station,):
            assert await station.ask(b"hello", timeout_s=5.0) == b"hello"


def test_a_yardstick_that_does_not_start_is_told() -> None:
    with (
        pytest.raises(ServerFailedError, match="tutorial_server"),
        yardstick("tutorial_server", **{DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none"}),
    ):
        pass


async def test_redis_operations_are_counted_and_the_counting_is_not(redis_url: str) -> None:
    async with raw_redis(redis_url) as redis:
        before = await redis.operations()
        assert len(await redis.ping(5)) == 5
        await asyncio.sleep(0)
        assert await redis.operations() == before
