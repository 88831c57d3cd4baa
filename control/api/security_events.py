"""Security events; stations tell them, the API only reads."""

from typing import Annotated

from fastapi import APIRouter, Query

from control.api.schemas.security_events import SecurityEvent
from control.api.schemas.types import StationId
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    cut_page,
    decode_uuid,
    encode_cursor,
)
from control.services import ServicesDep
from shared.store import security_events

router = APIRouter(prefix="/v1/security-events", tags=["security events"])

_RESOURCE = "security-events"


@router.get("")
async def list_security_events(
    services: ServicesDep,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SecurityEvent]:
    """List the security events, the last received first."""
    rows, next_cursor = cut_page(
        await security_events.list_before(
            services.db,
            before=decode_uuid(_RESOURCE, cursor),
            limit=limit + 1,
            station_id=station_id,
        ),
        limit=limit,
        cursor_of=lambda event: encode_cursor(_RESOURCE, event.security_event_id),
    )
    items = [SecurityEvent.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=next_cursor)
