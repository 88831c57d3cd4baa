"""Events as a file: all that happened in a time."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from control.api import exporting
from control.api.notices.event_filters import event_filter
from control.api.types import UtcTime
from control.auth import PrincipalDep
from control.exports.resources import EVENTS
from control.exports.streaming import ExportForm
from control.services import ServicesDep
from shared.domain.notices.events import EventFilter
from shared.store.notices.exported_events import EventsOfTime

router = APIRouter(prefix="/v1/events", tags=["events"])


@router.get("/export", response_class=StreamingResponse, responses=exporting.RESPONSES)
async def export_events(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    found: Annotated[EventFilter, Depends(event_filter)],
    form: Annotated[ExportForm, Depends(exporting.options_of(EVENTS))],
    *,
    since: Annotated[UtcTime | None, Query(description="only those told then or later")] = None,
    until: Annotated[
        UtcTime | None, Query(description="only those told before; left out, until now")
    ] = None,
) -> StreamingResponse:
    """Export what happened as one file, in the order in which it was told.

    It is sent while it is read; an export that breaks off has met an error.
    """
    # Who reads slowly would else be told of what happens meanwhile, and perhaps never come to an
    # end.
    of_time = EventsOfTime(found=found, since=since, until=until or datetime.now(UTC))
    return await services.exports.respond(
        request, EVENTS, of_time, form, db=services.db, principal=principal
    )
