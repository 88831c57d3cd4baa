"""Which deliveries events make: a cursor for each webhook endpoint, and deliveries behind it."""

from shared.store.pool import Database

MATCHES = """
    events.organization_id = ANY ({endpoint}.sees)
    AND (cardinality({endpoint}.types) = 0 OR events.type = ANY ({endpoint}.types))
    AND (cardinality({endpoint}.station_ids) = 0
         OR events.station_id = ANY ({endpoint}.station_ids))
    AND (cardinality({endpoint}.location_ids) = 0
         OR events.location_id = ANY ({endpoint}.location_ids))
    AND (cardinality({endpoint}.organization_ids) = 0
         OR events.organization_id = ANY ({endpoint}.organization_ids))
"""
"""SQL: whether an endpoint is told of an event; `sees` are the organizations in its sight."""

SINCE = """(
    SELECT day::timestamp AT TIME ZONE 'UTC' FROM event_days
    WHERE last_number > progress.number ORDER BY day LIMIT 1)
"""
"""SQL: the day of the first event behind a cursor: no other day is looked into before it."""

_WAITING = """
    SELECT FROM webhook_deliveries AS delivery
    WHERE delivery.webhook_endpoint_id = progress.webhook_endpoint_id
      AND delivery.state = 'waiting'
"""
# From the first that waits to the cursor: no more can wait than that, and so none need be counted.
_SPAN = f"""
    (progress.number - coalesce(
        ({_WAITING.replace("SELECT", "SELECT delivery.number")} AND delivery.number > 0
         ORDER BY delivery.number LIMIT 1), progress.number))
"""
# A row behind `OFFSET n` says that there are more than n, and no more are read.
_EXPAND = f"""
    WITH newest AS MATERIALIZED (
        SELECT coalesce(max(last_number), 0) AS number FROM event_days
    ),
    behind AS MATERIALIZED (
        SELECT progress.webhook_endpoint_id, progress.number, newest.number AS newest, types,
               station_ids, location_ids, organization_ids,
               organizations_below(endpoint.organization_id) AS sees, {SINCE} AS since
        FROM webhook_progress AS progress
        JOIN webhook_endpoints AS endpoint USING (webhook_endpoint_id)
        CROSS JOIN newest
        WHERE enabled AND progress.number < newest.number
          AND ({_SPAN} < $3::integer OR NOT EXISTS ({_WAITING} OFFSET $3::integer - 1 LIMIT 1))
          AND (failures < $2 OR {_SPAN} < $4::integer
               OR NOT EXISTS ({_WAITING} OFFSET $4::integer - 1 LIMIT 1))
        ORDER BY progress.number, progress.webhook_endpoint_id LIMIT $5
        FOR UPDATE OF progress SKIP LOCKED
    ), found AS MATERIALIZED (
        SELECT behind.webhook_endpoint_id, event.*
        FROM behind CROSS JOIN LATERAL (
            SELECT number, recorded_at, type, station_id FROM events
            WHERE events.number > behind.number AND events.number <= behind.newest
              AND events.recorded_at >= behind.since
              AND {MATCHES.format(endpoint="behind")}
            ORDER BY number LIMIT $1) AS event
    ), added AS (
        INSERT INTO webhook_deliveries (webhook_endpoint_id, event_id, number, recorded_at, type,
                                        station_id, lane)
        SELECT webhook_endpoint_id, number::text, number, recorded_at, type, station_id,
               coalesce(station_id, '')
        FROM found
        ON CONFLICT DO NOTHING
        RETURNING webhook_endpoint_id
    ), counted AS (
        SELECT webhook_endpoint_id, count(*) AS found, max(number) AS last
        FROM found GROUP BY webhook_endpoint_id
    ), moved AS (
        UPDATE webhook_progress AS progress
        SET number = CASE WHEN counted.found = $1 THEN counted.last ELSE behind.newest END,
            revision = revision + (counted.found IS NOT NULL)::integer,
            due_at = CASE WHEN counted.found IS NULL THEN due_at ELSE least(due_at, now()) END
        FROM behind LEFT JOIN counted USING (webhook_endpoint_id)
        -- One that another worker has moved past all that this statement sees stays where it is.
        WHERE progress.webhook_endpoint_id = behind.webhook_endpoint_id
          AND behind.number < behind.newest
        RETURNING progress.webhook_endpoint_id, counted.found
    )
    SELECT (SELECT count(*) FROM added) AS added,
           (SELECT count(*) = $5 FROM behind)
           OR EXISTS (SELECT FROM moved WHERE found = $1) AS more
"""  # noqa: S608 - a constant
_AT_ONCE = 100


async def expand(
    db: Database, *, batch: int, down_after: int, max_waiting: int, max_waiting_down: int
) -> tuple[int, bool]:
    """Make the deliveries of new events, and move the cursors behind them, in one statement.

    Numbers become visible in order, so that nothing appears behind a cursor later. Of two workers
    that do so at once the second skips the endpoints of the first.

    Args:
        db: as the owner.
        batch: events for one endpoint at most.
        down_after: with so many failures in a row an endpoint is down.
        max_waiting: one with so many deliveries that wait gets none; events are kept meanwhile.
        max_waiting_down: the same while it is down.

    Returns:
        How many deliveries were made, and whether there may be more to make.
    """
    record = await db.fetchrow(_EXPAND, batch, down_after, max_waiting, max_waiting_down, _AT_ONCE)
    if record is None:
        return 0, False
    return record["added"], record["more"]
