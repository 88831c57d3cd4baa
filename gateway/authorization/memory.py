"""What a pod remembers in its own memory."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by key: the most recently used ones, each for a while.

    Args:
        max_items: with more, the one that was not asked for for the longest time is forgotten.
        ttl_s: how long a value counts as fresh.
        clock: seconds that only grow.
    """

    def __init__(
        self, *, max_items: int, ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_items = max_items
        self._ttl_s = ttl_s
        self._clock = clock
        self._items: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many values are remembered, fresh or not."""
        return len(self._items)

    def find(self, key: str) -> tuple[Value] | None:
        """Return a tuple of the value, or None if none is remembered that is fresh."""
        item = self._items.get(key)
        if item is None or item[0] <= self._clock():
            return None
        self._items.move_to_end(key)
        return (item[1],)

    def find_stale(self, key: str) -> tuple[Value] | None:
        """Return a tuple of the value however old it is, for when nobody knows better."""
        item = self._items.get(key)
        return None if item is None else (item[1],)

    def keep(self, key: str, value: Value) -> None:
        """Remember a value from now on."""
        self._items[key] = (self._clock() + self._ttl_s, value)
        self._items.move_to_end(key)
        if len(self._items) > self._max_items:
            self._items.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget a value, if it is remembered."""
        self._items.pop(key, None)

    def forget_all(self) -> None:
        """Forget every value."""
        self._items.clear()
