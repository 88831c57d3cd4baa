"""What stations have told of their configuration."""

from typing import Annotated, Literal

from fastapi import APIRouter

from control import problems
from control.api.stations.configuration_schemas import ConfigurationItem
from control.api.types import StationId
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.store.stations import configuration, stations

router = APIRouter(prefix="/v1/stations", tags=["stations"])

_RESOURCE = "configuration"


@router.get("/{station_id}/configuration", responses=problems.responses(NotFoundCode.STATION))
async def list_station_configuration(
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[Literal["name", "-name"], SORT] = "name",
) -> Page[ConfigurationItem]:
    """List a station's configuration as it was last told, in the order of names.

    Nothing is asked of the station: the command `GetConfiguration` does that, and what it brings
    is here afterwards. So is a value that the station took with `ChangeConfiguration`.
    """
    order = Order.of(_RESOURCE, sort, usual="name", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: configuration.list_after(
            services.db, station_id, after=after, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda item: item.name,
        shown=ConfigurationItem.model_validate,
        count=lambda up_to: configuration.count(services.db, station_id, up_to=up_to),
        owner=lambda: stations.get(services.db, station_id),
    )
