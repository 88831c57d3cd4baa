"""Group commit as such: batches, answers, failures, and a clean end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from shared.batching import Batcher


@asynccontextmanager
async def running(batcher: Batcher[Any, Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(batcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Server:
    """Doubles what it gets, and keeps what it got; it answers when `go` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def flush(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        await self.go.wait()
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


async def test_a_single_item_is_flushed_at_once() -> None:
    server = Server()
    batcher = Batcher(server.flush)
    async with running(batcher):
        assert await batcher.submit(1) == 2
    assert server.batches == [[1]]


async def test_what_comes_during_a_flush_goes_together_into_the_next() -> None:
    server = Server()
    server.go.clear()
    batcher = Batcher(server.flush)
    async with running(batcher):
        first = batcher.submit(1)
        await asyncio.sleep(0.01)
        rest = [batcher.submit(item) for item in (2, 3, 4)]
        assert len(batcher) == 3
        server.go.set()
        assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]
    assert server.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_largest_size() -> None:
    server = Server()
    batcher = Batcher(server.flush, max_items=2)
    async with running(batcher):
        assert await asyncio.gather(*map(batcher.submit, range(5))) == [0, 2, 4, 6, 8]
    assert server.batches == [[0, 1], [2, 3], [4]]


async def test_a_batch_has_a_largest_weight_and_what_is_heavier_goes_alone() -> None:
    server = Server()
    batcher = Batcher(server.flush, max_items=4, max_weight=10)
    async with running(batcher):
        weights = [1, 9, 1, 30, 2, 2, 2, 2, 2]
        waits = [batcher.submit(number, weight) for number, weight in enumerate(weights)]
        assert await asyncio.gather(*waits) == [2 * number for number in range(9)]
    assert server.batches == [[0, 1], [2], [3], [4, 5, 6, 7], [8]]


async def test_a_failure_reaches_every_waiter_of_its_batch_and_nobody_else() -> None:
    server = Server()
    batcher = Batcher(server.flush)
    async with running(batcher):
        failed = await asyncio.gather(batcher.submit(13), batcher.submit(1), return_exceptions=True)
        assert all(isinstance(error, ValueError) for error in failed)
        assert await batcher.submit(2) == 4


async def test_a_waiter_that_gives_up_takes_nothing_back_and_harms_nobody() -> None:
    server = Server()
    server.go.clear()
    batcher = Batcher(server.flush)
    async with running(batcher):
        impatient, patient = batcher.submit(1), batcher.submit(2)
        await asyncio.sleep(0.01)
        impatient.cancel()
        server.go.set()
        assert await patient == 4
    assert server.batches == [[1, 2]]


async def test_drain_waits_for_everything_submitted() -> None:
    server = Server()
    batcher = Batcher(server.flush, max_items=1)
    async with running(batcher):
        futures = [batcher.submit(item) for item in range(3)]
        await batcher.drain()
        assert all(future.done() for future in futures)


async def test_who_waits_when_it_ends_is_cancelled() -> None:
    server = Server()
    server.go.clear()
    batcher = Batcher(server.flush, max_items=1)
    async with running(batcher):
        futures = [batcher.submit(item) for item in range(2)]
        await asyncio.sleep(0.01)
    assert all(future.cancelled() for future in futures)


async def test_who_comes_after_its_end_does_not_wait_for_ever() -> None:
    batcher = Batcher(Server().flush)
    async with running(batcher):
        await asyncio.sleep(0)
    assert batcher.submit(1).cancelled()
