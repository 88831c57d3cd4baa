"""Commands of stations that are offline cost the sweeps nothing, however many wait."""

import asyncio
import json
import os
import time
from collections.abc import Callable

from shared.domain.commands import ClearCache
from shared.domain.stations.stations import StationFilter
from shared.store.commands import batches, commands
from shared.store.commands import parked as parked_commands
from shared.store.pool import Database
from tests.integration.control.players import PodPlayer, register

QUEUED = int(os.environ.get("VOLTARO_TEST_PARKED", "10000"))
# A few pages of indexes and batches. The 10,000 commands alone fill more than a hundred.
BUFFERS_MAX = 40


async def queue(db: Database, *, online: int = 0) -> None:
    """Have a batch for very many stations of which some are online, and as many single commands."""
    await db.execute(
        """
        INSERT INTO stations (station_id, online)
        SELECT 'S-' || n, n > $1 - $2 FROM generate_series(1, $1) AS n
        """,
        QUEUED,
        online,
    )
    await batches.create(
        db,
        command=ClearCache(),
        stations=StationFilter(),
        timeout_s=3600,
        max_per_s=1000,
        max_stations=QUEUED,
        request_digest="",
    )
    await db.execute(
        """
        INSERT INTO commands (station_id, type, params, expires_at)
        SELECT station_id, 'ClearCache', '{}', now() + interval '1 hour' FROM stations
        """
    )
    await db.execute("VACUUM ANALYZE commands")
    await db.execute("VACUUM ANALYZE stations")
    await asyncio.sleep(0.01)


async def sweep(db: Database) -> tuple[int, int]:
    """Look once, as the worker does; return how many were found."""
    due = await batches.list_due(db)
    return len(due), len(await commands.list_waiting(db, older_than_s=0, limit=1000))


async def buffers(db: Database, query: str, *arguments: object) -> int:
    plan = await db.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}", *arguments)
    top = plan[0]["Plan"] if isinstance(plan, list) else json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])


async def parked(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM commands WHERE parked"))


async def test_what_waits_for_stations_that_are_offline_is_not_looked_at(
    db: Database, record_property: Callable[[str, object], None]
) -> None:
    await queue(db)
    for _ in range(2 * QUEUED // 1000):
        assert await sweep(db) == (0, 0)
        if await parked(db) == 2 * QUEUED:
            break
    assert await parked(db) == 2 * QUEUED
    await db.execute("VACUUM commands")
    assert await buffers(db, batches._DUE, 1000) <= BUFFERS_MAX
    assert await buffers(db, commands._WAITING, 0.0, 2000) <= BUFFERS_MAX
    began = time.perf_counter()
    for _ in range(20):
        await sweep(db)
    sweep_ms = (time.perf_counter() - began) * 50
    began = time.perf_counter()
    for _ in range(20):
        await db.fetchval("SELECT count(*) FROM commands WHERE state = 'queued'")
    counting_ms = (time.perf_counter() - began) * 50
    record_property(
        f"both sweeps beside {2 * QUEUED} that wait, and counting these, in ms",
        f"{sweep_ms:.2f}, {counting_ms:.2f}",
    )


async def test_those_of_stations_that_are_online_are_found_among_very_many(db: Database) -> None:
    await queue(db, online=5)
    found = [await sweep(db) for _ in range(3 * QUEUED // 1000)]
    assert found[-1] == (5, 5)


async def test_a_command_is_taken_back_as_its_station_connects(
    db: Database, pod: PodPlayer
) -> None:
    await register(db, "CS-1")
    for _ in range(2):
        await commands.create(db, station_id="CS-1", command=ClearCache(), timeout_s=60)
    assert await sweep(db) == (0, 0)
    assert await parked(db) == 2
    await pod.hold("CS-1")
    assert await parked(db) == 0
    assert await sweep(db) == (0, 2)


async def test_a_command_is_not_parked_while_its_station_is_connecting(db: Database) -> None:
    await register(db, "CS-1")
    await commands.create(db, station_id="CS-1", command=ClearCache(), timeout_s=60)
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE stations SET online = true")
        assert await sweep(db) == (0, 0)
    assert await parked(db) == 0
    assert await sweep(db) == (0, 1)


async def test_a_station_that_connects_while_its_command_is_being_parked_gets_it(
    db: Database, pod: PodPlayer
) -> None:
    await register(db, "CS-1")
    record, _ = await commands.create(db, station_id="CS-1", command=ClearCache(), timeout_s=60)
    async with db.acquire() as connection, connection.transaction():
        assert await parked_commands.park(connection, [record.command_id]) == 1
        connecting = asyncio.create_task(pod.hold("CS-1"))
        await asyncio.sleep(0.1)
        assert not connecting.done()
    await connecting
    assert await parked(db) == 0


async def test_what_a_trigger_left_out_is_taken_back_later(db: Database, pod: PodPlayer) -> None:
    await pod.hold("CS-1")
    await commands.create(db, station_id="CS-1", command=ClearCache(), timeout_s=60)
    await db.execute("UPDATE commands SET parked = true")
    assert await parked_commands.take_back(db) == 1
    assert await sweep(db) == (0, 1)


async def test_a_command_of_a_station_that_is_gone_is_parked(db: Database) -> None:
    await register(db, "CS-1")
    await commands.create(db, station_id="CS-1", command=ClearCache(), timeout_s=60)
    await db.execute("DELETE FROM stations")
    assert await sweep(db) == (0, 0)
    assert await parked(db) == 1
