"""Which dead letters a list has, and how many these are."""

from datetime import datetime

from shared.domain.sessions.dead_letters import DeadLetterStatus
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database


async def count(
    db: Database,
    *,
    up_to: int,
    station_id: str | None = None,
    status: DeadLetterStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many dead letters a list has, counting no further than `up_to`."""
    conditions = conditions_of(up_to, station_id, status, since, until)
    return await count_rows(db, "dead_letters", conditions)


def conditions_of(
    limit: int,
    station_id: str | None,
    status: DeadLetterStatus | None,
    since: datetime | None,
    until: datetime | None,
) -> Conditions:
    """Return the conditions of a list, whose first parameter is how many rows are read."""
    delivered = status is DeadLetterStatus.DELIVERED
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("status =", DeadLetterStatus.DISMISSED if delivered else status)
    conditions.compare("(delivered_at IS NOT NULL) =", None if status is None else delivered)
    conditions.compare("received_at >=", since)
    conditions.compare("received_at <", until)
    return conditions
