"""Facts of many stations, committed together; one that Postgres refuses is set aside alone."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from gateway.errors import StoreAwayError
from gateway.settings import GatewaySettings
from shared.batching import Batcher
from shared.store import facts as store
from shared.store.facts import Fact
from shared.store.judgement import is_away
from shared.store.pool import Database, KeptConnection
from shared.telemetry import metrics

log = structlog.get_logger()

Result = TypeVar("Result")

_RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_PROBE_INTERVAL_S = 0.5


class Ingest:
    """Takes facts, commits them in groups, and knows whether that works at present.

    Args:
        db: the pool.
        settings: batch size and how long answers are held while Postgres is away.
        on_away: called when answers have been held for that long; sockets are to be closed then.
    """

    def __init__(
        self, db: Database, settings: GatewaySettings, *, on_away: Callable[[], None]
    ) -> None:
        self._db = db
        self._connection = KeptConnection(db)
        self._hold_s = settings.ingest_hold_s
        self._on_away = on_away
        self._batcher: Batcher[Fact, str | None] = Batcher(
            self._flush, max_items=settings.ingest_max_batch
        )
        self._away = asyncio.Event()
        self._unwritten: Sequence[Fact] = ()
        metrics.ingest_available.set(1)

    @property
    def available(self) -> bool:
        """Whether facts can be committed, as far as is known."""
        return not self._away.is_set()

    def submit(self, fact: Fact) -> asyncio.Future[str | None]:
        """Queue a fact; the future is done once it is committed.

        Its result is what `shared.store.facts.write` gives for it. It raises `StoreAwayError` if
        nothing can be committed: the station must not be answered then.
        """
        return self._batcher.submit(fact)

    async def run(self) -> None:
        """Commit until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._batcher.run())
                tasks.create_task(self._probe())
        finally:
            await self._connection.give_back()

    async def drain(self) -> None:
        """Wait until everything submitted has been committed or given up."""
        await self._batcher.drain()

    async def _flush(self, facts: Sequence[Fact]) -> list[str | None]:
        metrics.ingest_flush_facts.observe(len(facts))
        with metrics.ingest_flush_seconds.time():
            return await self._write(facts)

    async def _write(self, facts: Sequence[Fact]) -> list[str | None]:
        try:
            return await self._hold(lambda: store.write(self._connection, facts))
        except StoreAwayError:
            self._unwritten = facts
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must stay with its row
            if len(facts) == 1:
                return [await self._set_aside(facts[0], error)]
        middle = len(facts) // 2
        return await self._write(facts[:middle]) + await self._write(facts[middle:])

    async def _set_aside(self, fact: Fact, error: Exception) -> str | None:
        kind = type(fact).__name__
        log.warning(
            "a fact was refused by Postgres and set aside",
            station_id=fact.station_id,
            kind=kind,
            error=str(error),
        )
        metrics.ingest_dead_letters.labels(kind).inc()
        try:
            return await self._hold(
                lambda: store.write_dead_letter(self._connection, fact, reason=str(error))
            )
        except StoreAwayError:
            raise
        except Exception as second_error:
            # Neither kept nor set aside: as long as it is not answered, the station keeps it.
            log.exception("a fact could not be set aside", station_id=fact.station_id, kind=kind)
            raise StoreAwayError from second_error

    async def _hold(self, write: Callable[[], Awaitable[Result]]) -> Result:
        """Try `write` until Postgres is there, but not longer than answers may be held.

        A Postgres that hangs counts like one that is gone: `write` itself is given up as well.
        """
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + self._hold_s
        for attempt in itertools.count():
            try:
                async with asyncio.timeout_at(give_up_at):
                    return await write()
            except Exception as error:
                if not is_away(error):
                    raise
                if clock() >= give_up_at or not self.available:
                    self._give_up(error)
                    raise StoreAwayError from error
            await asyncio.sleep(_RETRY_DELAYS_S[min(attempt, len(_RETRY_DELAYS_S) - 1)])
        raise AssertionError("unreachable: the loop above does not end by itself")

    def _give_up(self, error: Exception) -> None:
        if self.available:
            log.error(
                "Postgres is away: sockets are closed unanswered, so that stations keep their "
                "messages, and handshakes are refused until it is back",
                held_s=self._hold_s,
                error=repr(error),
            )
            self._away.set()
            metrics.ingest_available.set(0)
            self._on_away()

    async def _probe(self) -> None:
        """Find out when Postgres is back."""
        while True:
            await self._away.wait()
            while not await self._can_write():  # noqa: ASYNC110 - Postgres sets no Event
                await asyncio.sleep(_PROBE_INTERVAL_S)
            self._unwritten = ()
            self._away.clear()
            metrics.ingest_available.set(1)
            log.info("Postgres is back: stations are let in again")

    async def _can_write(self) -> bool:
        """Try what was given up last.

        A server with a full disk, or one that became a standby, answers every question and only
        refuses to write. The facts are genuine, and their stations tell them again all the same.
        """
        connection = KeptConnection(self._db)
        try:
            async with asyncio.timeout(self._hold_s):
                await store.write(connection, self._unwritten)
        except Exception as error:  # noqa: BLE001 - `_write` meets it again, and sets the row aside
            # Who refuses a row for what it says can write.
            return not is_away(error)
        finally:
            await connection.give_back()
        return True
