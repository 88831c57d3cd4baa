"""What stations have told of their configuration."""

from fastapi import APIRouter

from control import problems
from control.api.stations.configuration_schemas import ConfigurationItem
from control.api.types import StationId
from control.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cut_page, decode_key, encode_cursor
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.store.stations import configuration, stations

router = APIRouter(prefix="/v1/stations", tags=["stations"])

_RESOURCE = "configuration"


@router.get("/{station_id}/configuration", responses=problems.responses(NotFoundCode.STATION))
async def list_station_configuration(
    station_id: StationId,
    services: ServicesDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ConfigurationItem]:
    """List a station's configuration as it was last told, in the order of names.

    Nothing is asked of the station: the command `GetConfiguration` does that, and what it brings
    is here afterwards. So is a value that the station took with `ChangeConfiguration`.
    """
    after = decode_key(_RESOURCE, cursor)
    await stations.get(services.db, station_id)
    rows, next_cursor = cut_page(
        await configuration.list_after(services.db, station_id, after=after, limit=limit + 1),
        limit=limit,
        cursor_of=lambda item: encode_cursor(_RESOURCE, item.name),
    )
    return Page(
        items=[ConfigurationItem.model_validate(row) for row in rows], next_cursor=next_cursor
    )
