"""What goes on elsewhere, for the limits of concurrent sessions."""

from shared.domain.authorization import AuthorizationRequest, OpenSessions, TransactionStart
from shared.domain.tokens import AuthorizationStatus
from shared.store.pool import Database

# A session counts from its start on, so that a start which comes late, from a station that was
# offline, is not measured against what began after it. One of the same EVSE does not count: it is
# this start told again, or has ended without a word.
_COUNT = """
    SELECT count(*) FROM sessions
    WHERE ended_at IS NULL AND authorization_status = 'Accepted'
      AND coalesce(started_at, created_at) <= $5
      AND (station_id <> $1
           OR (evse_id IS DISTINCT FROM $3 AND transaction_id IS DISTINCT FROM $4))
"""
_QUERY = f"""
    SELECT
        ({_COUNT} AND lower(id_token) = lower($2::text)) AS of_token,
        ({_COUNT} AND lower(id_token) IN (
            SELECT lower(id_token) FROM id_tokens WHERE lower(group_id_token) = lower($6::text)
        )) AS of_group,
        coalesce(
            (SELECT authorization_status FROM sessions
             WHERE station_id = $1 AND transaction_id = $4::text
               AND lower(id_token) = lower($2::text)),
            (SELECT authorization_status FROM sessions
             WHERE $4::text IS NULL AND transaction_id_issuer = 'csms' AND station_id = $1
               AND evse_id = $3 AND started_at = $5 AND id_token = $2 AND meter_start_wh = $7)
        ) AS told_before
"""  # noqa: S608 - the text above


async def find_open_sessions(
    db: Database,
    request: AuthorizationRequest,
    start: TransactionStart,
    *,
    group_id_token: str | None,
) -> OpenSessions:
    """Return what else a token and its group charge at the moment of a start.

    Two starts that are told within the few milliseconds of one commit do not see each other: a
    group may be one over its limit then, a single card cannot be in two places.

    Args:
        db: the pool.
        request: who starts, and where.
        start: what is started.
        group_id_token: the token's group.
    """
    (record,) = await db.fetch(
        _QUERY,
        request.station_id,
        request.id_token,
        start.evse_id,
        start.transaction_id,
        start.started_at,
        group_id_token,
        start.meter_start_wh,
    )
    told_before = record["told_before"]
    return OpenSessions(
        of_token=record["of_token"],
        of_group=record["of_group"],
        told_before=told_before and AuthorizationStatus(told_before),
    )
