"""Facts of many stations, committed together; what cannot be is written apart, and fails alone.

What is heavy has a lane of its own: Postgres takes some of the longest messages in for as long as a
thousand usual ones, whose stations would wait for them. What one station says stays in order all
the same, as it is answered one CALL after the other. Over a new connection it may say something
light before the heavy message of the old one is committed: as with a station that has moved to
another pod, facts are genuine in whatever order they come. Two lanes lock the rows of many stations
in one order, as two pods do.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from gateway.ingest.lane import Lane
from gateway.ingest.sifting import Sifter
from gateway.ingest.weighing import HEAVY, weigh
from gateway.patience import patient_timeout
from gateway.settings import GatewaySettings
from shared.store import facts as store
from shared.store import write_probe
from shared.store.facts import Fact
from shared.store.judgement import Judgement, judge
from shared.store.pool import KeptConnection, Pool
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_PROBE_INTERVAL_S = 0.5
# Of a batch, unless one fact alone is heavier. That of the light ones is a thousand usual messages;
# that of the heavy ones is what takes Postgres some ten milliseconds, as the next ones wait for it.
_LIGHT_BATCH = 100 * HEAVY
_HEAVY_BATCH = 20 * HEAVY


class Ingest:
    """Takes facts, commits them in groups, and knows whether that works at present.

    Args:
        db: the pool.
        settings: batch size and how long answers are held while Postgres is away.
        on_away: called when answers have been held for that long; sockets are to be closed then.
    """

    def __init__(self, db: Pool, settings: GatewaySettings, *, on_away: Callable[[], None]) -> None:
        self._db = db
        self._quotas = settings.row_quotas
        self._hold_s = settings.ingest_hold_s
        self._on_away = on_away
        self._sifter = Sifter(db, quotas=self._quotas, hold_s=self._hold_s, on_away=self._give_up)
        self._light, self._heavy = (
            Lane(
                db,
                settings,
                max_weight=max_weight,
                sifter=self._sifter,
                is_available=lambda: self.available,
                on_away=self._give_up,
            )
            for max_weight in (_LIGHT_BATCH, _HEAVY_BATCH)
        )
        self._away = asyncio.Event()
        self._unwritten: list[Fact] = []
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
        weight = weigh(fact)
        return (self._light if weight < HEAVY else self._heavy).submit(fact, weight)

    async def run(self) -> None:
        """Commit until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for run in (self._light.run, self._heavy.run, self._sifter.run, self._probe):
                tasks.create_task(run())

    async def drain(self) -> None:
        """Wait until everything submitted has been committed or given up."""
        await self._light.drain()
        await self._heavy.drain()
        await self._sifter.drain()

    def _give_up(self, facts: Sequence[Fact], error: Exception) -> None:
        self._unwritten += facts
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
            self._unwritten = []
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
            async with patient_timeout(self._hold_s):
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
