"""The inbox of stations that nobody registered: noted at the door, written down in batches."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from shared.domain.stations.stations import UnknownStation
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.store.retrying import try_again
from shared.store.stations import unknown_stations as store

log = structlog.get_logger()

_HEADER_MAX_LENGTH = 200
_MAX_SUBPROTOCOLS = 10


class UnknownStations:
    """Who came to this pod and is not registered, since it was last written down.

    Args:
        db: where the inbox is.
        interval_s: how often it is written.
        keep: how many the inbox holds, and how many wait here at most. Once full, those that were
            seen before are still counted, new ones not until the next write.
        now: the clock.
    """

    def __init__(
        self, db: Database, *, interval_s: float, keep: int, now: Callable[[], datetime]
    ) -> None:
        self._db = db
        self._interval_s = interval_s
        self._keep = keep
        self._now = now
        self._seen: dict[str, UnknownStation] = {}

    def note(
        self,
        station_id: str,
        *,
        address: str,
        user_agent: str | None,
        subprotocols: list[str],
    ) -> None:
        """Note that a station came which is not registered."""
        before = self._seen.get(station_id)
        if before is None and len(self._seen) >= self._keep:
            return
        now = self._now()
        self._seen[station_id] = UnknownStation(
            station_id=station_id,
            address=address,
            user_agent=user_agent and _printable(user_agent),
            subprotocols=tuple(map(_printable, subprotocols[:_MAX_SUBPROTOCOLS])),
            first_seen_at=before.first_seen_at if before else now,
            last_seen_at=now,
            attempts=before.attempts + 1 if before else 1,
        )

    async def run(self) -> None:
        """Write down who came, every now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write down who came."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            await try_again(lambda: store.add(self._db, list(seen.values()), keep=self._keep))
        except Exception as error:
            if not is_away(error):
                log.exception("unknown stations could not be written down", count=len(seen))
                return
            for station_id, before in seen.items():
                newer = self._seen.get(station_id)
                if newer is None:
                    self._seen[station_id] = before
                else:
                    self._seen[station_id] = replace(
                        newer,
                        first_seen_at=before.first_seen_at,
                        attempts=before.attempts + newer.attempts,
                    )


def _printable(header: str) -> str:
    """Return what of a header may be kept and shown: no control characters, and not much."""
    text = "".join(character if character.isprintable() else "?" for character in header)
    return text[:_HEADER_MAX_LENGTH].replace(",", " ")
