"""Locations: places with stations, and who may charge there."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Response, status

from control import problems
from control.api.access.locations_schemas import (
    Location,
    LocationCreate,
    LocationId,
    LocationUpdate,
)
from control.api.accounts.organizations_schemas import OfOrganization
from control.paging import SORT, TEXTS, Order, Page, PagingDep
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
        time_zone=body.time_zone,
    )
    response.headers["Location"] = f"/v1/locations/{quote(location.location_id, safe='')}"
    return Location.model_validate(location)


@router.get("")
async def list_locations(
    *,
    services: ServicesDep,
    paging: PagingDep,
    organization_id: OfOrganization = None,
    sort: Annotated[Literal["location_id", "-location_id"], SORT] = "location_id",
) -> Page[Location]:
    """List the locations in the order of their ids."""
    order = Order.of(_RESOURCE, sort, usual="location_id", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: locations.list_after(
            services.db,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
            organization_id=organization_id,
        ),
        key_of=lambda row: row.location_id,
        shown=Location.model_validate,
        count=lambda up_to: locations.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
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
