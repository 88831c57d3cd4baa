"""Planned maintenance."""

from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import InvalidInputError, NotFoundError
from shared.domain.stations.availability import MaintenanceWindow
from shared.store.pool import Database

_COLUMNS = ", ".join(
    f"{field.name}::text" if field.name == "window_id" else field.name
    for field in fields(MaintenanceWindow)
)
_UPDATABLE = frozenset({"evse_id", "starts_at", "ends_at", "note"})


async def create(
    db: Database,
    *,
    station_id: str,
    evse_id: int | None,
    starts_at: datetime,
    ends_at: datetime,
    note: str | None,
) -> MaintenanceWindow:
    """Plan maintenance.

    Raises:
        NotFoundError: there is no such station.
    """
    try:
        record = await db.fetchrow(
            f"""
            INSERT INTO maintenance_windows (station_id, evse_id, starts_at, ends_at, note)
            VALUES ($1, $2, $3, $4, $5) RETURNING {_COLUMNS}
            """,  # noqa: S608 - column names of a dataclass
            station_id,
            evse_id,
            starts_at,
            ends_at,
            note,
        )
    except asyncpg.ForeignKeyViolationError:
        raise NotFoundError(
            f"there is no station {station_id!r}", code=NotFoundCode.STATION
        ) from None
    assert record is not None  # noqa: S101 - an INSERT that raises nothing returns its row
    return _window(record)


async def list_after(
    db: Database, station_id: str, *, after: str | None, limit: int
) -> list[MaintenanceWindow]:
    """Return up to `limit` windows of a station, in the order they were planned."""
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM maintenance_windows
        WHERE station_id = $1 AND ($2::uuid IS NULL OR window_id > $2)
        ORDER BY maintenance_windows.window_id LIMIT $3
        """,  # noqa: S608 - as above
        station_id,
        after,
        limit,
    )
    return [_window(record) for record in records]


async def get(db: Database, station_id: str, window_id: str) -> MaintenanceWindow:
    """Return one window.

    Raises:
        NotFoundError: this station has none of this id.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM maintenance_windows WHERE station_id = $1 AND window_id = $2",  # noqa: S608 - as above
        station_id,
        window_id,
    )
    if record is None:
        raise _not_found(station_id, window_id)
    return _window(record)


async def update(
    db: Database, station_id: str, window_id: str, changes: dict[str, Any]
) -> MaintenanceWindow:
    """Change a window.

    Args:
        db: the pool.
        station_id: whose.
        window_id: which.
        changes: column to new value; evse_id, starts_at, ends_at, note.

    Raises:
        NotFoundError: this station has none of this id.
        InvalidInputError: it would end before it starts.
    """
    if not changes:
        return await get(db, station_id, window_id)
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=3))
    try:
        record = await db.fetchrow(
            f"""
            UPDATE maintenance_windows SET {assignments}, updated_at = now()
            WHERE station_id = $1 AND window_id = $2 RETURNING {_COLUMNS}
            """,  # noqa: S608 - the names are checked above, the values are parameters
            station_id,
            window_id,
            *changes.values(),
        )
    except asyncpg.CheckViolationError:
        raise InvalidInputError(
            "a maintenance window ends after it starts: give ends_at as well, or a later one"
        ) from None
    if record is None:
        raise _not_found(station_id, window_id)
    return _window(record)


async def delete(db: Database, station_id: str, window_id: str) -> None:
    """Forget a window: what was an outage within it counts again.

    Raises:
        NotFoundError: this station has none of this id.
    """
    done = await db.execute(
        "DELETE FROM maintenance_windows WHERE station_id = $1 AND window_id = $2",
        station_id,
        window_id,
    )
    if done == "DELETE 0":
        raise _not_found(station_id, window_id)


def _window(record: asyncpg.Record) -> MaintenanceWindow:
    return MaintenanceWindow(**record)


def _not_found(station_id: str, window_id: str) -> NotFoundError:
    return NotFoundError(
        f"station {station_id!r} has no maintenance window {window_id}",
        code=NotFoundCode.MAINTENANCE_WINDOW,
    )
