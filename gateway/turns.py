"""Lets what may take long happen one by one, with a turn of the event loop for all others between.

Several stations may each send what takes some tens of milliseconds, and one may send many of it in
one piece. Whoever waits for an answer meanwhile waits for one of them, and not for all.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """A queue whose head is called once per turn of the event loop.

    Who waits in it is bounded by who joins: a connection waits once.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def join(self, take: Callable[[], None]) -> None:
        """Have `take` called in a turn of its own, after those that wait already."""
        self._waiting.append(take)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        take = self._waiting[0]
        try:
            take()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._next)
