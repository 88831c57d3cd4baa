"""The meter values of a station, with and without a transaction; sessions have their own."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from control import problems
from control.api.sessions.meter_values_schemas import StationMeterValue
from control.api.types import StationId, UtcTime
from control.paging import SORT, Keys, Order, Page, PagingDep, read_number, read_time
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.sessions.meter_values import ReadingContext
from shared.store.sessions import meter_value_history
from shared.store.sessions.meter_value_history import MeterValueFilter, StationMeterValuePosition
from shared.store.stations import stations

router = APIRouter(prefix="/v1/stations", tags=["sessions"])

_RESOURCE = "station-meter-values"
_INTEGER_MAX = 2**31 - 1
_DEFAULT_SINCE = timedelta(days=1)
_POSITIONS: Keys[StationMeterValuePosition] = Keys(
    3,
    lambda position: (
        position.sampled_at.isoformat(),
        str(position.evse_id),
        str(position.fingerprint),
    ),
    lambda parts: StationMeterValuePosition(
        read_time(parts[0]), read_number(parts[1], bits=32), read_number(parts[2], bits=64)
    ),
)


@router.get("/{station_id}/meter-values", responses=problems.responses(NotFoundCode.STATION))
async def list_station_meter_values(
    station_id: StationId,
    services: ServicesDep,
    *,
    evse_id: Annotated[
        int | None, Query(ge=0, le=_INTEGER_MAX, description="only this one's; 0: the main meter")
    ] = None,
    context: Annotated[
        ReadingContext | None,
        Query(description="only samples of this context; `Sample.Clock`: those by the clock"),
    ] = None,
    in_transaction: Annotated[
        bool | None, Query(description="only those that name a transaction, or only the others")
    ] = None,
    since: Annotated[
        UtcTime | None,
        Query(description="only those of then or later; left out, one day before `until`"),
    ] = None,
    until: Annotated[
        UtcTime | None, Query(description="only those before; left out, until now")
    ] = None,
    paging: PagingDep,
    sort: Annotated[Literal["sampled_at", "-sampled_at"], SORT] = "sampled_at",
) -> Page[StationMeterValue]:
    """List what a station's meters showed, in the order of the station's clock."""
    await stations.get(services.db, station_id)
    until = until or datetime.now(UTC)
    found = MeterValueFilter(
        since=since or until - _DEFAULT_SINCE,
        until=until,
        evse_id=evse_id,
        context=context,
        in_transaction=in_transaction,
    )
    order = Order.of(_RESOURCE, sort, usual="sampled_at", keys=_POSITIONS)
    return await paging.page(
        order,
        read=lambda after, limit: meter_value_history.list_after(
            services.db, station_id, found, after=after, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda row: row[0],
        shown=lambda row: StationMeterValue.model_validate(row[1]),
        count=lambda up_to: meter_value_history.count(services.db, station_id, found, up_to=up_to),
    )
