"""What has happened to one station, and a way to wait for what is to happen."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias

from simulator.errors import UnexpectedSilence
from simulator.events import Event

Match: TypeAlias = Callable[[Event], bool]

_SHOWN_ON_SILENCE = 5


class EventLog:
    """The latest events, numbered from 0 since power-on.

    Args:
        keep: How many are kept; older ones are forgotten.
    """

    def __init__(self, keep: int) -> None:
        self._events: deque[Event] = deque(maxlen=keep)
        self._count = 0
        self._waiters: dict[asyncio.Future[tuple[int, Event]], Match] = {}
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._events))

    @property
    def count(self) -> int:
        """How many events there have been; the number the next one will have."""
        return self._count

    def append(self, event: Event) -> None:
        """Add an event and wake whoever waits for it."""
        number = self._count
        self._count += 1
        self._events.append(event)
        for future, match in list(self._waiters.items()):
            if not future.done() and match(event):
                future.set_result((number, event))

    def fail(self, failure: Exception) -> None:
        """Tell everybody who waits that nothing more will happen, and why."""
        self._failure = failure
        for future in list(self._waiters):
            if not future.done():
                future.set_exception(failure)

    async def wait(self, match: Match, *, since: int, timeout_s: float) -> tuple[int, Event]:
        """Return the first matching event and its number.

        Args:
            match: Tells whether an event is the one.
            since: Number of the first event that counts; it may have happened already.
            timeout_s: How long to wait.

        Raises:
            UnexpectedSilence: Nothing matched in time.
        """
        oldest = self._count - len(self._events)
        for number, event in enumerate(self._events, start=oldest):
            if number >= since and match(event):
                return number, event
        if self._failure is not None:
            raise self._failure
        future: asyncio.Future[tuple[int, Event]] = asyncio.get_running_loop().create_future()
        self._waiters[future] = match
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            latest = list(self._events)[-_SHOWN_ON_SILENCE:]
            raise UnexpectedSilence(
                f"nothing of what was waited for happened within {timeout_s:g} s; "
                f"the latest events were {latest}"
            ) from None
        finally:
            del self._waiters[future]
