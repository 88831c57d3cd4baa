"""Facts of many stations, committed together; what cannot be is written apart, and fails alone."""

import asyncio
import itertools
from collections.abc import Callable, Sequence

import structlog

from gateway.errors import StoreAwayError
from gateway.ingest.sifting import Sifter
from gateway.settings import GatewaySettings
from shared.batching import Batcher, Later
from shared.store import facts as store
from shared.store import write_probe
from shared.store.facts import Fact
from shared.store.judgement import Judgement, judge
from shared.store.pool import Database, KeptConnection
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_PROBE_INTERVAL_S = 0.5
# What nobody knows may be the end of a connection; a second one must be looked at fact by fact.
_UNCLEAR_RETRIES = 1


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
        self._quotas = settings.row_quotas
        self._hold_s = settings.ingest_hold_s
        self._on_away = on_away
        self._batcher: Batcher[Fact, str | None] = Batcher(
            self._flush, max_items=settings.ingest_max_batch
        )
        self._sifter = Sifter(db, quotas=self._quotas, hold_s=self._hold_s, on_away=self._give_up)
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
                tasks.create_task(self._sifter.run())
                tasks.create_task(self._probe())
        finally:
            await self._connection.give_back()

    async def drain(self) -> None:
        """Wait until everything submitted has been committed or given up."""
        await self._batcher.drain()
        await self._sifter.drain()

    async def _flush(self, facts: Sequence[Fact]) -> "list[str | None] | Later[str | None]":
        metrics.ingest_flush_facts.observe(len(facts))
        with metrics.ingest_flush_seconds.time():
            return await self._write(facts)

    async def _write(self, facts: Sequence[Fact]) -> "list[str | None] | Later[str | None]":
        """Try until Postgres is there, but not longer than answers may be held.

        A Postgres that hangs counts like one that is gone: the write itself is given up as well.
        Only Postgres' own word is about the facts, and a lock is no outage: these are written
        apart, while the next ones are committed.
        """
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + self._hold_s
        unclear = 0
        for attempt in itertools.count():
            if not self.available:
                raise StoreAwayError
            try:
                async with asyncio.timeout_at(give_up_at):
                    return await store.write(self._connection, facts, quotas=self._quotas)
            except Exception as error:
                judgement = judge(error)
                unclear += judgement is Judgement.UNCLEAR
                known = judgement in {Judgement.REFUSED, Judgement.LOCKED}
                if known or unclear > _UNCLEAR_RETRIES:
                    return Later(self._sifter.add(facts, error, give_up_at=give_up_at))
                if clock() >= give_up_at:
                    self._give_up(facts, error)
                    raise StoreAwayError from error
            if judgement is Judgement.AWAY:
                await asyncio.sleep(_RETRY_DELAYS_S[min(attempt, len(_RETRY_DELAYS_S) - 1)])
        raise AssertionError("unreachable: the loop above does not end by itself")

    def _give_up(self, facts: Sequence[Fact], error: Exception) -> None:
        self._unwritten = facts
        if self.available:
            log.error(
                "Postgres is away: sockets are closed unanswered, so that stations keep their "
                "messages, and handshakes are refused until it is back",
                held_s=self._hold_s,
                error=describe_error(error),
            )
            self._away.set()
            metrics.ingest_available.set(0)
            self._sifter.give_up(error)
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
        """Write something that nobody can lock, and then try what was given up last.

        A server with a full disk, or one that became a standby, answers every question and only
        refuses to write; a disk may be too full for what stations say and not for a single row. The
        facts are genuine, and their stations tell them again all the same.
        """
        connection = KeptConnection(self._db)
        try:
            async with asyncio.timeout(self._hold_s):
                await write_probe.write(connection)
                await self._try_unwritten(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, stations stay away a while longer
            log.info("Postgres is still away", error=describe_error(error))
            return False
        finally:
            await connection.give_back()
        return True

    async def _try_unwritten(self, connection: KeptConnection) -> None:
        try:
            await store.write(connection, self._unwritten, quotas=self._quotas)
        except Exception as error:
            # What is wrong with single facts is met again, and found one by one.
            if judge(error) is Judgement.AWAY:
                raise
