"""Files: what is known of them beside their content, which stands in the storage."""

from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.files import File, FilePurpose, FileState
from shared.store.pool import Connection, Database

_COLUMNS = ", ".join(
    "file_id::text" if field.name == "file_id" else field.name for field in fields(File)
)
# Taken by whoever adds content, so that the sum that is checked is the sum that is kept.
_QUOTA_LOCK = 7_000_001


class QuotaExceededError(ConflictError):
    """The storage may not take more."""


def _file(record: asyncpg.Record) -> File:
    return File(
        **{
            **record,
            "purpose": FilePurpose(record["purpose"]),
            "state": FileState(record["state"]),
        }
    )


async def create(
    db: Database,
    *,
    purpose: FilePurpose,
    name: str,
    station_id: str | None = None,
    expires_at: datetime | None = None,
) -> File:
    """Keep a file whose content is still to come."""
    record = await db.fetchrow(
        f"""
        INSERT INTO files (purpose, name, station_id, expires_at) VALUES ($1, $2, $3, $4)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        purpose,
        name,
        station_id,
        expires_at,
    )
    assert record is not None  # noqa: S101 - an INSERT without a condition returns its row
    return _file(record)


async def get(db: Database, file_id: str) -> File:
    """Return one file.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(f"SELECT {_COLUMNS} FROM files WHERE file_id = $1", file_id)  # noqa: S608 - as above
    if record is None:
        raise NotFoundError(f"there is no file {file_id}")
    return _file(record)


async def list_before(
    db: Database, *, before: str | None, limit: int, purpose: FilePurpose | None = None
) -> list[File]:
    """Return up to `limit` files, the newest first, from behind `before` on; no removed ones."""
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM files
        WHERE state <> 'removed' AND ($1::uuid IS NULL OR file_id < $1)
          AND ($2::text IS NULL OR purpose = $2)
        ORDER BY files.file_id DESC LIMIT $3
        """,  # noqa: S608 - as above
        before,
        purpose,
        limit,
    )
    return [_file(record) for record in records]


async def require_room(db: "Database | Connection", *, size_bytes: int, quota_bytes: int) -> None:
    """Return if so much more may be stored now.

    Raises:
        QuotaExceededError: it may not.
    """
    used = await db.fetchval(
        "SELECT coalesce(sum(size_bytes), 0)::bigint FROM files WHERE state = 'stored'"
    )
    if used + size_bytes > quota_bytes:
        raise QuotaExceededError(
            f"{size_bytes} bytes do not fit: {used} of {quota_bytes} are in use; delete files, "
            "or raise VOLTARO_FILES_QUOTA_BYTES"
        )


async def begin_attempt(db: Database, file_id: str, storage_key: str, *, max_attempts: int) -> bool:
    """Keep where the content of an upload is about to be written.

    Returns:
        False if the file does not wait for content, or was tried too often.
    """
    tag = await db.execute(
        """
        UPDATE files SET attempts = attempts || $2::text
        WHERE file_id = $1 AND state = 'awaited' AND cardinality(attempts) < $3
        """,
        file_id,
        storage_key,
        max_attempts,
    )
    return tag == "UPDATE 1"


async def finish_attempt(
    db: Database,
    file_id: str,
    *,
    storage_key: str,
    name: str,
    content_type: str | None,
    size_bytes: int,
    sha256: str,
    expires_at: datetime | None,
    quota_bytes: int,
) -> File | None:
    """Keep that the content of a file is there; the first upload to end is the one.

    Returns:
        None if another one has ended before, or the file's time is over.

    Raises:
        QuotaExceededError: with this one, more would be stored than may be.
    """
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _QUOTA_LOCK)
        await require_room(connection, size_bytes=size_bytes, quota_bytes=quota_bytes)
        record = await connection.fetchrow(
            f"""
            UPDATE files
            SET state = 'stored', storage_key = $2, name = $3, content_type = $4, size_bytes = $5,
                sha256 = $6, expires_at = $7, stored_at = now(),
                attempts = array_remove(attempts, $2)
            WHERE file_id = $1 AND state = 'awaited'
              -- Not now(), when this began: somebody may remove the file since, and what is stored
              -- behind that would stay for ever.
              AND (expires_at IS NULL OR expires_at > clock_timestamp())
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - as above
            file_id,
            storage_key,
            name,
            content_type,
            size_bytes,
            sha256,
            expires_at,
        )
    return None if record is None else _file(record)


async def list_contents(db: Database, file_id: str) -> list[str]:
    """Return every place in the storage that may hold content of a file."""
    record = await db.fetchrow(
        "SELECT attempts, storage_key FROM files WHERE file_id = $1", file_id
    )
    if record is None:
        return []
    return [*record["attempts"], *([record["storage_key"]] if record["storage_key"] else [])]


async def list_expired(db: Database, *, limit: int) -> list[str]:
    """Return files whose time is over."""
    records = await db.fetch(
        """
        SELECT file_id::text FROM files
        WHERE state <> 'removed' AND expires_at <= now() ORDER BY expires_at LIMIT $1
        """,
        limit,
    )
    return [record["file_id"] for record in records]


async def expire(db: Database, file_id: str) -> None:
    """Let a file's time be over, so that it is removed even if this process ends before.

    Raises:
        NotFoundError: there is no such file, or it is removed already.
    """
    tag = await db.execute(
        "UPDATE files SET expires_at = now() WHERE file_id = $1 AND state <> 'removed'", file_id
    )
    if tag == "UPDATE 0":
        raise NotFoundError(f"there is no file {file_id}")


async def mark_removed(db: Database, file_id: str) -> None:
    """Keep that a file's content is gone."""
    await db.execute(
        """
        UPDATE files SET state = 'removed', removed_at = now(), storage_key = NULL, attempts = '{}'
        WHERE file_id = $1
        """,
        file_id,
    )
