"""One lane of group commit: batches of facts, one after the other, on a connection of its own."""

import asyncio
import itertools
from collections.abc import Callable, Sequence

from gateway.errors import StoreAwayError
from gateway.ingest.sifting import Sifter
from gateway.patience import Patience
from gateway.settings import GatewaySettings
from shared.batching import Batcher, Later
from shared.store import facts as store
from shared.store.facts import Fact
from shared.store.judgement import Judgement, judge
from shared.store.pool import KeptConnection, Pool
from shared.telemetry import metrics

_RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8)
# What nobody knows may be the end of a connection; a second one must be looked at fact by fact.
_UNCLEAR_RETRIES = 1


class Lane:
    """Commits facts in groups.

    Args:
        db: the pool.
        settings: batch size and how long answers are held while Postgres is away.
        max_weight: the heaviest batch of several facts, by `gateway.ingest.weighing`.
        sifter: writes what cannot be written with all others.
        is_available: whether facts can be committed, as far as is known.
        on_away: told of facts that Postgres was away for, for as long as they could be held.
    """

    def __init__(
        self,
        db: Pool,
        settings: GatewaySettings,
        *,
        max_weight: int,
        sifter: Sifter,
        is_available: Callable[[], bool],
        on_away: Callable[[Sequence[Fact], Exception], None],
    ) -> None:
        self._connection = KeptConnection(db)
        self._quotas = settings.row_quotas
        self._hold_s = settings.ingest_hold_s
        self._sifter = sifter
        self._is_available = is_available
        self._on_away = on_away
        self._batcher: Batcher[Fact, str | None] = Batcher(
            self._flush, max_items=settings.ingest_max_batch, max_weight=max_weight
        )
        self.submit = self._batcher.submit
        """Queue a fact with its weight; the future is done once it is committed."""
        self.drain = self._batcher.drain
        """Wait until everything submitted has been committed, given up, or left to the sifter."""

    async def run(self) -> None:
        """Commit until cancelled."""
        try:
            await self._batcher.run()
        finally:
            await self._connection.give_back()

    async def _flush(self, facts: Sequence[Fact]) -> "list[str | None] | Later[str | None]":
        metrics.ingest_flush_facts.observe(len(facts))
        with metrics.ingest_flush_seconds.time(), Patience(self._hold_s) as patience:
            return await self._write(facts, patience)

    async def _write(
        self, facts: Sequence[Fact], patience: Patience
    ) -> "list[str | None] | Later[str | None]":
        """Try until Postgres is there, but not longer than answers may be held.

        A Postgres that hangs counts like one that is gone: the write itself is given up as well.
        Only Postgres' own word is about the facts, and a lock is no outage: these are written
        apart, while the next ones are committed.
        """
        unclear = 0
        for attempt in itertools.count():
            if not self._is_available():
                raise StoreAwayError
            try:
                async with patience.limit():
                    return await store.write(self._connection, facts, quotas=self._quotas)
            except Exception as error:
                judgement = judge(error)
                unclear += judgement is Judgement.UNCLEAR
                known = judgement in {Judgement.REFUSED, Judgement.LOCKED}
                if known or unclear > _UNCLEAR_RETRIES:
                    return Later(self._sifter.add(facts, error, within_s=patience.left_s))
                if patience.is_over:
                    self._on_away(facts, error)
                    raise StoreAwayError from error
            if judgement is Judgement.AWAY:
                await asyncio.sleep(_RETRY_DELAYS_S[min(attempt, len(_RETRY_DELAYS_S) - 1)])
        raise AssertionError("unreachable: the loop above does not end by itself")
