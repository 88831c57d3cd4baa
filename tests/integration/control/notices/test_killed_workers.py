"""Workers that number events are killed, and readers hear of each event once all the same."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.up.ports import free_ports
from shared.domain.notices.events import EVERY_EVENT
from shared.store.notices import events
from shared.store.pool import Database
from tests.faults.table import scaled
from tests.integration.control.notices.conftest import happening, put
from tests.support.eventually import eventually

KILLS = scaled(2, 20)
_AT_ONCE = 7


@asynccontextmanager
async def running_worker(
    database_url: str, redis_url: str, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker that numbers a few at a time, as fast as it can."""
    (port,) = free_ports(1)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "control.jobs"),
            env={
                **os.environ,
                "VOLTARO_DATABASE_URL": database_url,
                "VOLTARO_REDIS_URL": redis_url,
                "VOLTARO_MANAGEMENT_HOST": "127.0.0.1",
                "VOLTARO_MANAGEMENT_PORT": str(port),
                "VOLTARO_EVENT_NUMBERING_INTERVAL_S": "0.01",
                "VOLTARO_EVENT_NUMBERING_BATCH": "5",
            },
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


class Reader:
    """Goes on behind the last number, now and then."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.last = 0
        self.marks: list[int] = []

    async def read(self) -> int:
        """Read what is new, and return how many were read in all."""
        for event in await events.read_events(
            self._db, after=self.last, limit=50, filter=EVERY_EVENT
        ):
            assert event.number == self.last + 1
            self.last = event.number
            self.marks.append(event.data["mark"])
        return len(self.marks)

    async def read_on(self, count: int) -> None:
        """Read until there are so many more."""
        wanted = len(self.marks) + count
        await eventually(self.read, lambda read: read >= wanted, timeout_s=60)


@pytest.mark.timeout(300 + 30 * KILLS)
async def test_a_worker_that_is_killed_loses_and_doubles_no_event(
    db: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    reader, written = Reader(db), 0
    stop = asyncio.Event()

    async def write() -> int:
        marks = 0
        while not stop.is_set():
            await put(db, *(happening("CS-1", mark=marks + each) for each in range(_AT_ONCE)))
            marks += _AT_ONCE
            await asyncio.sleep(0.002)
        return marks

    writing = asyncio.create_task(write())
    for _ in range(KILLS):
        async with running_worker(database_url, redis_url, tmp_path / "log") as worker:
            await reader.read_on(100)
            await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311 - no secret
            worker.kill()
            await worker.wait()
    stop.set()
    written = await writing
    async with running_worker(database_url, redis_url, tmp_path / "log"):
        await eventually(reader.read, lambda read: read >= written, timeout_s=120)
    assert reader.marks == list(range(written))
    assert await db.fetchval("SELECT count(*) FROM event_outbox") == 0
    assert await events.newest_number(db) == written
