"""Files: what is known of them beside their content, which stands in the storage."""

from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.upkeep.files import File, FilePurpose, FileState
from shared.store.pool import Database

COLUMNS = ", ".join(
    "file_id::text" if field.name == "file_id" else field.name for field in fields(File)
)


def file_of(record: asyncpg.Record) -> File:
    """Return a file from its COLUMNS."""
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
        RETURNING {COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        purpose,
        name,
        station_id,
        expires_at,
    )
    assert record is not None  # noqa: S101 - an INSERT without a condition returns its row
    return file_of(record)


async def get(db: Database, file_id: str) -> File:
    """Return one file.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(f"SELECT {COLUMNS} FROM files WHERE file_id = $1", file_id)  # noqa: S608 - as above
    if record is None:
        raise NotFoundError(f"there is no file {file_id}", code=NotFoundCode.FILE)
    return file_of(record)


async def list_before(
    db: Database, *, before: str | None, limit: int, purpose: FilePurpose | None = None
) -> list[File]:
    """Return up to `limit` files, the newest first, from behind `before` on; no removed ones."""
    records = await db.fetch(
        f"""
        SELECT {COLUMNS} FROM files
        WHERE state <> 'removed' AND ($1::uuid IS NULL OR file_id < $1)
          AND ($2::text IS NULL OR purpose = $2)
        ORDER BY files.file_id DESC LIMIT $3
        """,  # noqa: S608 - as above
        before,
        purpose,
        limit,
    )
    return [file_of(record) for record in records]


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
        raise NotFoundError(f"there is no file {file_id}", code=NotFoundCode.FILE)


async def mark_removed(db: Database, file_id: str) -> None:
    """Keep that a file's content is gone."""
    await db.execute(
        """
        UPDATE files
        SET state = 'removed', removed_at = now(), storage_key = NULL, attempts = '{}',
            upload_key = NULL, upload_bytes = NULL, upload_until = NULL
        WHERE file_id = $1
        """,
        file_id,
    )
