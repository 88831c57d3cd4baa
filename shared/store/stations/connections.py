"""Who is connected to stations: claims raise epochs, releases put stations offline."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence

from shared.domain.stations.availability import Disconnection
from shared.domain.stations.stations import Connection, Ownership
from shared.store import password_changes
from shared.store.epochs import GUARD, LOCKED
from shared.store.pool import Database

_PREFETCHED = 500


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
