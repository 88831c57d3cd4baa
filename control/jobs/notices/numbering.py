"""Numbers events, and says that there are new ones."""

import asyncio

import structlog

from shared.bus.event_words import EventWords
from shared.domain.errors import UnavailableError
from shared.store.notices import numbering
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()

_COUNTED = 10_000
# A Redis that hangs must not hold up what comes next: who follows events finds them by themselves.
_WORD_TIMEOUT_S = 0.5


class EventNumberer:
    """Numbers what waits; several workers may try, and one at a time does it.

    Args:
        db: the pool.
        words: where the newest number is said.
        batch: how many events get their numbers in one transaction.
    """

    def __init__(self, db: Database, words: EventWords, *, batch: int) -> None:
        self._db = db
        self._words = words
        self._batch = batch
        self._is_heard = True

    async def run(self) -> int:
        """Number what waits, in batches until nothing is left; return how many."""
        waiting = await numbering.look(self._db, up_to=_COUNTED)
        metrics.events_waiting.set(waiting.count)
        metrics.events_waiting_seconds.set(waiting.age_s)
        count = 0
        left = waiting.count
        while left:
            numbered = await numbering.number(self._db, limit=self._batch)
            if numbered is None:
                break
            done = sum(numbered.counts.values())
            for type_, each in numbered.counts.items():
                metrics.events_numbered.labels(type_).inc(each)
            metrics.event_numbering_lag_seconds.observe(numbered.lag_s)
            await self._announce(numbered.newest)
            count += done
            left = done == self._batch
        return count

    async def _announce(self, number: int) -> None:
        try:
            async with asyncio.timeout(_WORD_TIMEOUT_S):
                await self._words.announce(number)
        except (UnavailableError, TimeoutError) as error:
            metrics.event_words_lost.inc()
            if self._is_heard:
                log.warning(
                    "new events are found later, as Redis does not tell of them", error=str(error)
                )
            self._is_heard = False
        else:
            self._is_heard = True
