"""Quirks: how stations deviate from OCPP, per vendor, model and firmware."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from control import problems
from control.api.stations.quirks_schemas import Quirk
from control.api.types import StationId
from control.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cut_page, decode_uuid, encode_cursor
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.stations.quirks import QuirkKind
from shared.store.stations import quirks

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
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Quirk]:
    """List how stations deviate from OCPP, in the order in which it was first seen."""
    key = decode_uuid(_RESOURCE, cursor)
    rows, next_cursor = cut_page(
        await quirks.list_after(
            services.db,
            after=key,
            limit=limit + 1,
            station_id=station_id,
            vendor=vendor,
            model=model,
            firmware_version=firmware_version,
            kind=kind,
        ),
        limit=limit,
        cursor_of=lambda quirk: encode_cursor(_RESOURCE, quirk.quirk_id),
    )
    return Page(items=[Quirk.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/{quirk_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.QUIRK),
)
async def delete_quirk(quirk_id: UUID, services: ServicesDep) -> None:
    """Forget a quirk, for example to see whether a firmware update has ended it."""
    if not await quirks.forget(services.db, str(quirk_id)):
        raise NotFoundError(f"there is no quirk {str(quirk_id)!r}", code=NotFoundCode.QUIRK)
