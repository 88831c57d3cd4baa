"""Locations: places with stations, and who may charge there."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.access.locations_schemas import (
    Location,
    LocationCreate,
    LocationId,
    LocationUpdate,
)
from control.api.accounts.organizations_schemas import OfOrganization
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    Total,
    WantsTotal,
    cut_page,
    decode_key,
    encode_cursor,
)
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.store.access import locations

router = APIRouter(prefix="/v1/locations", tags=["locations"])

_RESOURCE = "locations"


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.LOCATION_EXISTS),
)
async def create_location(
    body: LocationCreate, services: ServicesDep, response: Response
) -> Location:
    """Register a location. Stations stand there by their own `location_id`."""
    location = await locations.create(
        services.db,
        location_id=body.location_id,
        name=body.name,
        allowed_id_tokens=body.allowed_id_tokens,
        allowed_group_id_tokens=body.allowed_group_id_tokens,
        organization_id=body.organization_id,
        authorization=body.authorization,
    )
    response.headers["Location"] = f"/v1/locations/{quote(location.location_id, safe='')}"
    return Location.model_validate(location)


@router.get("")
async def list_locations(
    *,
    services: ServicesDep,
    organization_id: OfOrganization = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    sort: Annotated[
        Literal["location_id", "-location_id"], Query(description="`-`: from the last one up")
    ] = "location_id",
    total: WantsTotal = False,
) -> Page[Location]:
    """List the locations in the order of their ids."""
    goes_down = sort.startswith("-")
    resource = f"{_RESOURCE} down" if goes_down else _RESOURCE
    rows, next_cursor = cut_page(
        await locations.list_after(
            services.db,
            after=decode_key(resource, cursor),
            limit=limit + 1,
            goes_down=goes_down,
            organization_id=organization_id,
        ),
        limit=limit,
        cursor_of=lambda location: encode_cursor(resource, location.location_id),
    )
    counted = await Total.of(
        lambda up_to: locations.count(services.db, up_to=up_to, organization_id=organization_id),
        wanted=total,
    )
    return Page(
        items=[Location.model_validate(row) for row in rows], next_cursor=next_cursor, total=counted
    )


@router.get("/{location_id}", responses=problems.responses(NotFoundCode.LOCATION))
async def get_location(location_id: LocationId, services: ServicesDep) -> Location:
    """Return one location."""
    return Location.model_validate(await locations.get(services.db, location_id))


@router.patch("/{location_id}", responses=problems.responses(NotFoundCode.LOCATION))
async def update_location(
    location_id: LocationId, body: LocationUpdate, services: ServicesDep
) -> Location:
    """Change a location. Running charges go on; the next authorization sees the change."""
    changes = body.model_dump(exclude_unset=True)
    location = await locations.update(services.db, location_id, changes)
    await services.authorization.rules_changed()
    return Location.model_validate(location)


@router.delete(
    "/{location_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.LOCATION, ConflictCode.LOCATION_IN_USE),
)
async def delete_location(location_id: LocationId, services: ServicesDep) -> None:
    """Remove a location at which no station stands."""
    await locations.delete(services.db, location_id)
