"""What goes on elsewhere, for the limits of concurrent sessions."""

from shared.domain.access.authorization import AuthorizationRequest, TransactionStart
from shared.domain.access.rules import OpenSessions
from shared.domain.access.tokens import KEY_SUFFIXES, AuthorizationStatus, IdToken, IdTokenType
from shared.store.pool import Database
from shared.store.session_tokens import TYPE_TOLD

# A session counts from its start on, so that a start which comes late, from a station that was
# offline, is not measured against what began after it. One of the same EVSE does not count: it is
# this start told again, or has ended without a word.
_COUNT = """
    SELECT count(*) FROM sessions
    WHERE ended_at IS NULL AND authorization_status = 'Accepted' AND NOT at_free_location
      AND coalesce(started_at, created_at) <= $5
      AND (station_id <> $1
           OR (evse_id IS DISTINCT FROM $3 AND transaction_id IS DISTINCT FROM $4))
"""
# A session whose station told no type is that of the card, or of the only token of its text
# (`find_meant`).
_TYPE = TYPE_TOLD.format(session="sessions")
_KEYS = "ARRAY(SELECT lower(sessions.id_token) || suffix FROM unnest($10::text[]) AS suffix)"
_KIND = (
    f"CASE {{type}} WHEN '{IdTokenType.ISO15693}' THEN '{IdTokenType.ISO14443}' ELSE {{type}} END"
)
_QUERY = f"""
    SELECT
        ({_COUNT} AND lower(id_token) = lower($2::text)
         AND coalesce({_KIND.format(type=_TYPE)} = {_KIND.format(type="$8::text")}, $9)
        ) AS of_token,
        ({_COUNT} AND lower(id_token) IN (
            SELECT lower(id_token) FROM id_tokens WHERE lower(group_id_token) = lower($6::text)
        ) AND EXISTS (
            SELECT FROM id_tokens AS token
            WHERE token.id_token_key = ANY({_KEYS})
              AND lower(token.group_id_token) = lower($6::text)
              AND coalesce(
                  {_KIND.format(type=_TYPE)} = {_KIND.format(type="token.type")},
                  token.type IN ('{IdTokenType.ISO14443}', '{IdTokenType.ISO15693}')
                  OR NOT EXISTS (
                      SELECT FROM id_tokens AS other
                      WHERE other.id_token_key <> token.id_token_key
                        AND other.id_token_key = ANY({_KEYS})))
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
    token: IdToken,
    without_type: bool,
) -> OpenSessions:
    """Return what else a token and its group charge at the moment of a start.

    Two starts that are told within the few milliseconds of one commit do not see each other: a
    group may be one over its limit then, a single card cannot be in two places.

    Args:
        db: the pool.
        request: who starts, and where.
        start: what is started.
        token: who starts, as it is kept.
        without_type: whether sessions whose station told no type are the token's.
    """
    (record,) = await db.fetch(
        _QUERY,
        request.station_id,
        request.id_token,
        start.evse_id,
        start.transaction_id,
        start.started_at,
        token.group_id_token,
        start.meter_start_wh,
        token.type,
        without_type,
        KEY_SUFFIXES,
    )
    told_before = record["told_before"]
    return OpenSessions(
        of_token=record["of_token"],
        of_group=record["of_group"],
        told_before=told_before and AuthorizationStatus(told_before),
    )
