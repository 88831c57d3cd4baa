"""Planned maintenance."""

from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import InvalidInputError, NotFoundError
from shared.domain.stations.availability import MaintenanceWindow
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
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
    db: Database,
    station_id: str,
    *,
    after: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = False,
) -> list[MaintenanceWindow]:
    """Return up to `limit` windows of a station, in the order they were planned.

    Args:
        db: the pool.
        station_id: whose.
        after: id of the window before.
        limit: how many at most.
        since: only those that end later.
        until: only those that start before.
        goes_down: whether the one that was planned last comes first.
    """
    conditions = _conditions(limit, station_id, since, until)
    order = conditions.in_order(
        "maintenance_windows.window_id", behind=after and [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM maintenance_windows WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_window(record) for record in records]


async def count(
    db: Database,
    station_id: str,
    *,
    up_to: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many windows a list has, counting no further than `up_to`."""
    conditions = _conditions(up_to, station_id, since, until)
    return await count_rows(db, "maintenance_windows", conditions)


def _conditions(
    limit: int, station_id: str, since: datetime | None, until: datetime | None
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("ends_at >", since)
    conditions.compare("starts_at <", until)
    return conditions


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
