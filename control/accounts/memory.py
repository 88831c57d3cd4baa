"""A small memory of credentials that were looked up lately, by their digests."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.batching import Batcher

Found = TypeVar("Found")


class CredentialMemory(Generic[Found]):
    """Spares a look-up in Postgres for each request, for a short time.

    What changes in Postgres is known to every process after that time, without a word between
    them that could be lost. Look-ups at the same time are one statement, so that who guesses costs
    a row of it; what was not found is remembered as well, apart, so that guesses push out nobody.

    Args:
        look_up: finds the credential of each digest, in order.
        keep_s: for how long something is remembered.
        max_found: how many credentials are remembered.
        max_unknown: and how many digests of which there is none.
    """

    def __init__(
        self,
        look_up: Callable[[list[bytes]], Awaitable[Sequence[Found | None]]],
        *,
        keep_s: float,
        max_found: int,
        max_unknown: int = 1000,
    ) -> None:
        self._keep_s = keep_s
        self._found: OrderedDict[bytes, tuple[float, Found]] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._max_found = max_found
        self._max_unknown = max_unknown
        self._forgotten = 0
        self._batcher: Batcher[bytes, Found | None] = Batcher(look_up)

    async def run(self) -> None:
        """Look up until cancelled."""
        await self._batcher.run()

    async def find(self, digest: bytes) -> Found | None:
        """Return the credential of a digest, as it was at most `keep_s` ago.

        Raises:
            Exception: as the look-up does, as when Postgres is away.
        """
        now = time.monotonic()
        known = self._found.get(digest)
        if known is not None and known[0] > now:
            return known[1]
        if self._unknown.get(digest, 0.0) > now:
            return None
        forgotten = self._forgotten
        found = await self._batcher.submit(digest)
        if forgotten != self._forgotten:
            return found  # read before what is forgotten has changed, perhaps
        if found is None:
            self._found.pop(digest, None)
            _remember(self._unknown, digest, now + self._keep_s, self._max_unknown)
        else:
            _remember(self._found, digest, (now + self._keep_s, found), self._max_found)
        return found

    def forget(self, whom: Callable[[Found], bool]) -> None:
        """Look up anew at once, in this process, what has changed.

        What is being looked up now counts for whoever waits for it, and is not remembered.
        """
        self._forgotten += 1
        for digest in [digest for digest, (_, found) in self._found.items() if whom(found)]:
            del self._found[digest]


Value = TypeVar("Value")


def _remember(
    memory: OrderedDict[bytes, Value], digest: bytes, value: Value, max_size: int
) -> None:
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > max_size:
        memory.popitem(last=False)
