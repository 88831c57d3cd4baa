"""Keeps a pod silent that was stopped for a while, until it knows which stations are still its own.

A process does not notice that it was stopped (SIGSTOP, a machine that was paused or moved, memory
that was swapped out), and its lease may have run out meanwhile: its stations are with other pods
now. What comes first when it goes on are the messages that waited in its sockets, so that is where
it has to notice.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from shared.telemetry import metrics

log = structlog.get_logger()

_BEATS = 4


class Fence:
    """Whether this pod may speak for its stations at this moment.

    Args:
        pause_s: the event loop may stand still for so long. A third of the lease: it is renewed
            that often, so that one that was renewed in time outlives a shorter pause.
        clock: seconds that only grow, also while the process is stopped.
    """

    __slots__ = ("_clock", "_opened", "_pause_s", "passable_until_s", "suspected")

    def __init__(self, *, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s = pause_s
        self.passable_until_s = clock() + pause_s
        """Until then, by the clock, nothing has to be asked. Per message this is all that is
        looked at."""
        self.suspected = asyncio.Event()
        """Set while somebody has to find out which stations are still ours."""
        self._opened = asyncio.Event()
        self._opened.set()

    def is_closed(self) -> bool:
        """Return whether nothing may be said to any station now."""
        now = self._clock()
        if now > self.passable_until_s and self._opened.is_set():
            log.warning(
                "this process stood still: it says nothing until it knows which stations are its "
                "own",
                stood_still_s=round(now - self.passable_until_s + self._pause_s, 1),
            )
            metrics.stalls.inc()
            self._opened.clear()
            self.passable_until_s = 0.0
            self.suspected.set()
        return not self._opened.is_set()

    def open(self) -> None:
        """Let everything pass again: what is not ours any more has been given up."""
        self.suspected.clear()
        self.passable_until_s = self._clock() + self._pause_s
        self._opened.set()

    async def wait_until_open(self) -> None:
        """Wait until something may be said again."""
        await self._opened.wait()

    async def run(self) -> None:
        """Feel the event loop's pulse until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s / _BEATS)
            if not self.is_closed():
                self.passable_until_s = self._clock() + self._pause_s
