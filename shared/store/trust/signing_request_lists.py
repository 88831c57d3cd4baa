"""Lists of certificate signing requests."""

from datetime import datetime

from shared.domain.trust.certificates import SigningRequest, SigningRequestState
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database
from shared.store.trust.signing_requests import COLUMNS, signing_request_of


async def list_before(
    db: Database,
    *,
    before: str | None,
    limit: int,
    station_id: str | None = None,
    state: SigningRequestState | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = True,
) -> list[SigningRequest]:
    """Return up to `limit` signing requests, the newest first, from behind `before` on.

    Args:
        db: the pool.
        before: id of the request before.
        limit: how many at most.
        station_id: only this station's.
        state: only those in it.
        since: only those that were told, or told again, then or later.
        until: only those that were told before, and not since.
        goes_down: whether the newest comes first.
    """
    conditions = _conditions(limit, station_id, state, since, until)
    order = conditions.in_order(
        "certificate_signing_requests.signing_request_id",
        behind=before and [before],
        goes_down=goes_down,
    )
    records = await db.fetch(
        f"""
        SELECT {COLUMNS} FROM certificate_signing_requests
        WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [signing_request_of(record) for record in records]


async def count(
    db: Database,
    *,
    up_to: int,
    station_id: str | None = None,
    state: SigningRequestState | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many signing requests a list has, counting no further than `up_to`."""
    conditions = _conditions(up_to, station_id, state, since, until)
    return await count_rows(db, "certificate_signing_requests", conditions)


def _conditions(
    limit: int,
    station_id: str | None,
    state: SigningRequestState | None,
    since: datetime | None,
    until: datetime | None,
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("state =", state)
    conditions.compare("requested_at >=", since)
    conditions.compare("requested_at <", until)
    return conditions
