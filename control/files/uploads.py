"""From a request's body into the storage, chunk by chunk."""

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from starlette.requests import Request

from control import problems
from control.errors import ProblemError
from control.files.multipart import find_boundary, read_form
from control.files.settings import FileSettings
from control.files.storage import Storage
from shared.domain.error_codes import ConflictCode
from shared.domain.errors import ConflictError, InvalidInputError, UnavailableError
from shared.domain.upkeep.files import File, FilePurpose, FileState, clean_name
from shared.store.pool import Database
from shared.store.upkeep import files, uploads
from shared.store.upkeep.uploads import QuotaExceededError, Upload, UploadUnderWayError

log = structlog.get_logger()

_CONTENT_TYPE_MAX_LENGTH = 100
_AHEAD_BYTES = 1024 * 1024
_CLOSE = {"Connection": "close"}
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)


class Uploads:
    """Takes what is uploaded.

    Args:
        db: where files are kept.
        storage: where their content is.
        settings: limits.
    """

    def __init__(self, db: Database, storage: Storage, settings: FileSettings) -> None:
        self._db = db
        self._storage = storage
        self._settings = settings

    async def receive(self, file: File, request: Request, *, name: str | None = None) -> File:
        """Store the body of a request, a file or a form with one, as the content of `file`.

        Content that is there already stays; the same content again is no error, as a station that
        missed our answer brings it again.

        Args:
            file: whose content it is.
            request: its body has not been read.
            name: what it is called from now on, unless the form says so.

        Raises:
            ConflictError: there is other content, it was tried too often, or the file is removed.
            ProblemError: it is too large, there is no room for it, it came too slowly, or another
                upload of it is under way.
            InvalidInputError: there is no content, or the form cannot be read.
            UnavailableError: the storage is away.
        """
        if "content-range" in request.headers:
            # RFC 9110 §14.5: a server that does not do this must say so, or keep half a file.
            raise ProblemError(
                problems.MALFORMED_REQUEST,
                "parts of a file cannot be uploaded: send the whole file",
            )
        content_type = request.headers.get("content-type")
        body = _paced(request, self._settings.files_idle_timeout_s)
        boundary = find_boundary(content_type)
        if boundary is not None:
            form = await read_form(body, boundary)
            name, content_type, body = form.name or name, form.content_type, form.content
        if file.state is FileState.STORED:
            return await self._compare(file, _Content(body, self._settings.files_max_bytes))
        room = await self._begin(file, request)
        content = _Content(body, self._settings.files_max_bytes, room.hold)
        try:
            await self._write(room.upload.storage_key, content)
            stored = await uploads.finish(
                self._db,
                room.upload,
                name=clean_name(name or file.name, otherwise=file.name),
                content_type=content_type and content_type[:_CONTENT_TYPE_MAX_LENGTH],
                size_bytes=content.size_bytes,
                sha256=content.sha256,
                expires_at=self._expiry(file.purpose),
                quota_bytes=self._settings.files_quota_bytes,
            )
        except QuotaExceededError as error:
            await self._discard(room.upload)
            raise ProblemError(problems.STORAGE_FULL, str(error), headers=_CLOSE) from error
        except BaseException:
            await self._discard(room.upload)
            raise
        if stored is None:
            await self._discard(room.upload)
            return self._same(await files.get(self._db, file.file_id), content)
        log.info("a file was stored", file_id=file.file_id, size_bytes=content.size_bytes)
        return stored

    async def _begin(self, file: File, request: Request) -> "_Room":
        """Keep room before anything is written: refuse what cannot fit before it costs its time."""
        told = request.headers.get("content-length", "")
        announced_bytes = int(told) if _LENGTH.fullmatch(told) else None
        room = _Room(
            self._db,
            Upload(file.file_id, f"{file.file_id}/{secrets.token_hex(8)}"),
            self._settings,
            announced_bytes=announced_bytes,
        )
        try:
            await remove_dead(self._db, self._storage, limit=1, file_id=file.file_id)
            await room.begin()
        except QuotaExceededError as error:
            raise ProblemError(problems.STORAGE_FULL, str(error), headers=_CLOSE) from error
        except UploadUnderWayError as error:
            raise ProblemError(
                problems.CONFLICT,
                str(error),
                code=ConflictCode.FILE_UPLOAD_UNDER_WAY,
                headers={**_CLOSE, "Retry-After": str(problems.RETRY_AFTER_S)},
            ) from error
        return room

    async def _write(self, key: str, content: "_Content") -> None:
        try:
            await self._storage.write(key, content.chunks())
        except Exception:
            # What went wrong with the body itself, before it went through the storage's hands.
            if content.error is not None:
                raise content.error from None
            raise
        if content.size_bytes == 0:
            raise InvalidInputError("the body is empty: send the file as the body, or in a form")

    async def _compare(self, file: File, content: "_Content") -> File:
        async for _ in content.chunks():
            pass
        return self._same(file, content)

    @staticmethod
    def _same(file: File, content: "_Content") -> File:
        if file.sha256 == content.sha256:
            return file
        if file.state is not FileState.STORED:
            raise ConflictError(
                f"file {file.file_id} was removed or expired meanwhile: ask for a new URL",
                code=ConflictCode.FILE_CONTENT_CLOSED,
            )
        raise ConflictError(
            f"file {file.file_id} has its content already, and this is another: ask for a new URL",
            code=ConflictCode.FILE_CONTENT_CLOSED,
        )

    async def _discard(self, upload: Upload) -> None:
        try:
            await self._storage.delete(upload.storage_key)
        except UnavailableError as error:
            # The worker removes it when the storage is back; until then its room is kept.
            log.warning(
                "content of a failed upload stays for now",
                key=upload.storage_key,
                error=str(error),
            )
            await uploads.abandon(self._db, upload)
        else:
            await uploads.release(self._db, upload)

    def _expiry(self, purpose: FilePurpose) -> datetime | None:
        if purpose is FilePurpose.FIRMWARE:
            return None
        return datetime.now(UTC) + timedelta(days=self._settings.files_log_retention_days)


class _Room:
    """The room that is kept for one upload, renewed and widened as its content comes."""

    def __init__(
        self,
        db: Database,
        upload: Upload,
        settings: FileSettings,
        *,
        announced_bytes: int | None,
    ) -> None:
        self.upload = upload
        self._db = db
        self._announced_bytes = announced_bytes
        self._lease_s = settings.files_upload_lease_s
        self._max_attempts = settings.files_max_attempts
        self._quota_bytes = settings.files_quota_bytes
        self._kept_bytes = 0
        self._renew_at = 0.0

    async def begin(self) -> None:
        self._kept_bytes = await uploads.begin(
            self._db,
            self.upload,
            size_bytes=self._announced_bytes or 0,
            ahead_bytes=self._ahead(0),
            lease_s=self._lease_s,
            max_attempts=self._max_attempts,
            quota_bytes=self._quota_bytes,
        )
        self._renew_at = time.monotonic() + self._lease_s / 4

    async def hold(self, size_bytes: int) -> None:
        """Make sure that there is room for so many bytes in all.

        Raises:
            QuotaExceededError: there is none.
            ConflictError: this upload counts as dead.
        """
        if size_bytes <= self._kept_bytes and time.monotonic() < self._renew_at:
            return
        self._kept_bytes = await uploads.go_on(
            self._db,
            self.upload,
            size_bytes=max(size_bytes, self._announced_bytes or 0),
            ahead_bytes=self._ahead(size_bytes),
            lease_s=self._lease_s,
            quota_bytes=self._quota_bytes,
        )
        self._renew_at = time.monotonic() + self._lease_s / 4

    def _ahead(self, size_bytes: int) -> int:
        # In growing steps, so that a long upload asks Postgres a few dozen times.
        return 0 if self._announced_bytes is not None else _AHEAD_BYTES + size_bytes // 4


async def _no_room_needed(_: int) -> None:
    """Take content that is compared, and not kept."""


class _Content:
    """Content on its way: counted, hashed, and stopped where it is too long."""

    def __init__(
        self,
        body: AsyncIterator[bytes],
        max_bytes: int,
        hold: Callable[[int], Awaitable[None]] = _no_room_needed,
    ) -> None:
        self.size_bytes = 0
        self.error: Exception | None = None
        self._body = body
        self._max_bytes = max_bytes
        self._hold = hold
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                self._take(chunk)
                await self._hold(self.size_bytes)
                yield chunk
        except Exception as error:
            self.error = error
            raise

    def _take(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > self._max_bytes:
            raise ProblemError(
                problems.BODY_TOO_LARGE,
                f"a file may have {self._max_bytes} bytes (VOLTARO_FILES_MAX_BYTES)",
                headers={"Connection": "close"},
            )
        self._hash.update(chunk)


async def remove_dead(
    db: Database, storage: Storage, *, limit: int, file_id: str | None = None
) -> int:
    """Remove what dead uploads have left, and give their room back; return how many there were.

    Args:
        db: where files are kept.
        storage: where their content is.
        limit: how many at most.
        file_id: only of this file.

    Raises:
        UnavailableError: the storage is away; saying it again goes on where it ended.
    """
    dead = await uploads.list_dead(db, limit=limit, file_id=file_id)
    for upload in dead:
        await storage.delete(upload.storage_key)
        await uploads.release(db, upload)
    return len(dead)


async def _paced(request: Request, idle_timeout_s: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_timeout_s):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ProblemError(
                problems.REQUEST_TIMEOUT,
                f"nothing came for {idle_timeout_s:g} s: send the file again",
                headers={"Connection": "close"},
            ) from None
        if chunk is None:
            return
        if chunk:
            yield chunk
