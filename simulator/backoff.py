"""How long a station waits before it dials again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectPolicy:
    """Exponential back-off with jitter.

    OCPP-J 1.6 asks for an appropriate back-off (JE 3.4); 2.0.1 names the same three settings
    (part 4, 5.3: RetryBackOffWaitMinimum, RetryBackOffRandomRange, RetryBackOffRepeatTimes).

    Attributes:
        minimum_s: Wait after the first failure.
        maximum_s: Bound on any wait that the server did not ask for itself.
        factor: Growth from one failure to the next.
        jitter: Share of the wait that is random, 0 to 1; it keeps a fleet from returning at once.
    """

    minimum_s: float = 1.0
    maximum_s: float = 60.0
    factor: float = 2.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.minimum_s <= self.maximum_s:
            raise ValueError(
                "reconnect waits need 0 < minimum_s <= maximum_s, "
                f"got {self.minimum_s} and {self.maximum_s}"
            )
        if self.factor < 1:
            raise ValueError(f"the reconnect factor must be at least 1, got {self.factor}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"the reconnect jitter must lie between 0 and 1, got {self.jitter}")


class Backoff:
    """The state of one station's attempts."""

    __slots__ = ("_failures", "_policy", "_rng")

    def __init__(self, policy: ReconnectPolicy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def next_wait_s(self, retry_after_s: float | None = None) -> float:
        """Count one more failure and say how long to wait.

        Args:
            retry_after_s: What the server asked for (RFC 9110, 10.2.3), never undercut.

        Returns:
            Seconds until the next attempt.
        """
        policy = self._policy
        # The exponent is bounded: after a night offline 2.0 ** 5000 would overflow.
        wait_s = min(policy.maximum_s, policy.minimum_s * policy.factor ** min(self._failures, 32))
        self._failures += 1
        wait_s *= 1 - policy.jitter * self._rng.random()
        if retry_after_s is None:
            return wait_s
        # Those told the same Retry-After must not all come back in the same second.
        return retry_after_s + policy.jitter * self._rng.random() * policy.minimum_s

    def reset(self) -> None:
        """Start over: the server has shown that it works."""
        self._failures = 0
