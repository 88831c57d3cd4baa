"""Files: firmware that operators bring, and logs that stations have brought."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from pydantic import Field

from control import problems
from control.api.accounts.organizations_schemas import OfOrganization, OrganizationId
from control.api.types import ONE_LINE, Since, Until
from control.api.upkeep.files_schemas import File, FileUpdate
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import UnavailableError
from shared.domain.upkeep.files import FilePurpose, clean_name
from shared.store.upkeep import files

router = APIRouter(prefix="/v1/files", tags=["files"])

_RESOURCE = "files"
_OTHERWISE = "firmware.bin"
_UPLOAD_TAKES_LESS = timedelta(days=1)
# FastAPI would read the body before the route runs, so the document says by hand what it is.
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "examples": {"image": {"summary": "the image itself", "value": "\u007fELF..."}},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                },
                "examples": {"form": {"summary": "a form", "value": {"file": "\u007fELF..."}}},
            },
        },
    }
}


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(
        problems.MALFORMED_REQUEST,
        problems.REQUEST_TIMEOUT,
        problems.CONFLICT,
        ConflictCode.FILE_CONTENT_CLOSED,
        ConflictCode.FILE_STORAGE_NOT_SET_UP,
        ConflictCode.FILE_UPLOAD_UNDER_WAY,
        problems.BODY_TOO_LARGE,
        problems.STORAGE_FULL,
    ),
    openapi_extra=_BODY,
)
async def create_file(
    request: Request,
    services: ServicesDep,
    response: Response,
    name: Annotated[
        Annotated[str, Field(max_length=255), ONE_LINE] | None,
        Query(description="what the file is called, unless the form says it"),
    ] = None,
    organization_id: Annotated[
        OrganizationId | None,
        Query(description="the organization it is to belong to; left out, one's own"),
    ] = None,
) -> File:
    """Upload firmware, as the body itself or as the first file of a form.

    It is stored as it comes, up to `VOLTARO_FILES_MAX_BYTES`. Compare `sha256` with what the
    manufacturer tells.
    """
    uploads = services.files.uploads
    file = await files.create(
        services.db,
        purpose=FilePurpose.FIRMWARE,
        name=clean_name(name or "", otherwise=_OTHERWISE),
        # Until it is stored: should this process end before, the worker removes what there is.
        expires_at=datetime.now(UTC) + _UPLOAD_TAKES_LESS,
        organization_id=organization_id,
    )
    try:
        file = await uploads.receive(file, request)
    except Exception:
        with suppress(UnavailableError):
            await services.files.remove(file.file_id)
        raise
    response.headers["Location"] = f"/v1/files/{file.file_id}"
    return File.of(file, services.files.operator_link(file))


@router.get("")
async def list_files(
    *,
    services: ServicesDep,
    paging: PagingDep,
    purpose: Annotated[FilePurpose | None, Query(description="only these")] = None,
    organization_id: OfOrganization = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["file_id", "-file_id"], SORT] = "-file_id",
) -> Page[File]:
    """List the files as they were made, the newest first."""
    order = Order.of(_RESOURCE, sort, usual="-file_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: files.list_before(
            services.db,
            before=before,
            limit=limit,
            goes_down=order.goes_down,
            purpose=purpose,
            organization_id=organization_id,
            since=since,
            until=until,
        ),
        key_of=lambda file: file.file_id,
        shown=lambda file: File.of(file, services.files.operator_link(file)),
        count=lambda up_to: files.count(
            services.db,
            up_to=up_to,
            purpose=purpose,
            organization_id=organization_id,
            since=since,
            until=until,
        ),
    )


@router.get("/{file_id}", responses=problems.responses(NotFoundCode.FILE))
async def get_file(file_id: UUID, services: ServicesDep) -> File:
    """Return what is known of one file, with a link to download it."""
    file = await files.get(services.db, str(file_id))
    return File.of(file, services.files.operator_link(file))


@router.patch("/{file_id}", responses=problems.responses(NotFoundCode.FILE))
async def update_file(file_id: UUID, body: FileUpdate, services: ServicesDep) -> File:
    """Give a file to another organization, with its content."""
    changes = body.model_dump(exclude_unset=True)
    if changes:
        file = await files.update(services.db, str(file_id), **changes)
    else:
        file = await files.get(services.db, str(file_id))
    return File.of(file, services.files.operator_link(file))


@router.delete(
    "/{file_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.FILE, ConflictCode.FILE_STORAGE_NOT_SET_UP),
)
async def delete_file(file_id: UUID, services: ServicesDep) -> None:
    """Remove a file for good. Stations that are still to fetch it will not."""
    await services.files.remove(str(file_id))
