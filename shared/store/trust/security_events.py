"""Security events as they are listed; `device_model` writes them."""

from dataclasses import dataclass
from datetime import datetime

from shared.store.conditions import Conditions, Position
from shared.store.conditions import count as count_rows
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """Something that concerned a station's security (A04)."""

    security_event_id: str
    station_id: str
    type: str
    occurred_at: datetime
    tech_info: str | None
    received_at: datetime


async def list_before(
    db: Database,
    *,
    before: Position | None,
    limit: int,
    station_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    by_time: bool | None = None,
    goes_down: bool = True,
) -> list[SecurityEvent]:
    """Return up to `limit` events, the last received first.

    Args:
        db: the pool.
        before: the list begins behind it; with `since` or `until` it has the time of receipt.
        limit: how many at most.
        station_id: only this station's.
        since: only those received then or later.
        until: only those received before.
        by_time: whether in the order of their receipt; None: if asked for by it.
        goes_down: whether the latest comes first.
    """
    conditions = _conditions(limit, station_id, since, until)
    if by_time is None:
        by_time = since is not None or until is not None
    order = conditions.page(
        "security_events.security_event_id",
        time="received_at" if by_time else None,
        behind=before,
        goes_down=goes_down,
    )
    records = await db.fetch(
        f"""
        SELECT security_event_id::text, station_id, type, occurred_at, tech_info, received_at
        FROM security_events WHERE {conditions}
        ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - names of columns, and conditions made of them
        *conditions.parameters,
    )
    return [SecurityEvent(**record) for record in records]


async def count(
    db: Database,
    *,
    up_to: int,
    station_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many events a list has, counting no further than `up_to`."""
    conditions = _conditions(up_to, station_id, since, until)
    return await count_rows(db, "security_events", conditions)


def _conditions(
    limit: int, station_id: str | None, since: datetime | None, until: datetime | None
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("received_at >=", since)
    conditions.compare("received_at <", until)
    return conditions
