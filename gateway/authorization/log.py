"""Keeps every decision about a token, without anybody waiting for it.

As in the OCPP log, what a decision costs here is a tuple in a list. Now and then the list becomes
rows, in bulk. A Postgres that is slow or away costs entries and never memory or an answer: what
waits is bounded, and what is beyond that is dropped and counted.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from gateway.settings import GatewaySettings
from shared.domain.access.authorization import Authorization, AuthorizationRequest
from shared.domain.access.decisions import Purpose
from shared.store.access import decisions as store
from shared.store.judgement import is_away
from shared.store.pool import Pool
from shared.store.retrying import try_again
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_WRITE_TIMEOUT_S = 5.0
# Rows of one COPY: to make them takes the event loop some 2 ms.
_MAX_ROWS = 1000
_BIGINT_MAX = 2**63 - 1


class Decided(NamedTuple):
    """What was asked and answered; times are those of `time.monotonic`.

    `transaction_id` is that of a transaction whose request did not tell it (OCPP 1.6: ours).
    """

    request: AuthorizationRequest
    answer: Authorization
    asked_at_s: float
    decided_at_s: float
    transaction_id: str | None = None


class DecisionLog:
    """The decisions of one pod.

    Args:
        db: where they are kept.
        settings: whether they are, and how many may wait.
        pod_id: who we are.
        grant: says of a station how many of so many entries are to be kept.
    """

    __slots__ = (
        "_db",
        "_flushing",
        "_grant",
        "_interval_s",
        "_kept",
        "_max_waiting",
        "_pod_id",
        "_waiting",
        "_writing",
    )

    def __init__(
        self,
        db: Pool,
        settings: GatewaySettings,
        *,
        pod_id: str,
        grant: Callable[[str, int], int],
    ) -> None:
        self._db = db
        self._pod_id = pod_id
        self._grant = grant
        self._kept = settings.authorizations_kept
        self._interval_s = settings.authorizations_interval_s
        self._max_waiting = settings.authorizations_max_waiting
        self._waiting: list[Decided] = []
        self._writing = 0
        self._flushing = asyncio.Lock()

    def add(self, decided: Decided) -> None:
        """Take a decision: to be written later, or dropped and counted."""
        if not self._kept:
            return
        if len(self._waiting) + self._writing >= self._max_waiting:
            metrics.authorizations_dropped.labels("too many wait").inc()
            return
        self._waiting.append(decided)

    async def run(self) -> None:
        """Write again and again until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, and what is being written, or drop and count it."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, []
            waiting = self._within_quotas(waiting)
            self._writing = len(waiting)
            try:
                for start in range(0, len(waiting), _MAX_ROWS):
                    chunk = waiting[start : start + _MAX_ROWS]
                    await self._write(chunk)
                    self._writing -= len(chunk)
            finally:
                self._writing = 0

    def _within_quotas(self, waiting: list[Decided]) -> list[Decided]:
        """Leave out what stations ask beyond their quotas, from the first that does not fit."""
        asked: dict[str, int] = {}
        for entry in waiting:
            station_id = entry.request.station_id
            asked[station_id] = asked.get(station_id, 0) + 1
        room = {
            station_id: granted
            for station_id, count in asked.items()
            if (granted := self._grant(station_id, count)) < count
        }
        if not room:
            return waiting
        kept = []
        for entry in waiting:
            station_id = entry.request.station_id
            if station_id in room:
                room[station_id] -= 1
                if room[station_id] < 0:
                    metrics.authorizations_dropped.labels("quota").inc()
                    continue
            kept.append(entry)
        return kept

    async def _write(self, chunk: Sequence[Decided]) -> None:
        try:
            await try_again(
                lambda: store.write(
                    self._db, _rows(chunk, self._pod_id), timeout_s=_WRITE_TIMEOUT_S
                )
            )
        except Exception as error:  # a record of what was answered must not cost the pod
            metrics.authorizations_dropped.labels("not written").inc(len(chunk))
            if is_away(error):
                log.warning(
                    "some decisions about tokens are not kept",
                    rows=len(chunk),
                    error=describe_error(error),
                )
            else:
                log.exception("decisions about tokens were refused by Postgres", rows=len(chunk))
        else:
            metrics.authorizations_kept.inc(len(chunk))


def _rows(chunk: Sequence[Decided], pod_id: str) -> Iterator[tuple[object, ...]]:
    """Give the rows of `store.write`."""
    # Found anew for each chunk, as the machine's clock may have been set meanwhile.
    clock_s = time.time() - time.monotonic()
    for request, answer, asked_at_s, decided_at_s, transaction_id in chunk:
        start, stop = request.start, request.stop
        about = start or stop
        if start is not None:
            purpose = Purpose.START
        else:
            purpose = Purpose.AUTHORIZE if stop is None else Purpose.STOP
        yield (
            datetime.fromtimestamp(decided_at_s + clock_s, UTC),
            request.station_id,
            about and _bigint(about.evse_id),
            about and _bigint(about.connector_id),
            request.id_token,
            request.presented_as,
            purpose,
            answer.status,
            answer.reason,
            answer.explanation,
            answer.source,
            int((decided_at_s - asked_at_s) * 1e6),
            transaction_id or (about and about.transaction_id),
            pod_id,
        )


def _bigint(number: int | None) -> int | None:
    """Return a number as Postgres can keep it: a station may tell any."""
    return None if number is None or abs(number) > _BIGINT_MAX else number
