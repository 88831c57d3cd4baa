"""What the meters showed while sessions went on, read for those that have to be worked out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

import asyncpg

from shared.domain.sessions import EndSource, Reading, ReadingOf, energy_samples
from shared.domain.sessions.meter_values import MeterSample
from shared.store.pool import Connection

_SessionId: TypeAlias = Any  # asyncpg's UUID
_Rows: TypeAlias = Sequence[asyncpg.Record]

# Around start and end: values may be stamped a little before the one and after the other.
_MARGIN = timedelta(hours=1)
# A station's clock may say the first instant that there is, or the last, and has no room beyond.
_EVER = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
# Rows on their way from Postgres at a time: what is not kept of them is gone before the next come.
_PREFETCH = 200


class TooManySamplesError(Exception):
    """Sessions have more samples together than may be in memory; each of them may have less."""


@dataclass(slots=True)
class Readings:
    """Readings by session, and the sessions that have more than are read."""

    of: defaultdict[_SessionId, list[Reading]] = field(default_factory=lambda: defaultdict(list))
    too_many: set[_SessionId] = field(default_factory=set)


# Values name their session, or a transaction that the station does not have (then they are of the
# session that is on the EVSE), or none. A session without an end is also asked about by values
# whose clock is off: they show that it goes on.
_READINGS = """
    SELECT session_id, value.*
    FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::timestamptz[],
                $6::timestamptz[], $7::boolean[])
         AS session (session_id, station_id, evse_id, transaction_id, since, until, ended)
    JOIN LATERAL (
        SELECT sampled_at, received_at, samples,
               CASE WHEN transaction_id = session.transaction_id THEN 'session'
                    WHEN transaction_id IS NULL THEN 'none' ELSE 'unknown' END AS of
        FROM meter_values AS value
        WHERE station_id = session.station_id AND evse_id = session.evse_id
          AND sampled_at BETWEEN session.since AND session.until
          -- Said of all of them, so that partitions are left out before any of them is looked at.
          AND sampled_at BETWEEN $9 AND $10
          AND (transaction_id = session.transaction_id OR transaction_id IS NULL
               OR NOT EXISTS (SELECT FROM sessions AS other
                              WHERE other.station_id = value.station_id
                                AND other.transaction_id = value.transaction_id))
        UNION ALL
        SELECT sampled_at, received_at, samples, 'session' FROM meter_values_default
        WHERE NOT session.ended
          AND station_id = session.station_id AND evse_id = session.evse_id
          AND sampled_at NOT BETWEEN session.since AND session.until
          AND transaction_id = session.transaction_id
        LIMIT $8
    ) AS value ON true
"""


_SINCE, _UNTIL = 4, 5  # among the columns of `_READINGS`


async def load(
    connection: Connection, claimed: _Rows, *, max_samples: int, max_age: timedelta
) -> Readings:
    """Return the readings of claimed sessions; of their samples only those that tell energy.

    Args:
        connection: outside of any transaction.
        claimed: whole rows of `sessions`.
        max_samples: of one session, and of all together; a reading without any counts as one.
        max_age: a session whose start was never told is looked for so far back.

    Raises:
        TooManySamplesError: they have more together; a single one never raises this.
    """
    readings, weights, total = Readings(), defaultdict[_SessionId, int](int), 0
    words: dict[Any, Any] = {}
    spans = _spans(claimed, max_age)
    first, last = min(spans[_SINCE]), max(spans[_UNTIL])
    async with connection.transaction(readonly=True):
        cursor = connection.cursor(
            _READINGS, *spans, max_samples + 1, first, last, prefetch=_PREFETCH
        )
        async for session_id, sampled_at, received_at, samples, of in cursor:
            if session_id in readings.too_many:
                continue
            told = [_share(sample, words) for sample in energy_samples(samples)]
            weight = max(1, len(told))
            weights[session_id] += weight
            total += weight
            if weights[session_id] > max_samples:
                readings.too_many.add(session_id)
                readings.of.pop(session_id, None)
                total -= weights.pop(session_id)
                words.clear()
            elif total > max_samples:
                raise TooManySamplesError
            else:
                reading = Reading(sampled_at, received_at, told, ReadingOf(of))
                readings.of[session_id].append(reading)
    return readings


def _share(sample: MeterSample, words: dict[Any, Any]) -> MeterSample:
    """Return a sample that has its words in common with others: there are few different ones."""
    shared: Any = {key: words.setdefault(value, value) for key, value in sample.items()}
    return cast("MeterSample", shared)


def _spans(claimed: _Rows, max_age: timedelta) -> list[list[Any]]:
    """Return the columns of `_READINGS`."""
    rows = []
    for row in claimed:
        since, until = _EVER
        if row["started_at"] is not None:
            # What follows is stamped before it if a clock that was ahead was corrected meanwhile.
            since = max(since, min(row["started_at"], row["created_at"])) - _MARGIN
        else:
            since = max(since, row["created_at"] - max_age)
        ended = row["ended_at"] is not None and row["ended_by"] != EndSource.RULE
        if ended:
            until = min(until, row["ended_at"]) + _MARGIN
        rows.append(
            (
                row["session_id"],
                row["station_id"],
                row["evse_id"] or 0,
                row["transaction_id"],
                since,
                until,
                ended,
            )
        )
    return [list(column) for column in zip(*rows, strict=True)]
