"""When stations were there: their connections, and the uptime of their connectors."""

import re
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic_core import PydanticCustomError

from control import problems
from control.api.stations.availability_schemas import (
    ConnectorAvailability,
    StationAvailability,
    StationConnection,
)
from control.api.types import StationId, Written
from control.errors import InvalidFieldError
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    bad_cursor,
    cut_page,
    decode_key,
    encode_cursor,
)
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import InvalidInputError
from shared.domain.stations.availability import Period, measure_uptime, parse_month
from shared.store.stations import availability, stations

router = APIRouter(prefix="/v1/stations", tags=["availability"])

_CONNECTIONS = "connections"
_BIGINT_DIGITS = 18
_STATION = (0, 0)
"""EVSE and connector under which a station tells its own status."""

_MONTH_PATTERN = r"^([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(0[1-9]|1[0-2])$"
_MONTH = re.compile(_MONTH_PATTERN.strip("^$"), re.ASCII)


def _checked_month(value: str) -> str:
    if not _MONTH.fullmatch(value):
        raise PydanticCustomError("month", "a month is written like 2026-11")
    return value


@router.get("/{station_id}/connections", responses=problems.responses(NotFoundCode.STATION))
async def list_station_connections(
    station_id: StationId,
    services: ServicesDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[StationConnection]:
    """List when a station was connected, the newest first."""
    before = _decode_epoch(cursor)
    await stations.get(services.db, station_id)
    rows, next_cursor = cut_page(
        await availability.list_connections_before(
            services.db, station_id, before=before, limit=limit + 1
        ),
        limit=limit,
        cursor_of=lambda span: encode_cursor(_CONNECTIONS, str(span.epoch)),
    )
    return Page(
        items=[StationConnection.model_validate(row) for row in rows], next_cursor=next_cursor
    )


@router.get("/{station_id}/availability", responses=problems.responses(NotFoundCode.STATION))
async def get_station_availability(
    station_id: StationId,
    services: ServicesDep,
    month: Annotated[
        str,
        Query(
            max_length=7,
            description="a month in UTC, such as 2025-06; the present one is measured until now",
        ),
        Written(_checked_month, _MONTH_PATTERN),
    ],
) -> StationAvailability:
    """Return the uptime of a station's connectors in a month.

    It is worked out anew each time from the history of connections and statuses and from the
    planned maintenance, so that maintenance noted afterwards counts as well.
    """
    try:
        whole = parse_month(month)
    except InvalidInputError as error:
        raise InvalidFieldError("query", "month", str(error)) from None
    await stations.get(services.db, station_id)
    now = await availability.now(services.db)
    if whole.start >= now:
        raise InvalidFieldError("query", "month", f"{month} has not begun yet")
    period = Period(whole.start, min(whole.end, now))
    history = await availability.get_history(services.db, station_id, period)
    return StationAvailability(
        station_id=station_id,
        month=month,
        starts_at=period.start,
        ends_at=period.end,
        connectors=[
            ConnectorAvailability.of(
                evse_id,
                connector_id,
                measure_uptime(
                    period,
                    connected=history.connected,
                    statuses=statuses,
                    station_statuses=history.statuses.get(_STATION, []),
                    maintenance=[
                        *history.maintenance.get(None, []),
                        *history.maintenance.get(evse_id, []),
                    ],
                ),
            )
            for (evse_id, connector_id), statuses in sorted(history.statuses.items())
            if (evse_id, connector_id) != _STATION
        ],
    )


def _decode_epoch(cursor: str | None) -> int | None:
    key = decode_key(_CONNECTIONS, cursor)
    if key is None:
        return None
    if not (key.isascii() and key.isdigit() and len(key) <= _BIGINT_DIGITS):
        raise bad_cursor()
    return int(key)
