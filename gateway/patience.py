"""Time-outs in which only the time counts for which the event loop ran.

A loop that stood still, in somebody's long turn or with its whole process, has read no answer
meanwhile: that says nothing of the server that it waits for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

# So much of the time a loop that stands still may cost at most.
_TICKS = 8
# A loop that is busy runs a timer so late at most; what came meanwhile has been read by then.
_LATE_S = 0.03


class Patience:
    """How long somebody still waits; counts while it is entered.

    Time is counted in ticks. One that comes late counts as one, and not at all if the one before
    came in time: what came meanwhile is read before the next.

    Args:
        seconds: how long.
    """

    __slots__ = ("_handle", "_limit", "_loop", "_tick_s", "_ticks_left", "_was_late")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick_s = seconds / _TICKS
        self._ticks_left = _TICKS
        self._was_late = False
        self._handle: asyncio.TimerHandle | None = None
        self._limit: asyncio.Timeout | None = None

    def __enter__(self) -> Self:
        self._go_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()

    @property
    def is_over(self) -> bool:
        """Whether all of the time is over."""
        return self._ticks_left <= 0

    @property
    def left_s(self) -> float:
        """How much of the time is left."""
        return self._ticks_left * self._tick_s

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raise a TimeoutError in what runs within when the time is over; one use at a time."""
        async with asyncio.timeout(0 if self.is_over else None) as limit:
            self._limit = limit
            try:
                yield
            finally:
                self._limit = None

    def _go_on(self) -> None:
        due_s = self._loop.time() + self._tick_s
        self._handle = self._loop.call_at(due_s, self._tick, due_s)

    def _tick(self, due_s: float) -> None:
        now_s = self._loop.time()
        late = now_s - due_s > _LATE_S
        if not late or self._was_late:
            self._ticks_left -= 1
        self._was_late = late
        if not self.is_over:
            self._go_on()
        elif self._limit is not None:
            self._limit.reschedule(now_s)


@asynccontextmanager
async def patient_timeout(seconds: float) -> AsyncIterator[None]:
    """Raise a TimeoutError in what runs within for longer, as `asyncio.timeout` does."""
    with Patience(seconds) as patience:
        async with patience.limit():
            yield
