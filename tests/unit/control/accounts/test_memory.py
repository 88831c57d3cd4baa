"""What is remembered of credentials is bounded, short-lived, and asked for in batches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from control.accounts.memory import CredentialMemory


class Lookups:
    """Knows digests that begin with k, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []

    async def __call__(self, digests: list[bytes]) -> list[str | None]:
        self.asked.append(digests)
        await asyncio.sleep(0)
        return [each.decode() if each.startswith(b"k") else None for each in digests]


@asynccontextmanager
async def remembering(
    lookups: Lookups, *, keep_s: float = 60, max_found: int = 10, max_unknown: int = 10
) -> AsyncIterator[CredentialMemory[str]]:
    memory = CredentialMemory(lookups, keep_s=keep_s, max_found=max_found, max_unknown=max_unknown)
    running = asyncio.create_task(memory.run())
    try:
        yield memory
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_what_was_found_is_not_looked_up_again() -> None:
    lookups = Lookups()
    async with remembering(lookups) as memory:
        assert [await memory.find(b"k1"), await memory.find(b"k1")] == ["k1", "k1"]
        assert [await memory.find(b"x"), await memory.find(b"x")] == [None, None]
    assert lookups.asked == [[b"k1"], [b"x"]]


async def test_it_is_looked_up_again_after_its_time() -> None:
    lookups = Lookups()
    async with remembering(lookups, keep_s=0.0) as memory:
        await memory.find(b"k1")
        await memory.find(b"k1")
        await memory.find(b"x")
        await memory.find(b"x")
    assert lookups.asked == [[b"k1"], [b"k1"], [b"x"], [b"x"]]


async def test_guesses_are_looked_up_together_and_push_out_nobody() -> None:
    lookups = Lookups()
    async with remembering(lookups, max_found=2, max_unknown=3) as memory:
        await memory.find(b"k1")
        guesses = [str(n).encode() for n in range(100)]
        await asyncio.gather(*map(memory.find, guesses))
        assert len(lookups.asked) <= 3
        await memory.find(b"k1")
        assert lookups.asked[-1] != [b"k1"]
        assert len(memory._unknown) == 3


async def test_no_more_are_remembered_than_may_be() -> None:
    lookups = Lookups()
    async with remembering(lookups, max_found=2) as memory:
        for each in (b"k1", b"k2", b"k3"):
            await memory.find(each)
        assert list(memory._found) == [b"k2", b"k3"]


async def test_what_is_forgotten_is_looked_up_anew() -> None:
    lookups = Lookups()
    async with remembering(lookups) as memory:
        await memory.find(b"k1")
        await memory.find(b"k2")
        memory.forget(lambda found: found == "k1")
        await memory.find(b"k1")
        await memory.find(b"k2")
    assert lookups.asked == [[b"k1"], [b"k2"], [b"k1"]]


async def test_what_was_read_before_it_changed_is_not_remembered() -> None:
    lookups = Lookups()
    async with remembering(lookups) as memory:
        reading = asyncio.create_task(memory.find(b"k1"))
        while not lookups.asked:  # noqa: ASYNC110 - it is asked in the next turns of the loop
            await asyncio.sleep(0)
        memory.forget(lambda _: False)  # nothing is remembered yet that could be forgotten
        assert await reading == "k1"
        await memory.find(b"k1")
    assert lookups.asked == [[b"k1"], [b"k1"]]


async def test_use_does_not_put_off_that_it_is_looked_up_again() -> None:
    lookups = Lookups()
    async with remembering(lookups, keep_s=0.2) as memory:
        async with asyncio.timeout(10):
            while len(lookups.asked) < 2:
                await memory.find(b"k1")
                await asyncio.sleep(0.01)


async def test_a_look_up_that_fails_is_told_and_not_remembered() -> None:
    failing = [True]
    lookups = Lookups()

    async def look_up(digests: list[bytes]) -> list[str | None]:
        if failing:
            failing.clear()
            raise OSError("away")
        return await lookups(digests)

    memory = CredentialMemory(look_up, keep_s=60, max_found=1)
    running = asyncio.create_task(memory.run())
    with pytest.raises(OSError, match="away"):
        await memory.find(b"k1")
    assert await memory.find(b"k1") == "k1"
    running.cancel()
