"""Local authorization lists: what a station may decide by itself, kept in step with the tokens."""

from typing import Annotated, Literal

from fastapi import APIRouter

from control import problems
from control.api.access.local_lists_schemas import (
    LocalList,
    LocalListEntry,
    LocalListsSet,
    LocalListWanted,
)
from control.api.access.locations_schemas import LocationId
from control.api.types import StationId
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import Services, ServicesDep
from shared.domain.access import local_lists as domain
from shared.domain.error_codes import NotFoundCode
from shared.store.access import local_list_limits, local_lists

router = APIRouter(prefix="/v1", tags=["local lists"])

_RESOURCE = "local-list-entries"


@router.get("/stations/{station_id}/local-list", responses=problems.responses(NotFoundCode.STATION))
async def get_local_list(station_id: StationId, services: ServicesDep) -> LocalList:
    """Return what a station's list is to hold, and how far that has come."""
    return await _as_it_is(services, station_id, await local_lists.get(services.db, station_id))


async def _as_it_is(
    services: Services, station_id: str, local_list: domain.LocalList | None
) -> LocalList:
    return LocalList.of(
        station_id,
        local_list,
        await local_list_limits.find_told(services.db, station_id),
        entries=await local_lists.count_entries(services.db, station_id),
    )


@router.put("/stations/{station_id}/local-list", responses=problems.responses(NotFoundCode.STATION))
async def set_local_list(
    station_id: StationId, body: LocalListWanted, services: ServicesDep
) -> LocalList:
    """Say what a station's list is to hold, and whether it is kept in step.

    The worker compares the list with the tokens and sends what differs whenever the station is
    online. A list that is not kept in step any more stays as it is: to empty it first, select no
    groups.
    """
    local_list = await local_lists.set_wanted(
        services.db,
        station_id,
        enabled=body.enabled,
        tokens=body.tokens,
        group_id_tokens=body.group_id_tokens,
    )
    return await _as_it_is(services, station_id, local_list)


@router.get(
    "/stations/{station_id}/local-list/entries", responses=problems.responses(NotFoundCode.STATION)
)
async def list_local_list_entries(
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[Literal["id_token", "-id_token"], SORT] = "id_token",
) -> Page[LocalListEntry]:
    """List what the station holds, as far as it has said yes to it, in alphabetical order."""
    order = Order.of(_RESOURCE, sort, usual="id_token", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: local_lists.list_entries_after(
            services.db, station_id, after=after, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda entry: entry.key,
        shown=LocalListEntry.model_validate,
        count=lambda up_to: local_lists.count_entries(services.db, station_id, up_to=up_to),
        owner=lambda: local_lists.get(services.db, station_id),
    )


@router.put(
    "/locations/{location_id}/local-lists", responses=problems.responses(NotFoundCode.LOCATION)
)
async def set_local_lists_of_location(
    location_id: LocationId, body: LocalListWanted, services: ServicesDep
) -> LocalListsSet:
    """Say the same for every station that stands at a location now."""
    count = await local_lists.set_wanted_at(
        services.db,
        location_id,
        enabled=body.enabled,
        tokens=body.tokens,
        group_id_tokens=body.group_id_tokens,
    )
    return LocalListsSet(stations=count)
