"""The meter values of all stations, as a file: too many for anybody to turn pages of."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from control.api import exporting
from control.api.types import StationId, UtcTime
from control.auth import PrincipalDep
from control.errors import InvalidFieldError
from control.exports.resources import METER_VALUES
from control.exports.streaming import ExportForm
from control.services import ServicesDep
from shared.domain.sessions.meter_values import MeterValueFilter, ReadingContext

router = APIRouter(prefix="/v1/meter-values", tags=["sessions"])

_INTEGER_MAX = 2**31 - 1
_DEFAULT_SINCE = timedelta(days=1)
# Each day is a statement, also where there is nothing of it.
_MAX_TIME = timedelta(days=366)


def _filter(
    *,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
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
        UtcTime | None,
        Query(description="only those before; left out, until now. At most 366 days later"),
    ] = None,
) -> MeterValueFilter:
    until = until or datetime.now(UTC)
    try:
        since = since or until - _DEFAULT_SINCE
    except OverflowError:
        since = until
    if until - since > _MAX_TIME:
        raise InvalidFieldError(
            "query",
            "since",
            f"meter values of more than {_MAX_TIME.days} days are several exports: name a later "
            "since, or an earlier until",
        )
    return MeterValueFilter(
        since=since,
        until=until,
        station_id=station_id,
        evse_id=evse_id,
        context=context,
        in_transaction=in_transaction,
    )


@router.get("/export", response_class=StreamingResponse, responses=exporting.RESPONSES)
async def export_meter_values(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    found: Annotated[MeterValueFilter, Depends(_filter)],
    form: Annotated[ExportForm, Depends(exporting.options_of(METER_VALUES))],
) -> StreamingResponse:
    """Export what meters showed as one file: day by day (UTC), and of a day station by station.

    It is sent while it is read; an export that breaks off has met an error.
    """
    return await services.exports.respond(
        request, METER_VALUES, found, form, db=services.db, principal=principal
    )
