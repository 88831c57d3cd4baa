"""Facts that could not be written with all others: they are written apart, or set aside alone.

A lock that somebody holds on one session, a row that Postgres refuses, an error that nobody knows:
each concerns few facts, and all others of their batch are to be answered at once. So such a batch
is halved until what is bad is alone, on a connection of its own and while the next batches are
committed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from gateway.errors import StoreAwayError
from gateway.patience import patient_timeout
from shared.store import facts as store
from shared.store import write_probe
from shared.store.facts import Fact, SetAside
from shared.store.judgement import Judgement, is_away, judge
from shared.store.pool import KeptConnection, Pool
from shared.store.quotas import RowQuotas
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

# Every statement of ours is through within this time; who waits longer waits for somebody else.
_LOCK_TIMEOUT_S = 0.05
# After so long of a round what was not tried yet comes first in the next one.
_ROUND_S = 1.0
_BETWEEN_ROUNDS_S = 0.1
# An error that nobody knows is taken for a verdict on a fact after so many tries of it alone, each
# on a fresh connection, and each while Postgres took another write.
_UNCLEAR_TRIES = 5


@dataclass(slots=True, eq=False)
class _Sifted:
    """A fact that is written apart, and what has become of it so far."""

    fact: Fact
    done: asyncio.Future[str | None]
    give_up_at: float
    error: Exception
    unclear_tries: int = 0
    tried_at: float = 0.0
    verdict: Exception | None = None

    @property
    def locked(self) -> bool:
        return judge(self.error) is Judgement.LOCKED


class Sifter:
    """Writes facts apart from the others until each is kept, set aside, or given up unanswered.

    Args:
        db: the pool.
        quotas: how many rows of some kinds a station may have.
        hold_s: how long a fact may take to be set aside, once that is decided.
        on_away: told of facts that Postgres was away for, for as long as they could be held.
    """

    def __init__(
        self,
        db: Pool,
        *,
        quotas: RowQuotas,
        hold_s: float,
        on_away: Callable[[Sequence[Fact], Exception], None],
    ) -> None:
        self._connection = KeptConnection(db, lock_timeout_s=_LOCK_TIMEOUT_S)
        self._quotas = quotas
        self._hold_s = hold_s
        self._on_away = on_away
        self._waiting: list[_Sifted] = []
        self._wakeup = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(
        self, facts: Sequence[Fact], error: Exception, *, within_s: float
    ) -> list[asyncio.Future[str | None]]:
        """Take facts that could not be written together; each future is that of a fact.

        Args:
            facts: what is to be written.
            error: why it was not.
            within_s: how long answers may still be held.
        """
        give_up_at = _now() + within_s
        loop = asyncio.get_running_loop()
        taken = [_Sifted(fact, loop.create_future(), give_up_at, error) for fact in facts]
        self._waiting += taken
        self._idle.clear()
        self._wakeup.set()
        return [each.done for each in taken]

    def give_up(self, error: Exception) -> None:
        """Leave everything unanswered: Postgres is away, and stations keep their messages."""
        for each in self._waiting:
            _leave(each, error)

    async def run(self) -> None:
        """Work until cancelled; what waits then is cancelled too."""
        try:
            while True:
                await self._wakeup.wait()
                while self._waiting:
                    await self._round()
                self._wakeup.clear()
                self._idle.set()
        finally:
            for each in self._waiting:
                each.done.cancel()
            await self._connection.give_back()

    async def drain(self) -> None:
        """Wait until every fact is written, set aside or given up."""
        await self._idle.wait()

    async def _round(self) -> None:
        now = _now()
        self._expire(now)
        bad = [each for each in self._waiting if each.verdict is not None]
        others = [each for each in self._waiting if each.verdict is None]
        others.sort(key=lambda each: each.tried_at)
        # What can be neither written nor set aside keeps no other from being written.
        with suppress(_RoundOverError):
            if others:
                await self._sift(others, until=now + _ROUND_S)
        with suppress(_RoundOverError):
            if bad:
                await self._set_aside(bad)
        self._waiting = [each for each in self._waiting if not each.done.done()]
        if self._waiting:
            await asyncio.sleep(_BETWEEN_ROUNDS_S)

    def _expire(self, now: float) -> None:
        """Decide about facts whose answers have been held for as long as they may."""
        away: list[_Sifted] = []
        for each in self._waiting:
            if now < each.give_up_at:
                continue
            if each.verdict is None and each.locked:
                each.verdict = each.error
                each.give_up_at = now + self._hold_s
            else:
                if judge(each.error) is Judgement.AWAY:
                    away.append(each)
                _leave(each, each.error)
        self._waiting = [each for each in self._waiting if not each.done.done()]
        if away:
            self._on_away([each.fact for each in away], away[-1].error)

    async def _sift(self, facts: Sequence[_Sifted], *, until: float) -> None:
        """Write facts together, or halve them until those are alone that cannot be written."""
        if _now() > until:
            raise _RoundOverError
        try:
            results = await self._before(
                facts,
                lambda: store.write(
                    self._connection, [each.fact for each in facts], quotas=self._quotas
                ),
            )
        except Exception as error:
            for each in facts:
                each.error, each.tried_at = error, _now()
            if judge(error) is Judgement.AWAY:
                raise _RoundOverError from error
            if len(facts) == 1:
                await self._consider(facts[0], error)
                return
        else:
            for each, result in zip(facts, results, strict=True):
                _answer(each, result)
            return
        middle = len(facts) // 2
        await self._sift(facts[:middle], until=until)
        await self._sift(facts[middle:], until=until)

    async def _consider(self, alone: _Sifted, error: Exception) -> None:
        """Decide about a fact that could not be written alone."""
        judgement = judge(error)
        if judgement is Judgement.UNCLEAR and await self._takes_writes():
            alone.unclear_tries += 1
        if judgement is Judgement.REFUSED or alone.unclear_tries >= _UNCLEAR_TRIES:
            alone.verdict = error
            alone.give_up_at = _now() + self._hold_s
            await self._set_aside([alone])

    async def _takes_writes(self) -> bool:
        try:
            async with patient_timeout(self._hold_s):
                await write_probe.write(self._connection)
        except Exception:  # noqa: BLE001 - it says no, whatever it is
            return False
        return True

    async def _set_aside(self, bad: Sequence[_Sifted]) -> None:
        """Keep facts as dead letters, so that their stations can be answered."""
        try:
            results = await self._before(
                bad,
                lambda: store.write_dead_letters(
                    self._connection,
                    [
                        SetAside(each.fact, _reason(each), because_of_a_lock=each.locked)
                        for each in bad
                    ],
                ),
            )
        except Exception as error:
            if len(bad) > 1 and judge(error) is not Judgement.AWAY:
                for each in bad:
                    await self._set_aside([each])
                return
            # Neither kept nor set aside: as long as it is not answered, the station keeps it.
            log.warning(
                "facts could not be set aside yet",
                facts=len(bad),
                error=describe_error(error),
                exc_info=None if is_away(error) else error,
            )
            raise _RoundOverError from error
        for each, result in zip(bad, results, strict=True):
            kind = type(each.fact).__name__
            log.warning(
                "a fact was set aside",
                station_id=each.fact.station_id,
                kind=kind,
                reason=_reason(each),
            )
            metrics.ingest_dead_letters.labels(kind).inc()
            _answer(each, result)

    async def _before(
        self,
        facts: Iterable[_Sifted],
        write: Callable[[], Awaitable[list[str | None]]],
    ) -> list[str | None]:
        """Write, but no longer than the last of these facts may be held."""
        now = _now()
        held_until = max(each.give_up_at for each in facts)
        async with patient_timeout(max(held_until - now, _ROUND_S)):
            return await write()


class _RoundOverError(Exception):
    """Nothing more can be done in this round."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _answer(each: _Sifted, result: str | None) -> None:
    if not each.done.done():
        each.done.set_result(result)


def _leave(each: _Sifted, error: Exception) -> None:
    if not each.done.done():
        failure = StoreAwayError()
        failure.__cause__ = error
        each.done.set_exception(failure)


def _reason(each: _Sifted) -> str:
    error = each.verdict
    if each.locked:
        return (
            f"somebody held a lock on what it is about for too long ({error}); the worker writes "
            "it when the lock is gone"
        )
    return str(error)
