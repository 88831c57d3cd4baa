"""Group commit, for whatever many coroutines want from one server at the same time.

While one flush is in flight, items pile up; the next flush takes all of them. A small load sees the
latency of one round trip, a big one gets big batches, and nothing waits for a timer.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from math import inf
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Later(list[asyncio.Future[Result]]):
    """Results of a batch that are still to come, so that the next batch need not wait for them."""


class Batcher(Generic[Item, Result]):
    """Hands items to `flush` in batches, and each result to who submitted its item.

    What is pending is bounded by who submits: a station has one message in work at a time, so a
    pod never holds more items than connections.

    Args:
        flush: takes a batch, returns one result per item in the same order, or `Later`. What it
            raises reaches every waiter of that batch.
        max_items: the largest batch.
        max_weight: the heaviest batch, unless one item alone is heavier.
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[Sequence[Result] | Later[Result]]],
        *,
        max_items: int = 1000,
        max_weight: float = inf,
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._max_weight = max_weight
        self._items: list[Item] = []
        self._weights: list[int] = []
        self._futures: list[asyncio.Future[Result]] = []
        self._ended = False
        self._wakeup = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        """Return how many items wait for the next flush."""
        return len(self._items)

    def submit(self, item: Item, weight: int = 1) -> asyncio.Future[Result]:
        """Queue `item` for the next flush; the future gets its result.

        Cancelling the future does not take the item back. It is cancelled already if `run` has
        ended.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if self._ended:
            future.cancel()
            return future
        self._items.append(item)
        self._weights.append(weight)
        self._futures.append(future)
        self._wakeup.set()
        self._idle.clear()
        return future

    async def run(self) -> None:
        """Flush until cancelled; whoever owns the batcher owns this task.

        Waiters left behind when it is cancelled are cancelled too. Use `drain` first to let them
        finish.
        """
        try:
            while True:
                await self._wakeup.wait()
                while self._items:
                    await self._flush_once()
                self._wakeup.clear()
                self._idle.set()
        finally:
            self._ended = True
            for future in self._futures:
                future.cancel()

    async def drain(self) -> None:
        """Wait until everything submitted so far, and since, has been flushed."""
        await self._idle.wait()

    def _count(self) -> int:
        """Return how many items the next batch has."""
        weights = self._weights[: self._max_items]
        if sum(weights) <= self._max_weight:
            return len(weights)
        return max(1, bisect_right(list(accumulate(weights)), self._max_weight))

    async def _flush_once(self) -> None:
        count = self._count()
        del self._weights[:count]
        items, self._items = self._items[:count], self._items[count:]
        futures, self._futures = self._futures[:count], self._futures[count:]
        try:
            results = await self._flush(items)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is handed to every waiter, not swallowed
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        else:
            _hand_out(results, futures)


def _hand_out(
    results: Sequence[Result] | Later[Result], futures: list[asyncio.Future[Result]]
) -> None:
    if isinstance(results, Later):
        for future, later in zip(futures, results, strict=True):
            _follow(future, later)
        return
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            future.set_result(result)


def _follow(future: asyncio.Future[Result], later: asyncio.Future[Result]) -> None:
    """Have `future` end as `later` does."""

    def end(ended: asyncio.Future[Result]) -> None:
        if future.done():
            return
        if ended.cancelled():
            future.cancel()
        elif (error := ended.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(ended.result())

    later.add_done_callback(end)
