"""Where stations may stand, by name: for who puts them up and has no say in who charges there."""

from typing import Annotated, Literal

from fastapi import APIRouter

from control.api.accounts.organizations_schemas import OfOrganization
from control.api.stations.location_names_schemas import NamedLocation
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.store.access import locations

router = APIRouter(prefix="/v1/location-names", tags=["locations"])

_RESOURCE = "location-names"


@router.get("")
async def list_location_names(
    *,
    services: ServicesDep,
    paging: PagingDep,
    organization_id: OfOrganization = None,
    sort: Annotated[Literal["location_id", "-location_id"], SORT] = "location_id",
) -> Page[NamedLocation]:
    """List what locations are called, in the order of their ids.

    A station is put at one by its `location_id`. Who may charge there is in `/v1/locations`, which
    needs another permission.
    """
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
        key_of=lambda location: location.location_id,
        shown=NamedLocation.model_validate,
        count=lambda up_to: locations.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
    )
