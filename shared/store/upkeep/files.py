"""Files: what is known of them beside their content, which stands in the storage."""

from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.upkeep.files import File, FilePurpose, FileState
from shared.store import organization_scope
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
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
    organization_id: str | None = None,
) -> File:
    """Keep a file whose content is still to come.

    One of a station belongs to its organization; else, if none is named, to that of the caller.

    Raises:
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    record = await db.fetchrow(
        f"""
        INSERT INTO files (purpose, name, station_id, expires_at, organization_id)
        VALUES ($1, $2, $3, $4, coalesce(
            $5, (SELECT organization_id FROM stations WHERE station_id = $3), own_organization()))
        RETURNING {COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        purpose,
        name,
        station_id,
        expires_at,
        organization_id,
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
    db: Database,
    *,
    before: str | None,
    limit: int,
    goes_down: bool = True,
    purpose: FilePurpose | None = None,
    organization_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[File]:
    """Return up to `limit` files, the newest first, from behind `before` on; no removed ones.

    Args:
        db: the pool.
        before: id of the file before.
        limit: how many at most.
        goes_down: whether the newest comes first.
        purpose: only those for this.
        organization_id: only those that belong to it.
        since: only those of then or later.
        until: only those before.
    """
    conditions = _conditions(limit, purpose, organization_id, since, until)
    order = conditions.in_order("files.file_id", behind=before and [before], goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {COLUMNS} FROM files WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [file_of(record) for record in records]


async def update(db: Database, file_id: str, *, organization_id: str) -> File:
    """Give a file to another organization.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    record = await db.fetchrow(
        f"UPDATE files SET organization_id = $2 WHERE file_id = $1 RETURNING {COLUMNS}",  # noqa: S608 - as above
        file_id,
        organization_id,
    )
    if record is None:
        raise NotFoundError(f"there is no file {file_id}", code=NotFoundCode.FILE)
    return file_of(record)


async def count(
    db: Database,
    *,
    up_to: int,
    purpose: FilePurpose | None = None,
    organization_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many files there are, counting no further than `up_to`."""
    conditions = _conditions(up_to, purpose, organization_id, since, until)
    return await count_rows(db, "files", conditions)


def _conditions(
    limit: int,
    purpose: FilePurpose | None,
    organization_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Conditions:
    conditions = Conditions(limit)
    conditions.add("state <> 'removed'")
    conditions.compare("purpose =", purpose)
    conditions.compare("organization_id =", organization_id)
    conditions.made("created_at", key="files.file_id", since=since, until=until)
    return conditions


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
