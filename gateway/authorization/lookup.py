"""Looking things up that are remembered in this process."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from gateway.authorization.memory import Memory
from gateway.errors import StoreAwayError
from gateway.patience import Patience
from shared.batching import Batcher
from shared.domain.access.decisions import DecisionSource
from shared.store.judgement import is_away, is_refused
from shared.telemetry import metrics

Value = TypeVar("Value")

_UNCLEAR_RETRIES = 3
_RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8)


async def hold(read: Callable[[], Awaitable[Value]], *, hold_s: float) -> Value:
    """Try `read` until Postgres is there, but not longer than an answer may be held.

    Raises:
        StoreAwayError: Postgres is away for longer.
        Exception: Postgres refuses the question, or nobody knows what is wrong and several tries
            have not helped.
    """
    with Patience(hold_s) as patience:
        for attempt in itertools.count():
            try:
                async with patience.limit():  # also of a Postgres that hangs
                    return await read()
            except Exception as error:
                if is_refused(error) or not (is_away(error) or attempt < _UNCLEAR_RETRIES):
                    raise
                delay_s = _RETRY_DELAYS_S[min(attempt, len(_RETRY_DELAYS_S) - 1)]
                if delay_s >= patience.left_s:
                    raise StoreAwayError from error
            await asyncio.sleep(delay_s)
    raise AssertionError("unreachable: the loop above does not end by itself")


class Found(NamedTuple, Generic[Value]):
    """What belongs to a key, and where that was found."""

    value: Value
    source: DecisionSource


class Lookup(Generic[Value]):
    """One kind of thing by key: from memory without any waiting, else read together with others.

    Args:
        kind: in metrics.
        read: reads many; one result per key, in the same order.
        max_items: how many are remembered.
        ttl_s: for how long.
        hold_s: how long to try while Postgres is away.
    """

    def __init__(
        self,
        kind: str,
        read: Callable[[list[str]], Awaitable[Sequence[Found[Value]]]],
        *,
        max_items: int,
        ttl_s: float,
        hold_s: float,
    ) -> None:
        self._memory: Memory[Value] = Memory(max_items=max_items, ttl_s=ttl_s)
        self._batcher: Batcher[str, Found[Value]] = Batcher(read)
        self._hold_s = hold_s
        self._changes = 0
        self._from_memory = metrics.authorization_lookups.labels(kind, "memory")
        self._stale = metrics.authorization_lookups.labels(kind, "stale")

    async def get(self, key: str) -> Found[Value]:
        """Return what belongs to a key.

        While Postgres is away this is what was known last, if anything was.

        Raises:
            StoreAwayError: Postgres is away, and nothing is remembered.
        """
        remembered = self._memory.find(key)
        if remembered is not None:
            self._from_memory.inc()
            return Found(remembered[0], DecisionSource.MEMORY)
        changes = self._changes
        found = await hold(lambda: self._read(key), hold_s=self._hold_s)
        # What changed while it was read may have been read before the change.
        if changes == self._changes:
            self._memory.keep(key, found.value)
        return found

    async def run(self) -> None:
        """Read until cancelled."""
        await self._batcher.run()

    def forget(self, key: str) -> None:
        """Forget what belongs to a key: it has changed."""
        self._changes += 1
        self._memory.forget(key)

    def forget_all(self) -> None:
        """Forget everything: much has changed, or it is not known what."""
        self._changes += 1
        self._memory.forget_all()

    async def _read(self, key: str) -> Found[Value]:
        try:
            return await self._batcher.submit(key)
        except Exception as error:
            # It then counts as fresh again: while Postgres is away not every driver has to wait.
            known = self._memory.find_stale(key)
            if known is None or is_refused(error):
                raise
            self._stale.inc()
            return Found(known[0], DecisionSource.STALE_MEMORY)
