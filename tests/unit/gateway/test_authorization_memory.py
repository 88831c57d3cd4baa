"""What a pod remembers of tokens: bounded, for a while, and never what changed meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.authorization.lookup import Found, Lookup
from gateway.authorization.memory import Memory
from gateway.errors import StoreAwayError
from shared.domain.access.decisions import DecisionSource


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_value_is_remembered_for_a_while() -> None:
    clock = Clock()
    memory: Memory[str] = Memory(max_items=2, ttl_s=10, clock=clock)
    memory.keep("a", "A")
    clock.now_s = 9.9
    assert memory.find("a") == ("A",)
    clock.now_s = 10
    assert memory.find("a") is None
    assert memory.find_stale("a") == ("A",)


def test_what_was_not_asked_for_is_forgotten_first() -> None:
    memory: Memory[str] = Memory(max_items=2, ttl_s=10)
    memory.keep("a", "A")
    memory.keep("b", "B")
    assert memory.find("a") == ("A",)
    memory.keep("c", "C")
    assert len(memory) == 2
    assert memory.find("b") is None
    assert memory.find("a") == ("A",)


def test_that_nobody_has_a_token_can_be_remembered() -> None:
    memory: Memory[None] = Memory(max_items=2, ttl_s=10)
    memory.keep("a", None)
    assert memory.find("a") == (None,)
    memory.forget("a")
    assert memory.find("a") is None


class Database:
    """What is read, how often, and whether it can be read at all."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.value = "old"
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False

    async def read(self, keys: list[str]) -> Sequence[Found[str]]:
        self.reads.append(keys)
        value = self.value
        await self.gate.wait()
        if self.away:
            raise ConnectionRefusedError
        return [Found(value, DecisionSource.DATABASE)] * len(keys)


@asynccontextmanager
async def looking_up(
    database: Database, *, ttl_s: float = 60, hold_s: float = 0.2
) -> AsyncIterator[Lookup[str]]:
    lookup: Lookup[str] = Lookup("test", database.read, max_items=9, ttl_s=ttl_s, hold_s=hold_s)
    running = asyncio.create_task(lookup.run())
    try:
        yield lookup
    finally:
        running.cancel()


async def test_what_is_remembered_is_not_read_again() -> None:
    database = Database()
    async with looking_up(database) as lookup:
        assert [await lookup.get("a") for _ in range(3)] == [
            ("old", DecisionSource.DATABASE),
            ("old", DecisionSource.MEMORY),
            ("old", DecisionSource.MEMORY),
        ]
    assert database.reads == [["a"]]


async def test_a_change_is_seen_at_once() -> None:
    database = Database()
    async with looking_up(database) as lookup:
        await lookup.get("a")
        database.value = "new"
        lookup.forget("a")
        assert (await lookup.get("a")).value == "new"


async def test_what_was_read_before_a_change_is_not_remembered_after_it() -> None:
    database = Database()
    database.gate.clear()
    async with looking_up(database) as lookup:
        reading = asyncio.create_task(lookup.get("a"))
        while not database.reads:  # noqa: ASYNC110 - the read has begun when it says so
            await asyncio.sleep(0)
        database.value = "new"
        lookup.forget("a")
        database.gate.set()
        assert (await reading).value == "old"
        assert (await lookup.get("a")).value == "new"


async def test_while_the_database_is_away_what_is_known_counts_however_old() -> None:
    database = Database()
    async with looking_up(database, ttl_s=0) as lookup:
        await lookup.get("a")
        database.away = True
        assert await lookup.get("a") == ("old", DecisionSource.STALE_MEMORY)


async def test_without_database_and_memory_nobody_is_answered() -> None:
    database = Database()
    database.away = True
    async with looking_up(database) as lookup:
        with pytest.raises(StoreAwayError):
            await lookup.get("a")
    assert len(database.reads) > 1  # it was tried for a while


async def test_a_database_that_comes_back_in_time_answers() -> None:
    database = Database()
    database.away = True
    async with looking_up(database, hold_s=5) as lookup:
        reading = asyncio.create_task(lookup.get("a"))
        while not database.reads:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        database.away = False
        assert (await reading).value == "old"
