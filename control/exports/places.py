"""How many exports may run at once: so many of a process, and fewer of one who asks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from control import problems
from control.errors import ProblemError
from shared.domain.accounts.principals import Principal
from shared.domain.error_codes import LimitCode
from shared.domain.errors import UnavailableError
from shared.telemetry import metrics


class ExportPlaces:
    """Counts the exports that run in this process.

    Args:
        most: at the same time.
        most_of_one: of these for one principal.
    """

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._running: Counter[tuple[str, str]] = Counter()

    @property
    def running(self) -> int:
        """How many run now."""
        return self._running.total()

    @contextmanager
    def taken_by(self, principal: Principal) -> Iterator[None]:
        """Hold a place for as long as the context lasts.

        Raises:
            ProblemError: as many of this principal run as may.
            UnavailableError: as many run in this process as may.
        """
        who = (principal.kind, principal.principal_id)
        if self._running[who] >= self._most_of_one:
            raise ProblemError(
                problems.RATE_LIMITED,
                f"{self._most_of_one} exports of {principal.name!r} are running, as many as may: "
                "wait until one of them ends",
                code=LimitCode.EXPORTS,
                headers={"Retry-After": str(problems.RETRY_AFTER_S)},
            )
        if self.running >= self._most:
            raise UnavailableError(
                f"{self._most} exports are running in this process, as many as it has room for: "
                "try again in a minute"
            )
        self._running[who] += 1
        metrics.exports_running.inc()
        try:
            yield
        finally:
            metrics.exports_running.dec()
            self._running[who] -= 1
            if not self._running[who]:
                del self._running[who]
