"""The OCPP log: searched in pages, or exported as a file."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from control.api import exporting
from control.api.stations.ocpp_log_schemas import LogEntry
from control.api.types import FREE_TEXT, StationId, UtcTime
from control.auth import PrincipalDep
from control.exports.resources import OCPP_LOG
from control.exports.streaming import ExportForm
from control.paging import SORT, Keys, Order, Page, PagingDep, read_number, read_time
from control.services import ServicesDep
from shared.domain.stations.ocpp_log import Direction, LogFilter, LogPosition
from shared.store.stations import ocpp_log

router = APIRouter(prefix="/v1/ocpp-log", tags=["OCPP log"])

_RESOURCE = "ocpp-log"
_POSITIONS: Keys[LogPosition] = Keys(
    2,
    lambda position: (position.called_at.isoformat(), str(position.entry_id)),
    lambda parts: LogPosition(
        called_at=read_time(parts[0]), entry_id=read_number(parts[1], bits=64)
    ),
)
# What is searched unless the caller says: a search for what is rare reads everything in between.
_DEFAULT_SINCE = timedelta(days=1)
_SEARCH_TIMEOUT_S = 8.0
_EXPORT_DEFAULT = 100_000

_Text = Annotated[str, FREE_TEXT]


def _filter(
    *,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    action: Annotated[
        _Text | None,
        Query(max_length=50, description="only this Action", examples=["StartTransaction"]),
    ] = None,
    direction: Annotated[Direction | None, Query(description="only CALLs of this side")] = None,
    outcome: Annotated[
        _Text | None,
        Query(
            max_length=50,
            description="only this outcome; `error` for every one but `CallResult`",
        ),
    ] = None,
    message_id: Annotated[
        _Text | None, Query(max_length=36, description="only this messageId")
    ] = None,
    since: Annotated[
        UtcTime | None,
        Query(description="only what was called then or later; left out, one day before `until`"),
    ] = None,
    until: Annotated[
        UtcTime | None, Query(description="only what was called before; left out, until now")
    ] = None,
    contains: Annotated[
        _Text | None,
        Query(
            min_length=1,
            max_length=200,
            description="only exchanges with this text in a frame, letter case included",
        ),
    ] = None,
) -> LogFilter:
    if since is None:
        since = (until or datetime.now(UTC)) - _DEFAULT_SINCE
    return LogFilter(
        since=since,
        until=until,
        station_id=station_id,
        action=action,
        direction=direction,
        outcome=outcome,
        message_id=message_id,
        contains=contains,
    )


FilterDep = Annotated[LogFilter, Depends(_filter)]


@router.get("")
async def list_ocpp_log(
    services: ServicesDep,
    found: FilterDep,
    paging: PagingDep,
    sort: Annotated[Literal["called_at", "-called_at"], SORT] = "-called_at",
) -> Page[LogEntry]:
    """List what went over the wire, the newest first.

    Entries appear within two seconds. What a pod could not write in time is missing, and counted by
    its metric `voltaro_ocpp_log_dropped_total`.
    """
    order = Order.of(_RESOURCE, sort, usual="-called_at", keys=_POSITIONS)
    return await paging.page(
        order,
        read=lambda before, limit: ocpp_log.list_before(
            services.db,
            found,
            before=before,
            limit=limit,
            timeout_s=_SEARCH_TIMEOUT_S,
            goes_down=order.goes_down,
        ),
        key_of=lambda entry: entry.position,
        shown=LogEntry.of,
        count=lambda up_to: ocpp_log.count(
            services.db, found, up_to=up_to, timeout_s=_SEARCH_TIMEOUT_S
        ),
    )


@router.get("/export", response_class=StreamingResponse, responses=exporting.RESPONSES)
async def export_ocpp_log(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    found: FilterDep,
    form: Annotated[
        ExportForm, Depends(exporting.options_of(OCPP_LOG, default_limit=_EXPORT_DEFAULT))
    ],
) -> StreamingResponse:
    """Export what went over the wire, the newest first, as one file.

    It is sent while it is read. An export that breaks off has met an error: ask for a shorter time.
    """
    return await services.exports.respond(
        request, OCPP_LOG, found, form, db=services.db, principal=principal
    )
