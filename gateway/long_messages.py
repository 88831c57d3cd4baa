"""How many long messages a pod has at once: while they come, and while they are worked on.

A message that tells of a transaction may have two megabytes (`gateway.lengths`), and ten times as
much when it is decoded. From every connection at once that would be more memory than a pod has, so
who begins a long one takes a place, and who finds none is not read from until there is one: what it
sends waits in the kernel and then at the station. Places are given in the order of asking.
"""

import asyncio
from collections.abc import Callable

from shared.telemetry import metrics

_COMPRESSED_SHARE = 16
"""Lists of samples are as many times shorter when they are compressed."""


class Places:
    """So many at once; who finds none is called when it has one.

    Args:
        count: how many.
        state: what metrics call who has one.
    """

    __slots__ = ("_free", "_taken", "_waiting", "_waiting_gauge")

    def __init__(self, count: int, state: str) -> None:
        self._free = count
        self._waiting: dict[Callable[[], None], None] = {}
        self._taken = metrics.long_messages.labels(state)
        self._waiting_gauge = metrics.long_messages_waiting.labels(state)

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for one."""
        return bool(self._waiting)

    def take(self, called: Callable[[], None]) -> bool:
        """Take a place, or have `called` called as soon as there is one, which it has then."""
        if self._free:
            self._free -= 1
            self._taken.inc()
            return True
        self._waiting[called] = None
        self._waiting_gauge.inc()
        return False

    def give_back(self) -> None:
        """Leave a place to who has waited for it the longest."""
        if not self._waiting:
            self._free += 1
            self._taken.dec()
            return
        called = next(iter(self._waiting))
        self.leave(called)
        called()

    def leave(self, called: Callable[[], None]) -> None:
        """Wait no longer."""
        if called in self._waiting:
            del self._waiting[called]
            self._waiting_gauge.dec()


class LongMessages:
    """The places of a pod.

    Args:
        long_bytes: what is longer is long.
        max_unfinished: messages that are coming at once.
        max_in_work: messages that have come and are not answered yet.
        timeout_s: for how long one may be coming while others wait.
    """

    def __init__(
        self, *, long_bytes: int, max_unfinished: int, max_in_work: int, timeout_s: float
    ) -> None:
        self.long_bytes = long_bytes
        self.long_compressed_bytes = long_bytes // _COMPRESSED_SHARE
        self.timeout_s = timeout_s
        self.unfinished = Places(max_unfinished, "unfinished")
        self.in_work = Places(max_in_work, "in_work")


class LongMessage:
    """The one long message of a connection, and the places that it has.

    Args:
        pod: the places of all.
        go_on: called when the one that was waited for is there.
        give_up: called if it does not come to its end while others wait.
    """

    __slots__ = ("_give_up", "_go_on", "_has", "_pod", "_timer", "_waits_for")

    def __init__(
        self, pod: LongMessages, *, go_on: Callable[[], None], give_up: Callable[[], None]
    ) -> None:
        self._pod = pod
        self._go_on = go_on
        self._give_up = give_up
        self._has: Places | None = None
        self._waits_for: Places | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether nothing is to be read until there is a place."""
        return self._waits_for is not None

    @property
    def is_in_work(self) -> bool:
        """Whether it has come, and has a place to be worked on."""
        return self._has is self._pod.in_work

    def begin(self) -> None:
        """Ask for a place to come to its end."""
        self._ask(self._pod.unfinished)

    def may_be_worked_on(self) -> bool:
        """Ask for a place to be worked on, now that it has come; False if there is none yet."""
        self._stop_timer()
        if not self.is_in_work and not self.waits:
            self._ask(self._pod.in_work)
        return self.is_in_work

    def end(self) -> None:
        """Give back what it has."""
        if self._waits_for is not None:
            self._waits_for.leave(self._called)
            self._waits_for = None
        self._move_to(None)

    def _ask(self, places: Places) -> None:
        if places.take(self._called):
            self._move_to(places)
        else:
            self._waits_for = places

    def _called(self) -> None:
        places, self._waits_for = self._waits_for, None
        self._move_to(places)
        self._go_on()

    def _move_to(self, places: Places | None) -> None:
        before, self._has = self._has, places
        self._stop_timer()
        if places is self._pod.unfinished:
            self._await_its_end()
        if before is not None:
            before.give_back()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _await_its_end(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._pod.timeout_s, self._look_who_waits)

    def _look_who_waits(self) -> None:
        self._timer = None
        if self._pod.unfinished.wanted:
            self._give_up()
        else:
            self._await_its_end()
