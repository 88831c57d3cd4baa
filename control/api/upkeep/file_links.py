"""What signed URLs lead to: downloads and uploads, by stations and people, without an API key."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from control import problems
from control.errors import ProblemError
from control.files.links import Allows, LinkError
from control.files.ranges import ByteRange, UnsatisfiableRangeError, parse_range
from control.services import Services, ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.upkeep.files import File, FileState
from shared.store.upkeep import files

# Not in the document that clients are generated from: nobody makes these URLs but us.
router = APIRouter(prefix="/files", include_in_schema=False)


class _Permission(BaseModel):
    """The part of a signed URL behind the question mark."""

    expires: str = Field(default="", max_length=32)
    signature: str = Field(default="", max_length=400)  # room for what a station appends


_Given = Annotated[_Permission, Query()]


@router.api_route("/{file_id}/{name}", methods=["GET", "HEAD"])
async def download(
    *,
    file_id: UUID,
    name: str,
    request: Request,
    services: ServicesDep,
    given: _Given,
) -> Response:
    """Give a file, or the part of it that the header Range names."""
    _require(services, Allows.DOWNLOAD, file_id, name, given)
    file = await files.get(services.db, str(file_id))
    if file.state is not FileState.STORED or file.storage_key is None or file.size_bytes is None:
        raise NotFoundError(
            f"file {file_id} has no content: it was removed, or is still to come",
            code=NotFoundCode.FILE_CONTENT,
        )
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.sha256}"',
        "Cache-Control": "private, no-transform",
        # It is never shown, as it may be anything. The name is one that we have signed, so that no
        # character of it needs quoting.
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    part = _part(request, file, file.size_bytes)
    span = part or ByteRange(0, file.size_bytes)
    headers["Content-Length"] = str(span.end - span.start)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{file.size_bytes}"
    status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
    media_type = "application/octet-stream"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    content = await services.files.storage.read(file.storage_key, span.start, span.end)
    return StreamingResponse(content, status_code=status, headers=headers, media_type=media_type)


@router.api_route("/{file_id}/{name}", methods=["PUT", "POST"])
@router.api_route("/{file_id}/{name}/{appended:path}", methods=["PUT", "POST"])
async def upload(
    *,
    file_id: UUID,
    name: str,
    request: Request,
    services: ServicesDep,
    given: _Given,
    appended: str = "",
) -> Response:
    """Take a file: as the body of a PUT or POST, or in a form.

    Some stations treat the URL as a directory and append the name of their file, to the path or to
    the whole URL.
    """
    _require(services, Allows.UPLOAD, file_id, name, given)
    file = await files.get(services.db, str(file_id))
    told = appended or given.signature.partition("/")[2]
    await services.files.uploads.receive(file, request, name=told or None)
    return Response(status_code=HTTPStatus.CREATED)


def _require(
    services: Services, allows: Allows, file_id: UUID, name: str, given: _Permission
) -> None:
    try:
        services.files.links.check(
            allows,
            file_id=str(file_id),
            name=name,
            expires=given.expires,
            signature=given.signature,
            now=datetime.now(UTC),
        )
    except LinkError as error:
        raise ProblemError(
            problems.FORBIDDEN, str(error), headers={"Connection": "close"}
        ) from None


def _part(request: Request, file: File, size_bytes: int) -> ByteRange | None:
    condition = request.headers.get("if-range")
    if condition is not None and condition != f'"{file.sha256}"':
        return None  # it was another file, of which a part would be of no use
    try:
        return parse_range(request.headers.get("range"), size_bytes)
    except UnsatisfiableRangeError:
        raise ProblemError(
            problems.RANGE_NOT_SATISFIABLE,
            f"the file has {size_bytes} bytes",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        ) from None
