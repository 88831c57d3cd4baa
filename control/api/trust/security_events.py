"""Security events; stations tell them, the API only reads."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from control.api.trust.security_events_schemas import SecurityEvent
from control.api.types import StationId, UtcTime
from control.paging import Page, PagingDep, order_of_receipt
from control.services import ServicesDep
from shared.store.conditions import Position
from shared.store.trust import security_events

router = APIRouter(prefix="/v1/security-events", tags=["security events"])

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
    paging: PagingDep,
    sort: _Sort | None = None,
) -> Page[SecurityEvent]:
    """List the security events, the last received first."""
    order = order_of_receipt(_RESOURCE, sort, bounded=since is not None or until is not None)
    return await paging.page(
        order,
        read=lambda before, limit: security_events.list_before(
            services.db,
            before=before,
            limit=limit,
            station_id=station_id,
            since=since,
            until=until,
            by_time=order.by_time,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: Position(row.security_event_id, row.received_at),
        shown=SecurityEvent.model_validate,
        count=lambda up_to: security_events.count(
            services.db, up_to=up_to, station_id=station_id, since=since, until=until
        ),
    )
