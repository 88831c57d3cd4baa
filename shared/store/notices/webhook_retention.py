"""How long deliveries to webhook endpoints are kept, and how many wait."""

from shared.store.pool import Database


async def sweep_finished(db: Database, *, retention_days: int, limit: int) -> int:
    """Remove deliveries that were finished long ago, and those of endpoints that were removed.

    Returns:
        How many.
    """
    removed = 0
    for condition in (
        "finished_at < now() - make_interval(days => $1::integer)",
        # The endpoints are found one by one in an index, not by a look at each delivery.
        """$1::integer IS NOT NULL AND webhook_endpoint_id IN (
            WITH RECURSIVE seen AS (
                (SELECT webhook_endpoint_id FROM webhook_deliveries AS first
                 ORDER BY first.webhook_endpoint_id LIMIT 1)
                UNION ALL
                SELECT (SELECT next.webhook_endpoint_id FROM webhook_deliveries AS next
                        WHERE next.webhook_endpoint_id > seen.webhook_endpoint_id
                        ORDER BY next.webhook_endpoint_id LIMIT 1)
                FROM seen WHERE seen.webhook_endpoint_id IS NOT NULL
            )
            SELECT webhook_endpoint_id FROM seen WHERE NOT EXISTS (
                SELECT FROM webhook_endpoints AS endpoint
                WHERE endpoint.webhook_endpoint_id = seen.webhook_endpoint_id))""",
    ):
        removed += await db.fetchval(
            f"""
            WITH old AS MATERIALIZED (
                SELECT webhook_delivery_id FROM webhook_deliveries WHERE {condition} LIMIT $2
            ), removed AS (
                DELETE FROM webhook_deliveries
                WHERE webhook_delivery_id IN (SELECT webhook_delivery_id FROM old)
                RETURNING webhook_delivery_id
            ), attempts AS (
                DELETE FROM webhook_attempts
                WHERE webhook_delivery_id IN (SELECT webhook_delivery_id FROM removed)
            )
            SELECT count(*) FROM removed
            """,  # noqa: S608 - the texts above
            retention_days,
            limit,
        )
    await db.execute(
        "DELETE FROM webhook_requests WHERE created_at < now() - make_interval(days => $1)",
        retention_days,
    )
    return removed


async def measure_waiting(db: Database) -> tuple[int, float]:
    """Return how many deliveries wait for endpoints that are enabled, and the oldest's age in s."""
    record = await db.fetchrow(
        """
        SELECT count(*) AS waiting,
               coalesce(extract(epoch FROM now() - min(delivery.created_at)), 0)::float8 AS oldest_s
        FROM webhook_deliveries AS delivery JOIN webhook_endpoints USING (webhook_endpoint_id)
        WHERE state = 'waiting' AND enabled
        """
    )
    return (0, 0.0) if record is None else (record["waiting"], record["oldest_s"])
