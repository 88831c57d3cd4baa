"""Events as they happen: server-sent events."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, status
from pydantic import Field

from control import problems
from control.api.notices.event_filters import event_filter
from control.auth import PrincipalDep, current_principal
from control.notices import frames
from control.notices.frames import EndReason
from control.notices.response import EventStreamResponse
from control.notices.stream import Follower
from control.services import ServicesDep
from shared.domain.notices.events import EventFilter

router = APIRouter(prefix="/v1/events", tags=["events"])

EventId = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,18})$", examples=["4711"])]
_EXAMPLE = (
    frames.opened_frame(41, retry_ms=2500).decode()
    + 'id: 42\ndata: {"id":"42","type":"station.online","occurred_at":"2026-12-01T12:00:00Z",'
    '"organization_id":"default","location_id":"depot-north","station_id":"CS-0001","data":{}}\n\n'
    + frames.ended_frame(42, EndReason.SHUTDOWN, retry_ms=2500).decode()
)
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as they happen, until the client leaves or `stream.ended` says why",
        "content": {
            EventStreamResponse.media_type: {
                "schema": {"type": "string"},
                "examples": {"stream": {"value": _EXAMPLE}},
            }
        },
    }
}


@router.get(
    "/stream",
    status_code=status.HTTP_200_OK,
    response_class=EventStreamResponse,
    responses=_ANSWER
    | problems.responses(problems.EVENTS_GONE, problems.TOO_MANY_STREAMS, problems.STREAMS_FULL),
)
async def stream_events(
    *,
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    found: Annotated[EventFilter, Depends(event_filter)],
    last_event_id: Annotated[
        EventId | None,
        Header(
            alias="Last-Event-ID",
            description="go on behind this event; `0` begins with the oldest that is kept. Left "
            "out, the stream begins now. Browsers send it by themselves when they connect again",
        ),
    ] = None,
    first_last_event_id: Annotated[
        EventId | None,
        Query(
            alias="last_event_id",
            description="the same, for a browser's first request, which cannot have the header; "
            "the header counts",
        ),
    ] = None,
) -> EventStreamResponse:
    """Follow events as they happen, as server-sent events (WHATWG HTML, section 9.2).

    Any server process may serve any client: after a break, connect again with the id of the last
    event as `Last-Event-ID`, and nothing is missing, nor comes twice. Named events are the
    stream's own: `stream.opened` tells where it begins, `stream.position` goes on with the id when
    other events have passed, `stream.ended` tells why it ends and where to resume. An id whose next
    events are not kept any longer is answered with 410.
    """
    told = first_last_event_id if last_event_id is None else last_event_id
    return EventStreamResponse(
        services.event_streams,
        Follower(
            principal=principal,
            now=partial(current_principal, request),
            asked=found,
            db=services.db,
        ),
        None if told is None else int(told),
        buffer_bytes=services.settings.event_stream_buffer_bytes,
    )
