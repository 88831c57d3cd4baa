"""Who reads events by their numbers misses none and reads none twice, whatever others do."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.notices.events import EVERY_EVENT
from shared.store.notices import events, numbering, outbox
from shared.store.pool import Connection, Database, open_database
from tests.faults.table import scaled
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.conftest import happening

WRITERS, WORKERS = 4, 2
_marks = count()

Step: TypeAlias = tuple[str, int, int]
"""What is done, by whom, and how much."""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, WRITERS - 1), st.integers(1, 3)),
        st.tuples(st.just("commit"), st.integers(0, WRITERS - 1), st.just(0)),
        st.tuples(st.just("roll back"), st.integers(0, WRITERS - 1), st.just(0)),
        st.tuples(st.just("number"), st.integers(0, WORKERS - 1), st.integers(1, 4)),
        st.tuples(st.just("finish"), st.integers(0, WORKERS - 1), st.just(0)),
        st.tuples(st.just("die"), st.integers(0, WORKERS - 1), st.just(0)),
        st.tuples(st.just("tell"), st.integers(0, WORKERS - 1), st.integers(1, 9)),
        st.tuples(st.just("read"), st.just(0), st.integers(1, 4)),
    ),
    min_size=10,
    max_size=50,
)


class Transaction:
    """Somebody's connection, and the transaction that they have open on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.put: list[int] = []
        self._open: asyncpg.transaction.Transaction | None = None

    async def begin(self) -> bool:
        """Begin one, unless one is open."""
        if self._open is not None:
            return False
        self._open = self.connection.transaction()
        await self._open.start()
        return True

    async def end(self, *, commits: bool) -> list[int]:
        """End it, and return what it has put and committed."""
        transaction, self._open = self._open, None
        put, self.put = self.put, []
        if transaction is None:
            return []
        if commits:
            await transaction.commit()
            return put
        await transaction.rollback()
        return []


@dataclass
class Play:
    """Writers, workers and one reader."""

    db: Database
    last: int
    writers: list[Transaction]
    workers: list[Transaction]
    committed: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    async def do(self, what: str, who: int, much: int) -> None:
        """Do one step."""
        match what:
            case "put":
                writer = self.writers[who]
                await writer.begin()
                marks = [next(_marks) for _ in range(much)]
                await outbox.put(
                    writer.connection, [happening("CS-1", mark=mark) for mark in marks]
                )
                writer.put += marks
            case "commit" | "roll back":
                self.committed += await self.writers[who].end(commits=what == "commit")
            case "number":
                worker = self.workers[who]
                if await worker.begin() and not await self._number(worker.connection, much):
                    await worker.end(commits=False)
            case "finish" | "die":
                await self.workers[who].end(commits=what == "finish")
            case "tell":
                for step in ("number", "finish", "read"):
                    await self.do(step, who, much)
            case _:
                await self.read(much)

    @staticmethod
    async def _number(connection: Connection, limit: int) -> bool:
        """Do as a worker does, up to its commit."""
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", numbering._LOCK):
            return False
        await connection.fetch(numbering._NUMBER, limit)
        return True

    async def read(self, limit: int) -> int:
        """Go on reading behind the last."""
        found = await events.read_events(self.db, after=self.last, limit=limit, filter=EVERY_EVENT)
        for event in found:
            assert event.number > self.last
            self.last = event.number
            self.seen.append(event.data["mark"])
        return len(found)

    async def end(self) -> None:
        """Have everybody finish, and read the rest."""
        for who in range(WRITERS):
            await self.do("commit", who, 0)
        for who in range(WORKERS):
            await self.do("finish", who, 0)
        while await numbering.number(self.db, limit=10) is not None:
            await self.read(3)
        while await self.read(10):
            pass


@asynccontextmanager
async def playing(db: Database, others: Database) -> AsyncIterator[Play]:
    async with AsyncExitStack() as opened:
        people = [
            Transaction(await opened.enter_async_context(others.acquire()))
            for _ in range(WRITERS + WORKERS)
        ]
        yield Play(db, await events.newest_number(db), people[:WRITERS], people[WRITERS:])


@pytest.fixture
async def others(make_settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(make_settings(database_pool_size=WRITERS + WORKERS)) as database:
        yield database


@pytest.mark.timeout(0)
@settings(max_examples=scaled(60, 2000), suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
async def test_a_reader_misses_no_event_and_reads_none_twice(
    db: Database, others: Database, steps: list[Step]
) -> None:
    async with playing(db, others) as play:
        for step in steps:
            await play.do(*step)
        await play.end()
        assert sorted(play.seen) == sorted(play.committed)
        newest = await events.newest_number(db)
        assert play.last == newest
        listed = await events.read_events(
            db, after=newest - len(play.seen), limit=1000, filter=EVERY_EVENT
        )
        assert [event.data["mark"] for event in listed] == play.seen
