"""Unknown stations: the inbox of those that tried to connect and are not registered."""

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.stations.stations_schemas import StationTerms, StationWithPassword
from control.api.stations.unknown_stations_schemas import UnknownStation
from control.api.types import StationId, UtcTime
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import ServicesDep
from control.stations.registration import register
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.stations import unknown_stations

router = APIRouter(prefix="/v1/unknown-stations", tags=["unknown stations"])

_RESOURCE = "unknown-stations"


@router.get("")
async def list_unknown_stations(
    services: ServicesDep,
    paging: PagingDep,
    since: Annotated[
        UtcTime | None, Query(description="only those that came then or later")
    ] = None,
    until: Annotated[
        UtcTime | None, Query(description="only those that came before, and not since")
    ] = None,
    sort: Annotated[Literal["station_id", "-station_id"], SORT] = "station_id",
) -> Page[UnknownStation]:
    """List who tried to connect and is not registered, in the order of their ids.

    It is some seconds behind. Of very many, those that came once and long ago are forgotten first.
    """
    order = Order.of(_RESOURCE, sort, usual="station_id", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: unknown_stations.list_after(
            services.db,
            after=after,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda station: station.station_id,
        shown=UnknownStation.model_validate,
        count=lambda up_to: unknown_stations.count(
            services.db, up_to=up_to, since=since, until=until
        ),
    )


@router.get("/{station_id}", responses=problems.responses(NotFoundCode.UNKNOWN_STATION))
async def get_unknown_station(station_id: StationId, services: ServicesDep) -> UnknownStation:
    """Return one of them."""
    return UnknownStation.model_validate(await unknown_stations.get(services.db, station_id))


@router.post(
    "/{station_id}/accept",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(
        NotFoundCode.UNKNOWN_STATION,
        ConflictCode.CERTIFICATE_NAME_TAKEN,
        ConflictCode.STATION_EXISTS,
    ),
)
async def accept_unknown_station(
    station_id: StationId, body: StationTerms, services: ServicesDep, response: Response
) -> StationWithPassword:
    """Register one of them, on these terms, so that it comes in when it tries again.

    With security profile 1 or 2 and no password, one is made. It is in this answer and in no other.
    """
    await unknown_stations.get(services.db, station_id)
    answer = await register(services, station_id, body, response)
    # From now on it is not listed, whether or not its row has gone.
    with suppress(NotFoundError):
        await unknown_stations.delete(services.db, station_id)
    return answer


@router.delete(
    "/{station_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.UNKNOWN_STATION),
)
async def delete_unknown_station(station_id: StationId, services: ServicesDep) -> None:
    """Forget one of them; if it tries again it is listed again."""
    await unknown_stations.delete(services.db, station_id)
