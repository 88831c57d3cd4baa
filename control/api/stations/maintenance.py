"""Planned maintenance, which uptime leaves out."""

from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.stations.availability_schemas import (
    MaintenanceWindow,
    MaintenanceWindowCreate,
    MaintenanceWindowUpdate,
)
from control.api.types import StationId, UtcTime
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.store.stations import maintenance, stations

router = APIRouter(
    prefix="/v1/stations/{station_id}/maintenance-windows",
    tags=["availability"],
    responses=problems.responses(problems.NOT_FOUND),
)

_RESOURCE = "maintenance-windows"


@router.post(
    "", status_code=status.HTTP_201_CREATED, responses=problems.responses(NotFoundCode.STATION)
)
async def create_maintenance_window(
    station_id: StationId,
    body: MaintenanceWindowCreate,
    services: ServicesDep,
    response: Response,
) -> MaintenanceWindow:
    """Plan maintenance of a station or of one of its EVSEs."""
    window = await maintenance.create(
        services.db,
        station_id=station_id,
        evse_id=body.evse_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        note=body.note,
    )
    path = f"/v1/stations/{quote(station_id, safe='')}/maintenance-windows/{window.window_id}"
    response.headers["Location"] = path
    return MaintenanceWindow.model_validate(window)


@router.get("", responses=problems.responses(NotFoundCode.STATION))
async def list_maintenance_windows(
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    since: Annotated[UtcTime | None, Query(description="only those that end later")] = None,
    until: Annotated[UtcTime | None, Query(description="only those that start before")] = None,
    sort: Annotated[Literal["window_id", "-window_id"], SORT] = "window_id",
) -> Page[MaintenanceWindow]:
    """List a station's maintenance, in the order in which it was planned."""
    order = Order.of(_RESOURCE, sort, usual="window_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: maintenance.list_after(
            services.db,
            station_id,
            after=after,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda window: window.window_id,
        shown=MaintenanceWindow.model_validate,
        count=lambda up_to: maintenance.count(
            services.db, station_id, up_to=up_to, since=since, until=until
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get("/{window_id}", responses=problems.responses(NotFoundCode.MAINTENANCE_WINDOW))
async def get_maintenance_window(
    station_id: StationId, window_id: UUID, services: ServicesDep
) -> MaintenanceWindow:
    """Return one window."""
    return MaintenanceWindow.model_validate(
        await maintenance.get(services.db, station_id, str(window_id))
    )


@router.patch("/{window_id}", responses=problems.responses(NotFoundCode.MAINTENANCE_WINDOW))
async def update_maintenance_window(
    station_id: StationId, window_id: UUID, body: MaintenanceWindowUpdate, services: ServicesDep
) -> MaintenanceWindow:
    """Change a window; uptime that is asked for afterwards counts with the change."""
    changes = body.model_dump(exclude_unset=True)
    return MaintenanceWindow.model_validate(
        await maintenance.update(services.db, station_id, str(window_id), changes)
    )


@router.delete(
    "/{window_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.MAINTENANCE_WINDOW),
)
async def delete_maintenance_window(
    station_id: StationId, window_id: UUID, services: ServicesDep
) -> None:
    """Remove a window: an outage within it counts as one again."""
    await maintenance.delete(services.db, station_id, str(window_id))
