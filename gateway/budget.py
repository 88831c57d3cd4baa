"""What one station may send, and what that may cost: in frames, in bytes and in time."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

# Messages below both are counted as frames alone: at the default of 100 in a second they come to
# what a station may send, and to what it may cost, by default.
FEW_BYTES = 1280
SHORT_S = 0.0005


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of something is taken: a token bucket.

    `per_s` are taken in a second in the long run, `burst` at once after a calm.
    """

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken from a connection.

    Frames of any kind, bytes of messages that are not short, and seconds of a processor for those
    that are not cheap.
    """

    frames: Rate
    message_bytes: Rate
    processor_s: Rate


class Spent:
    """What a connection has spent of its bytes and of the processor's time.

    Args:
        limits: what it may.
        clock: seconds that only grow.
    """

    __slots__ = ("_bytes_full_at_s", "_clock", "_limits", "_processor_full_at_s")

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = perf_counter) -> None:
        self._limits = limits
        self._clock = clock
        # When each bucket is full again, by the clock; it is empty while that is more than a burst
        # away.
        self._bytes_full_at_s = 0.0
        self._processor_full_at_s = 0.0

    def add(self, size_bytes: int, took_s: float) -> None:
        """Count a message that was long, or took long."""
        limits, now_s = self._limits, self._clock()
        self._processor_full_at_s = (
            max(self._processor_full_at_s, now_s) + took_s / limits.processor_s.per_s
        )
        self._bytes_full_at_s = (
            max(self._bytes_full_at_s, now_s) + size_bytes / limits.message_bytes.per_s
        )

    def may_send_at_s(self) -> float:
        """Return when neither bucket is empty any more, by the clock."""
        return max(
            full_at_s - rate.burst / rate.per_s
            for full_at_s, rate in (
                (self._bytes_full_at_s, self._limits.message_bytes),
                (self._processor_full_at_s, self._limits.processor_s),
            )
        )
