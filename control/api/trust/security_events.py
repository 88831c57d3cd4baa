"""Security events; stations tell them, the API only reads."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from control.api.trust.security_events_schemas import SecurityEvent
from control.api.types import StationId, UtcTime
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    Total,
    WantsTotal,
    cut_page,
    decode_position,
    encode_position,
)
from control.services import ServicesDep
from shared.store.conditions import Position
from shared.store.trust import security_events

router = APIRouter(prefix="/v1/security-events", tags=["security events"])

_BY_TIME = "received_at"
_Sort = Annotated[
    Literal["received_at", "-received_at"], Query(description="`-`: the last received first")
]
_RESOURCE = "security-events"


@router.get("")
async def list_security_events(
    services: ServicesDep,
    *,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    since: Annotated[UtcTime | None, Query(description="only those received then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="only those received before")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    sort: _Sort | None = None,
    total: WantsTotal = False,
) -> Page[SecurityEvent]:
    """List the security events, the last received first."""
    order = _BY_TIME if since is not None or until is not None else None
    if sort is not None:
        order = sort if sort.startswith("-") else f"{sort} up"
    rows, next_cursor = cut_page(
        await security_events.list_before(
            services.db,
            before=decode_position(_RESOURCE, cursor, order=order),
            limit=limit + 1,
            station_id=station_id,
            since=since,
            until=until,
            by_time=None if sort is None else True,
            goes_down=sort is None or sort.startswith("-"),
        ),
        limit=limit,
        cursor_of=lambda event: encode_position(
            _RESOURCE,
            Position(event.security_event_id, None if order is None else event.received_at),
            order=order,
        ),
    )
    counted = await Total.of(
        lambda up_to: security_events.count(
            services.db, up_to=up_to, station_id=station_id, since=since, until=until
        ),
        wanted=total,
    )
    items = [SecurityEvent.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=next_cursor, total=counted)
