"""From a request's body into the storage, chunk by chunk."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import structlog
from starlette.requests import Request

from control import problems
from control.errors import ProblemError
from control.files.multipart import find_boundary, read_form
from control.files.settings import FileSettings
from control.files.storage import Storage
from shared.domain.errors import ConflictError, InvalidInputError, UnavailableError
from shared.domain.files import File, FilePurpose, FileState, clean_name
from shared.store import files
from shared.store.files import QuotaExceededError
from shared.store.pool import Database

log = structlog.get_logger()

_CONTENT_TYPE_MAX_LENGTH = 100
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
            ProblemError: it is too large, there is no room for it, or it came too slowly.
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
        content = _Content(body, self._settings.files_max_bytes)
        if file.state is FileState.STORED:
            return await self._compare(file, content)
        await self._require_room(request)
        key = f"{file.file_id}/{secrets.token_hex(8)}"
        if not await files.begin_attempt(
            self._db, file.file_id, key, max_attempts=self._settings.files_max_attempts
        ):
            raise ConflictError(
                f"file {file.file_id} takes no content any more: it was removed, or was tried "
                f"{self._settings.files_max_attempts} times"
            )
        try:
            await self._write(key, content)
            stored = await files.finish_attempt(
                self._db,
                file.file_id,
                storage_key=key,
                name=clean_name(name or file.name, otherwise=file.name),
                content_type=content_type and content_type[:_CONTENT_TYPE_MAX_LENGTH],
                size_bytes=content.size_bytes,
                sha256=content.sha256,
                expires_at=self._expiry(file.purpose),
                quota_bytes=self._settings.files_quota_bytes,
            )
        except QuotaExceededError as error:
            await self._discard(key)
            raise ProblemError(problems.STORAGE_FULL, str(error)) from error
        except BaseException:
            await self._discard(key)
            raise
        if stored is None:
            await self._discard(key)
            return self._same(await files.get(self._db, file.file_id), content)
        log.info("a file was stored", file_id=file.file_id, size_bytes=content.size_bytes)
        return stored

    async def _require_room(self, request: Request) -> None:
        """Refuse what cannot fit before it costs a station its time, and the disk its room."""
        told = request.headers.get("content-length", "")
        announced_bytes = int(told) if _LENGTH.fullmatch(told) else 0
        try:
            await files.require_room(
                self._db, size_bytes=announced_bytes, quota_bytes=self._settings.files_quota_bytes
            )
        except QuotaExceededError as error:
            raise ProblemError(
                problems.STORAGE_FULL, str(error), headers={"Connection": "close"}
            ) from error

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
                f"file {file.file_id} was removed or expired meanwhile: ask for a new URL"
            )
        raise ConflictError(
            f"file {file.file_id} has its content already, and this is another: ask for a new URL"
        )

    async def _discard(self, key: str) -> None:
        try:
            await self._storage.delete(key)
        except UnavailableError as error:
            # It is in the file's list of attempts, and goes with it.
            log.warning("content of a failed upload stays for now", key=key, error=str(error))

    def _expiry(self, purpose: FilePurpose) -> datetime | None:
        if purpose is FilePurpose.FIRMWARE:
            return None
        return datetime.now(UTC) + timedelta(days=self._settings.files_log_retention_days)


class _Content:
    """Content on its way: counted, hashed, and stopped where it is too long."""

    def __init__(self, body: AsyncIterator[bytes], max_bytes: int) -> None:
        self.size_bytes = 0
        self.error: Exception | None = None
        self._body = body
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                self._take(chunk)
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
