"""Gateway pods and their leases in Postgres, which say whose stations are really online."""

from shared.store.pool import Database


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
                ON CONFLICT (pod_id) DO UPDATE SET lease_expires_at = excluded.lease_expires_at
            )
            SELECT held FROM before
            """,
            pod_id,
            pod_name,
            lease_s,
        )
    )


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
            DELETE FROM pods WHERE lease_expires_at < now() RETURNING pod_id
        ),
        left_behind AS (
            UPDATE stations SET online = false, disconnected_at = now()
            FROM dead WHERE stations.pod_id = dead.pod_id AND stations.online
            RETURNING dead.pod_id
        )
        SELECT dead.pod_id, count(left_behind.pod_id) AS stations
        FROM dead LEFT JOIN left_behind USING (pod_id) GROUP BY dead.pod_id
        """
    )
    return [(record["pod_id"], record["stations"]) for record in records]
