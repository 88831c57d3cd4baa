"""What takes long is done in steps, with a turn of the event loop for all others between."""

from collections.abc import Generator
from contextvars import Context
from time import perf_counter
from typing import TypeAlias, TypeVar

Result = TypeVar("Result")
Steps: TypeAlias = Generator[None, None, Result]
"""Yields where others may have their turn."""

# Beside what one step takes. An answer that is committed waits for some round trips, and may meet
# others' steps at each of them.
_TURN_S = 0.002


def finish(steps: Steps[Result]) -> Result:
    """Take all steps at once, and return what they end in."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class Unfinished:
    """A message that has been handed over and is not handled to its end.

    Args:
        steps: what is left to do.
        context: in which it is done.
        size_bytes: how long the message is.
        took_s: what it has taken so far.
    """

    __slots__ = ("_context", "_steps", "size_bytes", "took_s")

    def __init__(
        self, steps: Steps[None], context: Context, *, size_bytes: int, took_s: float
    ) -> None:
        self._steps = steps
        self._context = context
        self.size_bytes = size_bytes
        self.took_s = took_s

    def go_on(self) -> bool:
        """Take some steps, and return whether they were the last."""
        began_s = now_s = perf_counter()
        try:
            while now_s - began_s < _TURN_S:
                self._context.run(next, self._steps)
                now_s = perf_counter()
        except StopIteration:
            now_s = perf_counter()
            return True
        finally:
            self.took_s += now_s - began_s
        return False
