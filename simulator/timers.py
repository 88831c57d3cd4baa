"""Deadlines of one station, kept as plain numbers so that whoever drives it owns the clock."""

from collections.abc import Callable, Hashable


class Timers:
    """Named one-shot deadlines.

    A name holds one deadline at a time: setting it again moves it. Times are seconds since the
    Unix epoch, as everywhere in the simulator's core.
    """

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def set(self, name: Hashable, at: float, action: Callable[[], None]) -> None:
        """Run `action` once the time `at` has come; replaces the deadline of the same name."""
        self._due[name] = (at, action)

    def cancel(self, name: Hashable) -> None:
        """Forget a deadline; unknown names are ignored."""
        self._due.pop(name, None)

    def clear(self) -> None:
        """Forget every deadline, as losing power does."""
        self._due.clear()

    @property
    def next_at(self) -> float | None:
        """The earliest deadline, or None when nothing is due ever."""
        return min((at for at, _ in self._due.values()), default=None)

    def run_due(self, now: float) -> None:
        """Run everything due at `now`, earliest first, including what these actions add.

        Args:
            now: Seconds since the Unix epoch.
        """
        while self._due:
            name = min(self._due, key=lambda each: self._due[each][0])
            at, action = self._due[name]
            if at > now:
                return
            del self._due[name]
            action()
