"""Unknown stations: the inbox of those that tried to connect and are not registered."""

from contextlib import suppress

from fastapi import APIRouter, Response, status

from control import problems
from control.api.stations.stations_schemas import StationTerms, StationWithPassword
from control.api.stations.unknown_stations_schemas import UnknownStation
from control.api.types import StationId
from control.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cut_page, decode_key, encode_cursor
from control.services import ServicesDep
from control.stations.registration import register
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.stations import unknown_stations

router = APIRouter(prefix="/v1/unknown-stations", tags=["unknown stations"])

_RESOURCE = "unknown-stations"


@router.get("")
async def list_unknown_stations(
    services: ServicesDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[UnknownStation]:
    """List who tried to connect and is not registered, in the order of their ids.

    It is some seconds behind. Of very many, those that came once and long ago are forgotten first.
    """
    key = decode_key(_RESOURCE, cursor)
    rows, next_cursor = cut_page(
        await unknown_stations.list_after(services.db, after=key, limit=limit + 1),
        limit=limit,
        cursor_of=lambda station: encode_cursor(_RESOURCE, station.station_id),
    )
    return Page(items=[UnknownStation.model_validate(row) for row in rows], next_cursor=next_cursor)


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
