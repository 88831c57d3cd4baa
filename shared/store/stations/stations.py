"""Stations and their connectors, and what the handshake needs to know of them."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, InvalidInputError, NotFoundError
from shared.domain.stations.stations import (
    Connector,
    ConnectorStatus,
    Credentials,
    RegistrationStatus,
    SecurityProfile,
    Station,
    StationFilter,
)
from shared.store import organization_scope, password_changes, station_names, station_selection
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(Station))
_CONNECTOR_COLUMNS = ", ".join(field.name for field in fields(Connector))
_ALL = StationFilter()
_UPDATABLE = frozenset(
    {
        "name",
        "security_profile",
        "password_hash",
        "registration_status",
        "heartbeat_interval_s",
        "location_id",
        "certificate_serial_number",
        "organization_id",
    }
)


def _station(record: asyncpg.Record) -> Station:
    return Station(
        **{
            **record,
            "security_profile": SecurityProfile(record["security_profile"]),
            "registration_status": RegistrationStatus(record["registration_status"]),
        }
    )


def _not_found(station_id: str) -> NotFoundError:
    return NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)


async def create(
    db: Database,
    *,
    station_id: str,
    name: str | None,
    security_profile: SecurityProfile,
    password_hash: str | None,
    registration_status: RegistrationStatus,
    heartbeat_interval_s: int | None,
    certificate_serial_number: str | None = None,
    organization_id: str | None = None,
) -> Station:
    """Register a station; without an organization it belongs to that of the caller.

    Its epoch is that of the newest connection until now, of any station: one of another box that
    had the same id before does not speak for it.

    Raises:
        ConflictError: the id is taken, or certificates of another station are called so.
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    await station_names.check(db, station_id, certificate_serial_number)
    record = await db.fetchrow(
        f"""
        INSERT INTO stations (station_id, name, security_profile, password_hash,
                              registration_status, heartbeat_interval_s,
                              certificate_serial_number, organization_id, epoch)
        SELECT $1, $2, $3::smallint, $4, $5, $6::integer, $7, coalesce($8, own_organization()),
               CASE WHEN is_called THEN last_value ELSE last_value - 1 END
        FROM station_epochs
        ON CONFLICT DO NOTHING
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        station_id,
        name,
        security_profile,
        password_hash,
        registration_status,
        heartbeat_interval_s,
        certificate_serial_number,
        organization_id,
    )
    if record is None:
        raise ConflictError(
            f"there is a station {station_id!r} already, or one with its certificate_serial_number",
            code=ConflictCode.STATION_EXISTS,
        )
    return _station(record)


async def get(db: Database, station_id: str) -> Station:
    """Return one station.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM stations WHERE station_id = $1",  # noqa: S608 - as above
        station_id,
    )
    if record is None:
        raise _not_found(station_id)
    return _station(record)


async def was_online(db: Database, station_id: str, *, within_s: float) -> bool:
    """Tell whether a station is online, or was within the last `within_s`.

    Raises:
        NotFoundError: there is no such station.
    """
    found = await db.fetchval(
        """
        SELECT online OR coalesce(disconnected_at > now() - make_interval(secs => $2), false)
        FROM stations WHERE station_id = $1
        """,
        station_id,
        within_s,
    )
    if found is None:
        raise _not_found(station_id)
    return bool(found)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    found: StationFilter = _ALL,
    goes_down: bool = False,
) -> list[Station]:
    """Return up to `limit` stations in the order of their ids, from the one behind `after` on.

    Those that are online, or speak a version of OCPP, have no index of their own: they are found
    among those that the other criteria leave, or soon met because they are many.
    """
    conditions = _conditions(limit, found)
    conditions.compare(f"station_id {'<' if goes_down else '>'}", after)
    direction = "DESC" if goes_down else "ASC"
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM stations WHERE {conditions} ORDER BY station_id {direction} "  # noqa: S608 - as above
        "LIMIT $1",
        *conditions.parameters,
    )
    return [_station(record) for record in records]


async def count(db: Database, found: StationFilter, *, up_to: int) -> int:
    """Return how many stations there are, counting no further than `up_to`."""
    return await count_rows(db, "stations", _conditions(up_to, found))


def _conditions(limit: int, found: StationFilter) -> Conditions:
    conditions = Conditions(limit)
    document = f"{conditions.parameter(asdict(found))}::jsonb"
    conditions.add(f"{document} IS NOT NULL")
    for condition in station_selection.conditions_of(found, document):
        conditions.add(condition)
    return conditions


async def update(db: Database, station_id: str, changes: dict[str, Any]) -> Station:
    """Change what an operator may change.

    Args:
        db: the pool.
        station_id: whose.
        changes: column to new value; name, security_profile, password_hash, registration_status,
            heartbeat_interval_s, location_id, certificate_serial_number, organization_id.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: certificates of another station are called so.
        InvalidInputError: there is no such location or organization.
    """
    if not changes:
        return await get(db, station_id)
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    await organization_scope.require(db, changes.get("organization_id"))
    await _require_location(db, changes.get("location_id"))
    if "security_profile" in changes:
        # An operator's word is newer than what the station agreed to.
        await db.execute("DELETE FROM agreed_security_profiles WHERE station_id = $1", station_id)
    if changes.get("certificate_serial_number") is not None:
        await station_names.check(db, station_id, changes["certificate_serial_number"])
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
    if "organization_id" in changes:
        # What was before is none of the new one's business (`scopes.py`).
        assignments += ", organization_since = now()"
    if "password_hash" in changes:
        assignments += f", {password_changes.FORGOTTEN}"
    try:
        record = await db.fetchrow(
            f"""
            UPDATE stations SET {assignments}, updated_at = now()
            WHERE station_id = $1 RETURNING {_COLUMNS}
            """,  # noqa: S608 - the names are checked above, the values are parameters
            station_id,
            *changes.values(),
        )
    except asyncpg.UniqueViolationError:
        raise ConflictError(
            "another station has this certificate_serial_number", code=ConflictCode.STATION_EXISTS
        ) from None
    except asyncpg.ForeignKeyViolationError:
        raise _no_location(changes.get("location_id")) from None
    if record is None:
        raise _not_found(station_id)
    return _station(record)


async def _require_location(db: Database, location_id: str | None) -> None:
    # A foreign key asks whether there is one, and not whether the caller may know of it.
    if location_id is not None and not await db.fetchval(
        "SELECT true FROM locations WHERE location_id = $1", location_id
    ):
        raise _no_location(location_id)


def _no_location(location_id: str | None) -> InvalidInputError:
    return InvalidInputError(f"there is no location {location_id!r}: register it first")


async def list_connectors(db: Database, station_ids: Sequence[str]) -> list[Connector]:
    """Return the connectors of these stations, in the order of station, EVSE and connector."""
    records = await db.fetch(
        f"""
        SELECT {_CONNECTOR_COLUMNS} FROM connectors WHERE station_id = ANY($1)
        ORDER BY station_id, evse_id, connector_id
        """,  # noqa: S608 - as above
        station_ids,
    )
    return [Connector(**{**r, "status": ConnectorStatus(r["status"])}) for r in records]


async def list_connectors_after(
    db: Database,
    station_id: str,
    *,
    after: Sequence[int] | None,
    limit: int,
    goes_down: bool = False,
) -> list[Connector]:
    """Return up to `limit` connectors of a station in the order of EVSE and connector.

    Args:
        db: the pool.
        station_id: whose.
        after: EVSE and connector; the list begins behind them.
        limit: how many at most.
        goes_down: the other way round.
    """
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    order = conditions.in_order("evse_id", "connector_id", behind=after, goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {_CONNECTOR_COLUMNS} FROM connectors WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [Connector(**{**r, "status": ConnectorStatus(r["status"])}) for r in records]


async def count_connectors(db: Database, station_id: str, *, up_to: int) -> int:
    """Return how many connectors a station has, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("station_id =", station_id)
    return await count_rows(db, "connectors", conditions)


async def get_credentials(db: Database, station_ids: Sequence[str]) -> list[Credentials | None]:
    """Return what the handshake needs to know, or None for a station that is not registered."""
    records = await db.fetch(
        """
        SELECT station_id, stations.security_profile, password_hash, registration_status,
               heartbeat_interval_s, booted_at IS NOT NULL AS has_booted, new_password_hash,
               extract(epoch FROM now() - new_password_accepted_at)::float8 AS new_password_age_s,
               last_address, agreed.security_profile AS agreed_security_profile
        FROM stations LEFT JOIN agreed_security_profiles AS agreed USING (station_id)
        WHERE station_id = ANY($1)
        """,
        station_ids,
    )
    found = {
        record["station_id"]: Credentials(
            **{
                **record,
                "security_profile": SecurityProfile(record["security_profile"]),
                "registration_status": RegistrationStatus(record["registration_status"]),
            }
        )
        for record in records
    }
    return [found.get(station_id) for station_id in station_ids]
