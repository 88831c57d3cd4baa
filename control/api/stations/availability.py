"""When stations were there: their connections, and the uptime of their connectors."""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic_core import PydanticCustomError

from control import problems
from control.api.stations.availability_schemas import (
    ConnectorAvailability,
    StationAvailability,
    StationConnection,
)
from control.api.types import Since, StationId, Until, Written
from control.errors import InvalidFieldError
from control.paging import SORT, Order, Page, PagingDep, numbers
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import InvalidInputError
from shared.domain.stations.availability import Period, measure_uptime, parse_month
from shared.store.stations import availability, stations

router = APIRouter(prefix="/v1/stations", tags=["availability"])

_CONNECTIONS = "connections"
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
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["epoch", "-epoch"], SORT] = "-epoch",
) -> Page[StationConnection]:
    """List when a station was connected, the newest first; `since` and `until` by its beginning."""
    order = Order.of(_CONNECTIONS, sort, usual="-epoch", keys=numbers(1, bits=64))
    return await paging.page(
        order,
        read=lambda before, limit: availability.list_connections_before(
            services.db,
            station_id,
            before=before,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda span: (span.epoch,),
        shown=StationConnection.model_validate,
        count=lambda up_to: availability.count_connections(
            services.db, station_id, up_to=up_to, since=since, until=until
        ),
        owner=lambda: stations.get(services.db, station_id),
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
