"""Compares what stations were told with what is in Postgres."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.faults.charging import Acknowledged


@dataclass(frozen=True)
class Audit:
    """Messages by their action: acknowledged, of these not stored, and stored more than once."""

    acknowledged: dict[str, int]
    lost: dict[str, int]
    twice: dict[str, int]
    open_sessions: int

    @property
    def total_acknowledged(self) -> int:
        return sum(self.acknowledged.values())

    @property
    def total_lost(self) -> int:
        return sum(self.lost.values())

    @property
    def total_twice(self) -> int:
        return sum(self.twice.values())


async def audit(database_url: str, acknowledged: Acknowledged) -> Audit:
    """Read the tables and compare."""
    connection = await asyncpg.connect(database_url)
    try:
        sessions = await connection.fetch(
            "SELECT station_id, transaction_id, started_at, ended_at, meter_stop_wh FROM sessions"
        )
        values = await connection.fetch(
            "SELECT station_id, transaction_id, sampled_at FROM meter_values"
        )
        letters = await connection.fetchval(
            # One that the worker wrote where it belongs, once a lock was gone, is dismissed.
            "SELECT count(*) FROM dead_letters WHERE status <> 'dismissed'"
        )
    finally:
        await connection.close()
    started = {(s["station_id"], s["transaction_id"]) for s in sessions}
    valued = {(v["station_id"], v["transaction_id"], v["sampled_at"]) for v in values}
    ended = {(s["station_id"], s["transaction_id"], s["meter_stop_wh"]) for s in sessions}
    return Audit(
        acknowledged={
            "StartTransaction": len(acknowledged.starts),
            "MeterValues": len(acknowledged.meter_values),
            "StopTransaction": len(acknowledged.stops),
        },
        lost={
            "StartTransaction": len(set(acknowledged.starts) - started),
            "MeterValues": len(set(acknowledged.meter_values) - valued),
            "StopTransaction": len(set(acknowledged.stops) - ended),
        },
        twice={
            # A start kept unanswered and told again would be a second session of that time.
            "StartTransaction": _more_than_once(
                (s["station_id"], s["started_at"]) for s in sessions
            ),
            "MeterValues": _more_than_once((v["station_id"], v["sampled_at"]) for v in values),
            "StopTransaction": letters,
        },
        open_sessions=sum(session["ended_at"] is None for session in sessions),
    )


def _more_than_once(keys: Any) -> int:
    return sum(count - 1 for count in Counter(keys).values())
