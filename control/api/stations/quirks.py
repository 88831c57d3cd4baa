"""Quirks: how stations deviate from OCPP, per vendor, model and firmware."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, status

from control import problems
from control.api.stations.quirks_schemas import Quirk
from control.api.types import StationId, UtcTime
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.stations.quirks import QuirkKind
from shared.store.stations import quirks
from shared.store.stations.quirks import QuirkFilter

router = APIRouter(prefix="/v1/quirks", tags=["quirks"])

_RESOURCE = "quirks"

_Name = Annotated[str | None, Query(max_length=100, pattern="^[^\\x00]*$")]


@router.get("")
async def list_quirks(
    services: ServicesDep,
    *,
    station_id: Annotated[
        StationId | None,
        Query(
            description="only those of the vendor, model and firmware that this station told at "
            "its last boot, whichever of their stations showed them"
        ),
    ] = None,
    vendor: Annotated[_Name, Query(description="only this vendor's")] = None,
    model: Annotated[_Name, Query(description="only this model's")] = None,
    firmware_version: Annotated[_Name, Query(description="only this firmware's")] = None,
    kind: Annotated[QuirkKind | None, Query(description="only what is off in this way")] = None,
    since: Annotated[
        UtcTime | None, Query(description="only those that were last seen then or later")
    ] = None,
    until: Annotated[
        UtcTime | None, Query(description="only those that were last seen before")
    ] = None,
    paging: PagingDep,
    sort: Annotated[Literal["quirk_id", "-quirk_id"], SORT] = "quirk_id",
) -> Page[Quirk]:
    """List how stations deviate from OCPP, in the order in which it was first seen."""
    found = QuirkFilter(
        station_id=station_id,
        vendor=vendor,
        model=model,
        firmware_version=firmware_version,
        kind=kind,
        since=since,
        until=until,
    )
    order = Order.of(_RESOURCE, sort, usual="quirk_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: quirks.list_after(
            services.db, after=after, limit=limit, found=found, goes_down=order.goes_down
        ),
        key_of=lambda quirk: quirk.quirk_id,
        shown=Quirk.model_validate,
        count=lambda up_to: quirks.count(services.db, up_to=up_to, found=found),
    )


@router.delete(
    "/{quirk_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.QUIRK),
)
async def delete_quirk(quirk_id: UUID, services: ServicesDep) -> None:
    """Forget a quirk, for example to see whether a firmware update has ended it."""
    if not await quirks.forget(services.db, str(quirk_id)):
        raise NotFoundError(f"there is no quirk {str(quirk_id)!r}", code=NotFoundCode.QUIRK)
