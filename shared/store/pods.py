"""Gateway pods and their leases in Postgres, which say whose stations are really online."""

from dataclasses import dataclass

from shared.store.pool import Database


@dataclass(frozen=True, slots=True)
class Owner:
    """The pod that holds a station's connection, the epoch of that, and what is left of its lease.

    A pod that lives renews it meanwhile.
    """

    pod_id: str
    epoch: int
    lease_left_s: float


async def renew_lease(db: Database, *, pod_id: str, pod_name: str, lease_s: float) -> bool:
    """Renew a pod's lease, or take its first one.

    Returns:
        Whether the pod held a lease until now. If not, it was taken for dead and its stations were
        put offline.
    """
    return bool(
        await db.fetchval(
            """
            WITH before AS (SELECT lease_expires_at > now() AS held FROM pods WHERE pod_id = $1),
            renewed AS (
                INSERT INTO pods (pod_id, pod_name, lease_expires_at)
                VALUES ($1, $2, now() + make_interval(secs => $3))
                ON CONFLICT (pod_id) DO UPDATE
                SET lease_expires_at = excluded.lease_expires_at, renewed_at = now()
            )
            SELECT held FROM before
            """,
            pod_id,
            pod_name,
            lease_s,
        )
    )


async def find_owner(db: Database, station_id: str) -> Owner | None:
    """Return who holds a station; None if it is offline, or its pod has no lease."""
    record = await db.fetchrow(
        """
        SELECT pod_id, epoch,
               extract(epoch FROM lease_expires_at - now())::float8 AS lease_left_s
        FROM stations JOIN pods USING (pod_id)
        WHERE station_id = $1 AND online AND lease_expires_at > now()
        """,
        station_id,
    )
    return None if record is None else Owner(**record)


async def remove(db: Database, pod_id: str) -> None:
    """Give the lease back: this pod has stopped in order."""
    await db.execute("DELETE FROM pods WHERE pod_id = $1", pod_id)


async def sweep_dead(db: Database) -> list[tuple[str, int]]:
    """Forget pods whose lease ran out, and put offline what they still held.

    Returns:
        For each dead pod its id and how many stations it left behind.
    """
    records = await db.fetch(
        """
        WITH dead AS (
            DELETE FROM pods WHERE lease_expires_at < now() RETURNING pod_id, lease_expires_at
        ),
        left_behind AS (
            UPDATE stations SET online = false, disconnected_at = now()
            FROM dead WHERE stations.pod_id = dead.pod_id AND stations.online
            RETURNING dead.pod_id, lease_expires_at, stations.station_id, stations.epoch
        ),
        ended AS (
            UPDATE station_connections AS span
            SET disconnected_at = greatest(span.connected_at, lease_expires_at),
                reason = 'pod_died'
            FROM left_behind
            WHERE span.station_id = left_behind.station_id AND span.epoch = left_behind.epoch
              AND span.disconnected_at IS NULL
        )
        SELECT dead.pod_id, count(left_behind.pod_id) AS stations
        FROM dead LEFT JOIN left_behind USING (pod_id) GROUP BY dead.pod_id
        """
    )
    return [(record["pod_id"], record["stations"]) for record in records]
