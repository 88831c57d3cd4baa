"""The meter values of a station, with and without a transaction; sessions have their own."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from control import problems
from control.api.sessions.meter_values_schemas import StationMeterValue
from control.api.types import StationId, UtcTime
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    bad_cursor,
    cut_page,
    decode_cursor,
    encode_cursor,
)
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.sessions.meter_values import ReadingContext
from shared.store.sessions import meter_value_history
from shared.store.sessions.meter_value_history import StationMeterValuePosition
from shared.store.stations import stations

router = APIRouter(prefix="/v1/stations", tags=["sessions"])

_RESOURCE = "station-meter-values"
_KEY_PARTS = 3
_BIGINT_MAX = 2**63 - 1
_INTEGER_MAX = 2**31 - 1
_DEFAULT_SINCE = timedelta(days=1)


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
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[StationMeterValue]:
    """List what a station's meters showed, in the order of the station's clock."""
    after = _decode_position(cursor)
    await stations.get(services.db, station_id)
    until = until or datetime.now(UTC)
    rows, next_cursor = cut_page(
        await meter_value_history.list_after(
            services.db,
            station_id,
            since=since or until - _DEFAULT_SINCE,
            until=until,
            evse_id=evse_id,
            context=context,
            in_transaction=in_transaction,
            after=after,
            limit=limit + 1,
        ),
        limit=limit,
        cursor_of=lambda row: _encode_position(row[0]),
    )
    return Page(
        items=[StationMeterValue.model_validate(value) for _, value in rows],
        next_cursor=next_cursor,
    )


def _encode_position(position: StationMeterValuePosition) -> str:
    return encode_cursor(
        _RESOURCE,
        position.sampled_at.isoformat(),
        str(position.evse_id),
        str(position.fingerprint),
    )


def _decode_position(cursor: str | None) -> StationMeterValuePosition | None:
    key = decode_cursor(_RESOURCE, cursor, parts=_KEY_PARTS)
    if key is None:
        return None
    try:
        position = StationMeterValuePosition(
            datetime.fromisoformat(key[0]), int(key[1]), int(key[2])
        )
    except ValueError:
        raise bad_cursor() from None
    if (
        position.sampled_at.tzinfo is None
        or abs(position.evse_id) > _INTEGER_MAX
        or abs(position.fingerprint) > _BIGINT_MAX
    ):
        raise bad_cursor()
    return position
