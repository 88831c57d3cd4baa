"""Counts what stations say otherwise than the specification, and writes it down in batches."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from gateway.leniency import Deviation
from shared.domain.stations.quirks import QuirkKind, QuirkSighting
from shared.domain.stations.stations import Ownership
from shared.store import quirk_sightings
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.store.retrying import try_again
from shared.telemetry import metrics

log = structlog.get_logger()

# A connection that deviates in more ways than this is making them up.
_MAX_PER_CONNECTION = 100

_Key = tuple[str, str, str, QuirkKind, str]


@dataclass(slots=True)
class _Tally:
    count: int
    first_seen_at: datetime
    last_seen_at: datetime
    example: str


class QuirkCounter:
    """A pod's quirks since they were last written down.

    Args:
        db: where they are kept.
        interval_s: how often they are written down.
        max_pending: how many different ones wait at most; more are only counted by the metric.
        max_per_station: likewise how many are kept that one station alone has shown.
        now: the clock.
    """

    def __init__(
        self,
        db: Database,
        *,
        interval_s: float,
        max_pending: int,
        max_per_station: int,
        now: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._interval_s = interval_s
        self._max_pending = max_pending
        self._max_per_station = max_per_station
        self._now = now
        self._tallies: dict[_Key, _Tally] = {}

    def of_connection(self, ownership: Ownership, ocpp_version: str) -> "QuirkLog":
        """Return where one connection's quirks are noted."""
        return QuirkLog(self, ownership.station_id, ocpp_version)

    def add(self, key: _Key, example: str) -> None:
        """Count one deviation."""
        metrics.quirks.labels(key[3]).inc()
        now = self._now()
        tally = self._tallies.get(key)
        if tally is not None:
            tally.count += 1
            tally.last_seen_at = now
        elif len(self._tallies) < self._max_pending:
            self._tallies[key] = _Tally(1, now, now, example)

    async def run(self) -> None:
        """Write down what was counted, every now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write down what was counted."""
        tallies, self._tallies = self._tallies, {}
        if not tallies:
            return
        sightings = [
            QuirkSighting(
                station_id=station_id,
                ocpp_version=ocpp_version,
                action=action,
                kind=kind,
                member=member,
                example=tally.example,
                count=tally.count,
                first_seen_at=tally.first_seen_at,
                last_seen_at=tally.last_seen_at,
            )
            for (station_id, ocpp_version, action, kind, member), tally in tallies.items()
        ]
        try:
            await try_again(
                lambda: quirk_sightings.add(
                    self._db, sightings, max_per_station=self._max_per_station
                )
            )
        except Exception as error:
            if is_away(error):
                self._put_back(tallies)
            else:
                log.exception("quirks could not be written down", count=len(sightings))

    def _put_back(self, tallies: dict[_Key, _Tally]) -> None:
        for key, tally in tallies.items():
            newer = self._tallies.get(key)
            if newer is not None:
                newer.count += tally.count
                newer.first_seen_at = tally.first_seen_at
            elif len(self._tallies) < self._max_pending:
                self._tallies[key] = tally


@dataclass(slots=True)
class QuirkLog:
    """Where the deviations of one connection are noted."""

    _counter: QuirkCounter
    _station_id: str
    _ocpp_version: str
    _seen: set[tuple[str, QuirkKind, str]] = field(default_factory=set)

    def note(self, action: str, deviation: Deviation) -> None:
        """Count one deviation of a message of this Action."""
        kind, member = deviation.kind, deviation.member
        key = (action, kind, member)
        if key not in self._seen:
            if len(self._seen) >= _MAX_PER_CONNECTION:
                return
            self._seen.add(key)
        self._counter.add(
            (self._station_id, self._ocpp_version, action, kind, member), deviation.example
        )


current: ContextVar[QuirkLog | None] = ContextVar("quirks_of_connection", default=None)
"""The connection whose message is being handled."""


def found(kind: QuirkKind, member: str, example: str = "") -> None:
    """Note what a handler found in a message that its schema allows.

    Its Action is not told: the same times and samples stand in many.
    """
    quirks = current.get()
    if quirks is not None:
        quirks.note("", Deviation(kind, member, example))
