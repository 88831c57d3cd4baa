"""Uploads under way: one per file, each with room kept for it before its first byte.

An upload that is alive renews itself. What a dead one had written is removed before its room is
given back, so that the quota holds for what really stands in the storage.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.domain.error_codes import ConflictCode
from shared.domain.errors import ConflictError
from shared.domain.upkeep.files import File, FileState
from shared.store.pool import Connection, Database
from shared.store.upkeep.files import COLUMNS, file_of

# Taken by whoever keeps room, so that the sum that is checked is the sum that is kept.
_QUOTA_LOCK = 7_000_001


class QuotaExceededError(ConflictError):
    """The storage may not take more."""


class UploadUnderWayError(ConflictError):
    """Somebody else is uploading this file."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One try to bring a file's content, and where it writes."""

    file_id: str
    storage_key: str


async def begin(
    db: Database,
    upload: Upload,
    *,
    size_bytes: int,
    ahead_bytes: int,
    lease_s: float,
    max_attempts: int,
    quota_bytes: int,
) -> int:
    """Keep room for an upload, and where its content is about to be written.

    Args:
        db: where files are kept.
        upload: which one.
        size_bytes: what it needs at least.
        ahead_bytes: what it would like to have beyond.
        lease_s: how long it counts as alive.
        max_attempts: how often a file may be tried.
        quota_bytes: what all files may have together.

    Returns:
        The bytes that are kept.

    Raises:
        ConflictError: the file takes no content any more, or was tried too often.
        UploadUnderWayError: there is another upload of it, alive or not yet tidied up.
        QuotaExceededError: it needs more than there is.
    """
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _QUOTA_LOCK)
        file = await connection.fetchrow(
            """
            SELECT state, upload_key, cardinality(attempts) AS attempts FROM files
            WHERE file_id = $1 FOR UPDATE
            """,
            upload.file_id,
        )
        if file is None or file["state"] != FileState.AWAITED or file["attempts"] >= max_attempts:
            raise ConflictError(
                f"file {upload.file_id} takes no content any more: it was removed, is there "
                f"already, or was tried {max_attempts} times",
                code=ConflictCode.FILE_CONTENT_CLOSED,
            )
        if file["upload_key"] is not None:
            raise UploadUnderWayError(
                f"file {upload.file_id} is being uploaded now: send it again when that has failed",
                code=ConflictCode.FILE_UPLOAD_UNDER_WAY,
            )
        kept_bytes = await _fit(
            connection, upload, size_bytes=size_bytes, ahead_bytes=ahead_bytes, quota=quota_bytes
        )
        await connection.execute(
            """
            UPDATE files
            SET attempts = attempts || $2::text, upload_key = $2, upload_bytes = $3,
                upload_until = now() + make_interval(secs => $4)
            WHERE file_id = $1
            """,
            upload.file_id,
            upload.storage_key,
            kept_bytes,
            lease_s,
        )
    return kept_bytes


async def go_on(
    db: Database,
    upload: Upload,
    *,
    size_bytes: int,
    ahead_bytes: int,
    lease_s: float,
    quota_bytes: int,
) -> int:
    """Keep an upload alive, and room for what it has grown to; return the bytes that are kept.

    Raises:
        ConflictError: it counts as dead, or its file was removed.
        QuotaExceededError: it needs more than there is.
    """
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _QUOTA_LOCK)
        kept_bytes = await _fit(
            connection, upload, size_bytes=size_bytes, ahead_bytes=ahead_bytes, quota=quota_bytes
        )
        tag = await connection.execute(
            """
            UPDATE files SET upload_bytes = $3, upload_until = now() + make_interval(secs => $4)
            WHERE file_id = $1 AND upload_key = $2
            """,
            upload.file_id,
            upload.storage_key,
            kept_bytes,
            lease_s,
        )
    if tag == "UPDATE 0":
        raise ConflictError(
            f"file {upload.file_id} was removed meanwhile, or this upload stood still for too "
            "long: send it again, or ask for a new URL",
            code=ConflictCode.FILE_CONTENT_CLOSED,
        )
    return kept_bytes


async def _fit(
    connection: Connection, upload: Upload, *, size_bytes: int, ahead_bytes: int, quota: int
) -> int:
    used: int = await connection.fetchval(
        """
        SELECT (SELECT coalesce(sum(size_bytes), 0) FROM files WHERE state = 'stored')::bigint
             + (SELECT coalesce(sum(upload_bytes), 0) FROM files
                WHERE upload_key IS NOT NULL AND file_id <> $1)::bigint
        """,
        upload.file_id,
    )
    if used + size_bytes > quota:
        raise QuotaExceededError(
            f"{size_bytes} bytes do not fit: {used} of {quota} are in use or kept for uploads "
            "under way; delete files, or raise VOLTARO_FILES_QUOTA_BYTES"
        )
    return min(size_bytes + ahead_bytes, quota - used)


async def finish(
    db: Database,
    upload: Upload,
    *,
    name: str,
    content_type: str | None,
    size_bytes: int,
    sha256: str,
    expires_at: datetime | None,
    quota_bytes: int,
) -> File | None:
    """Keep that the content of a file is there.

    Returns:
        None if the upload counts as dead, or the file's time is over.

    Raises:
        QuotaExceededError: with this one, more would be stored than may be.
    """
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _QUOTA_LOCK)
        await _fit(connection, upload, size_bytes=size_bytes, ahead_bytes=0, quota=quota_bytes)
        record = await connection.fetchrow(
            f"""
            UPDATE files
            SET state = 'stored', storage_key = $2, name = $3, content_type = $4, size_bytes = $5,
                sha256 = $6, expires_at = $7, stored_at = now(),
                attempts = array_remove(attempts, $2),
                upload_key = NULL, upload_bytes = NULL, upload_until = NULL
            WHERE file_id = $1 AND state = 'awaited' AND upload_key = $2
              -- Not now(), when this began: somebody may remove the file since, and what is stored
              -- behind that would stay for ever.
              AND (expires_at IS NULL OR expires_at > clock_timestamp())
            RETURNING {COLUMNS}
            """,  # noqa: S608 - column names of a dataclass
            upload.file_id,
            upload.storage_key,
            name,
            content_type,
            size_bytes,
            sha256,
            expires_at,
        )
    return None if record is None else file_of(record)


async def release(db: Database, upload: Upload) -> None:
    """Give back the room of an upload that has failed, and whose content is gone."""
    await db.execute(
        """
        UPDATE files SET upload_key = NULL, upload_bytes = NULL, upload_until = NULL
        WHERE file_id = $1 AND upload_key = $2
        """,
        upload.file_id,
        upload.storage_key,
    )


async def abandon(db: Database, upload: Upload) -> None:
    """Note that an upload has failed, and that its content is still to be removed."""
    await db.execute(
        "UPDATE files SET upload_until = now() WHERE file_id = $1 AND upload_key = $2",
        upload.file_id,
        upload.storage_key,
    )


async def list_dead(db: Database, *, limit: int, file_id: str | None = None) -> list[Upload]:
    """Return uploads that have not renewed themselves in time.

    Args:
        db: where files are kept.
        limit: how many at most.
        file_id: only of this file.
    """
    records: list[asyncpg.Record] = await db.fetch(
        """
        SELECT file_id::text, upload_key FROM files
        WHERE upload_key IS NOT NULL AND upload_until <= now()
          AND ($2::uuid IS NULL OR file_id = $2)
        ORDER BY upload_until LIMIT $1
        """,
        limit,
        file_id,
    )
    return [Upload(record["file_id"], record["upload_key"]) for record in records]
