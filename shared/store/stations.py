"""Stations, who is connected to them, and their connectors."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from typing import Any

import asyncpg

from shared.domain.availability import Disconnection
from shared.domain.errors import ConflictError, InvalidInputError, NotFoundError
from shared.domain.stations import (
    Connection,
    Connector,
    ConnectorStatus,
    Credentials,
    Ownership,
    RegistrationStatus,
    SecurityProfile,
    Station,
)
from shared.store import password_changes, station_names
from shared.store.epochs import GUARD, LOCKED
from shared.store.pool import Database

_COLUMNS = ", ".join(field.name for field in fields(Station))
_CONNECTOR_COLUMNS = ", ".join(field.name for field in fields(Connector))
_PREFETCHED = 500
_UPDATABLE = frozenset(
    {
        "name",
        "security_profile",
        "password_hash",
        "registration_status",
        "heartbeat_interval_s",
        "location_id",
        "certificate_serial_number",
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
    return NotFoundError(f"there is no station {station_id!r}")


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
) -> Station:
    """Register a station.

    Raises:
        ConflictError: the id is taken, or certificates of another station are called so.
    """
    await station_names.check(db, station_id, certificate_serial_number)
    record = await db.fetchrow(
        f"""
        INSERT INTO stations (station_id, name, security_profile, password_hash,
                              registration_status, heartbeat_interval_s,
                              certificate_serial_number)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
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
    )
    if record is None:
        raise ConflictError(
            f"there is a station {station_id!r} already, or one with its certificate_serial_number"
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
    db: Database, *, after: str | None, limit: int, online: bool | None = None
) -> list[Station]:
    """Return up to `limit` stations in the order of their ids, from the one behind `after` on."""
    condition = {None: "", True: "AND online", False: "AND NOT online"}[online]
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM stations
        WHERE station_id > $1 {condition}
        ORDER BY station_id LIMIT $2
        """,  # noqa: S608 - as above
        after or "",
        limit,
    )
    return [_station(record) for record in records]


async def update(db: Database, station_id: str, changes: dict[str, Any]) -> Station:
    """Change what an operator may change.

    Args:
        db: the pool.
        station_id: whose.
        changes: column to new value; name, security_profile, password_hash, registration_status,
            heartbeat_interval_s, location_id, certificate_serial_number.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: certificates of another station are called so.
        InvalidInputError: there is no such location.
    """
    if not changes:
        return await get(db, station_id)
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    if "security_profile" in changes:
        # An operator's word is newer than what the station agreed to.
        await db.execute("DELETE FROM agreed_security_profiles WHERE station_id = $1", station_id)
    if changes.get("certificate_serial_number") is not None:
        await station_names.check(db, station_id, changes["certificate_serial_number"])
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
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
        raise ConflictError("another station has this certificate_serial_number") from None
    except asyncpg.ForeignKeyViolationError:
        raise InvalidInputError(
            f"there is no location {changes.get('location_id')!r}: register it first"
        ) from None
    if record is None:
        raise _not_found(station_id)
    return _station(record)


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
    db: Database, station_id: str, *, after: tuple[int, int] | None, limit: int
) -> list[Connector]:
    """Return up to `limit` connectors of a station in the order of EVSE and connector.

    Args:
        db: the pool.
        station_id: whose.
        after: EVSE and connector; the list begins behind them.
        limit: how many at most.
    """
    evse_id, connector_id = after or (None, None)
    records = await db.fetch(
        f"""
        SELECT {_CONNECTOR_COLUMNS} FROM connectors
        WHERE station_id = $1
          AND ($2::integer IS NULL OR (evse_id, connector_id) > ($2, $3::integer))
        ORDER BY evse_id, connector_id LIMIT $4
        """,  # noqa: S608 - as above
        station_id,
        evse_id,
        connector_id,
        limit,
    )
    return [Connector(**{**r, "status": ConnectorStatus(r["status"])}) for r in records]


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


async def claim(db: Database, connections: Sequence[Connection]) -> list[Ownership | None]:
    """Raise the epoch of each connection's station: from now on the newest one speaks for it.

    A security profile that is higher than the station's is kept as the one it has reached. A new
    password that was used is the only one from now on.

    Returns:
        One ownership per connection in the same order; None where the station is gone.
    """
    counts = Counter(connection.station_id for connection in connections)
    newest = {connection.station_id: connection for connection in connections}
    records = await db.fetch(
        f"""
        WITH {LOCKED}, {GUARD}, claimed AS (
            UPDATE stations
            SET epoch = greatest(stations.epoch + claim.count, nextval('station_epochs')),
                raised_from = NULL, online = true, pod_id = claim.pod_id,
                connection_id = claim.connection_id, ocpp_version = claim.ocpp_version,
                connected_at = now(),
                security_profile = greatest(stations.security_profile, claim.security_profile),
                last_address = coalesce(claim.address, stations.last_address),
                {password_changes.USED}
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                        $6::smallint[], $7::text[], $8::text[])
                 AS claim (station_id, count, pod_id, connection_id, ocpp_version,
                           security_profile, address, proven_hash)
            JOIN locked USING (station_id) CROSS JOIN guard
            WHERE stations.station_id = claim.station_id
            RETURNING stations.station_id, stations.epoch, stations.pod_id, stations.connection_id,
                      stations.ocpp_version, stations.connected_at, old.online AS was_online,
                      old.disconnected_at AS was_disconnected_at
        ),
        ended AS (
            UPDATE station_connections AS span
            SET disconnected_at = CASE WHEN was_online THEN claimed.connected_at
                                       ELSE coalesce(was_disconnected_at, claimed.connected_at) END,
                reason = CASE WHEN was_online THEN 'replaced' ELSE 'connection_lost' END
            FROM claimed
            WHERE span.station_id = claimed.station_id AND span.disconnected_at IS NULL
        ),
        begun AS (
            INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                             connected_at)
            SELECT station_id, epoch, pod_id, connection_id, ocpp_version, connected_at FROM claimed
        )
        SELECT station_id, epoch FROM claimed
        """,  # noqa: S608 - texts of our own
        list(newest),
        [counts[station_id] for station_id in newest],
        [connection.pod_id for connection in newest.values()],
        [connection.connection_id for connection in newest.values()],
        [connection.ocpp_version for connection in newest.values()],
        [connection.security_profile for connection in newest.values()],
        [connection.address for connection in newest.values()],
        [connection.proven_hash for connection in newest.values()],
    )
    # When one station connects twice within a batch, each connection gets an epoch of its own.
    next_epoch = {r["station_id"]: r["epoch"] - counts[r["station_id"]] + 1 for r in records}
    ownerships: list[Ownership | None] = []
    for connection in connections:
        epoch = next_epoch.get(connection.station_id)
        if epoch is None:
            ownerships.append(None)
            continue
        next_epoch[connection.station_id] = epoch + 1
        ownerships.append(
            Ownership(
                station_id=connection.station_id,
                epoch=epoch,
                pod_id=connection.pod_id,
                connection_id=connection.connection_id,
            )
        )
    return ownerships


async def release(db: Database, disconnections: Sequence[Disconnection]) -> list[None]:
    """Mark these stations offline, unless a newer connection holds them already."""
    await db.execute(
        f"""
        WITH {LOCKED}, mine AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[],
                                 $6::timestamptz[])
                AS mine (station_id, connection_id, reason, close_code, close_reason, last_heard_at)
        ),
        ended AS (
            UPDATE station_connections AS span
            SET disconnected_at = now(), reason = mine.reason, close_code = mine.close_code,
                close_reason = mine.close_reason, last_heard_at = mine.last_heard_at
            FROM mine
            WHERE span.station_id = mine.station_id AND span.connection_id = mine.connection_id
              AND span.disconnected_at IS NULL
        )
        UPDATE stations SET online = false, disconnected_at = now()
        FROM mine JOIN locked USING (station_id)
        WHERE stations.station_id = mine.station_id
          AND stations.connection_id = mine.connection_id AND online
        """,  # noqa: S608 - texts of our own
        [disconnection.ownership.station_id for disconnection in disconnections],
        [disconnection.ownership.connection_id for disconnection in disconnections],
        [disconnection.reason for disconnection in disconnections],
        [disconnection.close_code for disconnection in disconnections],
        [disconnection.close_reason for disconnection in disconnections],
        [disconnection.last_heard_at for disconnection in disconnections],
    )
    return [None] * len(disconnections)


async def list_online(db: Database, pod_id: str) -> AsyncIterator[Ownership]:
    """Yield every station that is said to be online at a pod, a few at a time."""
    async with db.acquire() as connection, connection.transaction(readonly=True):
        async for record in connection.cursor(
            """
            SELECT station_id, epoch, pod_id, connection_id FROM stations
            WHERE pod_id = $1 AND online
            """,
            pod_id,
            prefetch=_PREFETCHED,
        ):
            yield Ownership(**record)


async def reassert(db: Database, ownerships: Sequence[Ownership]) -> set[str]:
    """Mark these stations online again after our pod was taken for dead.

    A connection that the database has never heard of, because it was restored, takes its station
    back with its own epoch, unless another one with a live pod holds it.

    Returns:
        The stations that are still ours. The others have a newer connection elsewhere.
    """
    records = await db.fetch(
        f"""
        WITH {LOCKED}, ours AS (
            UPDATE stations
            SET online = true, disconnected_at = NULL, pod_id = mine.pod_id,
                connection_id = mine.connection_id, epoch = greatest(stations.epoch, mine.epoch)
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
                 AS mine (station_id, epoch, pod_id, connection_id)
            JOIN locked USING (station_id)
            WHERE stations.station_id = mine.station_id
              AND (stations.connection_id = mine.connection_id
                   OR stations.epoch < mine.epoch
                      AND NOT (stations.online AND stations.pod_id <> mine.pod_id
                               AND EXISTS (SELECT FROM pods WHERE pods.pod_id = stations.pod_id
                                           AND pods.lease_expires_at > now())))
            RETURNING stations.station_id, stations.epoch, stations.pod_id, stations.connection_id,
                      stations.ocpp_version, old.connection_id AS before
        ),
        resumed AS (
            UPDATE station_connections AS span SET disconnected_at = NULL, reason = NULL
            FROM ours
            WHERE span.station_id = ours.station_id AND span.epoch = ours.epoch
              AND span.connection_id = ours.connection_id
        ),
        ended AS (
            UPDATE station_connections AS span
            SET disconnected_at = now(), reason = 'connection_lost'
            FROM ours
            WHERE span.station_id = ours.station_id AND span.connection_id <> ours.connection_id
              AND span.disconnected_at IS NULL
        ),
        begun AS (
            INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                             connected_at)
            SELECT station_id, epoch, pod_id, connection_id, ocpp_version, now() FROM ours
            WHERE before IS DISTINCT FROM connection_id AND ocpp_version IS NOT NULL
            ON CONFLICT DO NOTHING
        )
        SELECT station_id FROM ours
        """,  # noqa: S608 - texts of our own
        [ownership.station_id for ownership in ownerships],
        [ownership.epoch for ownership in ownerships],
        [ownership.pod_id for ownership in ownerships],
        [ownership.connection_id for ownership in ownerships],
    )
    return {record["station_id"] for record in records}
