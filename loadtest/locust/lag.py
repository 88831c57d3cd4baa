"""How late the generator itself is.

A generator that is short of processor time reads answers late and reports latencies that nobody
but itself has caused. So one timer measures nothing but its own lateness.
"""

import threading
import time
from collections.abc import Callable

INTERVAL_S = 0.05


class LagMeter:
    """A timer that ought to fire at fixed times.

    Times that passed during a stall are told too, each with its own lateness; otherwise a stall of
    two seconds would count as one late firing out of hundreds on time.

    Args:
        report: Told of each firing, with its lateness in seconds.
        interval_s: Between firings.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        report: Callable[[float], None],
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._interval_s = interval_s
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Measure until told to stop."""
        due = self._clock() + self._interval_s
        while not stop.wait(max(0.0, due - self._clock())):
            due = self.fire(due)

    def fire(self, due: float) -> float:
        """Report every time from `due` on that has passed.

        Returns:
            The next time the timer is due.
        """
        now = self._clock()
        while due <= now:
            self._report(now - due)
            due += self._interval_s
        return due
