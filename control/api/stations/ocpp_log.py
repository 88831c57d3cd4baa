"""The OCPP log: searched in pages, or exported as a file."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from control.api.stations.ocpp_log_schemas import LogEntry, to_json
from control.api.types import FREE_TEXT, StationId, UtcTime
from control.paging import SORT, Keys, Order, Page, PagingDep, read_number, read_time
from control.services import ServicesDep
from shared.domain.stations import ocpp_log as domain
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
_EXPORT_MAX = 1_000_000
_EXPORT_DEFAULT = 100_000
_LINES_AT_ONCE = 500

_Text = Annotated[str, FREE_TEXT]


class ExportFormat(StrEnum):
    """How an export is written."""

    NDJSON = "ndjson"
    """One JSON object per line."""
    CSV = "csv"
    """RFC 4180, with the members' names in the first line."""


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


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The entries, the newest first",
            "content": {
                "application/x-ndjson": {"schema": {"type": "string", "examples": ["{}\n"]}},
                "text/csv": {"schema": {"type": "string", "examples": ["called_at\r\n"]}},
            },
        }
    },
)
async def export_ocpp_log(
    services: ServicesDep,
    found: FilterDep,
    export_format: Annotated[
        ExportFormat, Query(alias="format", description="how it is written")
    ] = ExportFormat.NDJSON,
    limit: Annotated[
        int, Query(ge=1, le=_EXPORT_MAX, description="how many entries at most")
    ] = _EXPORT_DEFAULT,
) -> StreamingResponse:
    """Export what went over the wire, the newest first, as one file.

    It is sent while it is read. An export that breaks off has met an error: ask for a shorter time.
    """
    entries = ocpp_log.stream(services.db, found, limit=limit, timeout_s=_SEARCH_TIMEOUT_S)
    # The first page is read now, so that what cannot be searched is still answered as a problem.
    first = await anext(entries, None)
    encode, media_type = _ENCODINGS[export_format]
    return StreamingResponse(
        encode(_chain(first, entries)),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="ocpp-log.{export_format}"'},
    )


async def _chain(
    first: domain.LogEntry | None, rest: AsyncIterator[domain.LogEntry]
) -> AsyncIterator[domain.LogEntry]:
    if first is not None:
        yield first
        async for entry in rest:
            yield entry


async def _ndjson(entries: AsyncIterator[domain.LogEntry]) -> AsyncIterator[bytes]:
    lines: list[bytes] = []
    async for entry in entries:
        lines.append(msgspec.json.encode(to_json(entry)) + b"\n")
        if len(lines) == _LINES_AT_ONCE:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)


async def _csv(entries: AsyncIterator[domain.LogEntry]) -> AsyncIterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(LogEntry.model_fields)
    count = 0
    async for entry in entries:
        cells = {**to_json(entry), "called_at": entry.called_at.isoformat()}
        writer.writerow([_harmless(cell) for cell in cells.values()])
        count += 1
        if count % _LINES_AT_ONCE == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _harmless(cell: object) -> object:
    """Keep a spreadsheet from taking what a station said for a formula."""
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{cell}"
    return cell


_ENCODINGS = {
    ExportFormat.NDJSON: (_ndjson, "application/x-ndjson"),
    ExportFormat.CSV: (_csv, "text/csv"),
}
