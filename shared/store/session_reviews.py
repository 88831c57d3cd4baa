"""What operators decide about sessions, and what they decide it by."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.sessions import EndSource, HistoryKind, ReviewDecision
from shared.store import session_history
from shared.store.dead_letters import read_transaction_end
from shared.store.pool import Database

# The first one stands, and a station that tells more has told enough to see that it is faulty.
_MAX_ENDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEnd:
    """An end of a session as it was told; `stands` is the one that counts."""

    source: EndSource
    ended_at: datetime
    meter_stop_wh: Decimal | None
    stopped_reason: str | None
    id_token: str | None
    received_at: datetime
    stands: bool


async def review(
    db: Database,
    session_id: str,
    *,
    decision: ReviewDecision,
    energy_wh: Decimal | None,
    ended_at: datetime | None,
    note: str | None,
    reviewed_by: str,
) -> None:
    """Keep an operator's decision; the latest one stands.

    Args:
        db: the pool.
        session_id: of which session.
        decision: what was decided.
        energy_wh: with `correct`, what is to be billed; None leaves what was found.
        ended_at: with `correct`, when it ended; None leaves what was found.
        note: why.
        reviewed_by: who decided.

    Raises:
        NotFoundError: there is no such session.
        ConflictError: the session goes on, or is not worked out yet.
    """
    async with db.acquire() as connection, connection.transaction():
        session = await connection.fetchrow(
            """
            SELECT ended_at, settled_at, energy_wh, started_at FROM sessions
            WHERE session_id = $1 FOR UPDATE
            """,
            session_id,
        )
        if session is None:
            raise NotFoundError(f"there is no session {session_id}")
        if session["ended_at"] is None and ended_at is None:
            raise ConflictError(
                f"session {session_id} goes on: wait for its end, or decide `correct` with "
                "`ended_at` to end it"
            )
        if session["ended_at"] is not None and session["settled_at"] is None:
            raise ConflictError(
                f"session {session_id} is being worked out: try again in a few seconds"
            )
        if ended_at is not None and session["started_at"] and ended_at < session["started_at"]:
            raise ConflictError(
                f"session {session_id} began at {session['started_at'].isoformat()}: it cannot end "
                f"at {ended_at.isoformat()}"
            )
        await connection.execute(
            """
            UPDATE sessions SET
                review_decision = $2, review_note = $3, reviewed_at = now(), reviewed_by = $4,
                reviewed_reasons = review_reasons,
                reviewed_energy_wh = coalesce($5, energy_wh),
                reviewed_ended_at = coalesce($6, ended_at),
                corrects_energy = $5::numeric IS NOT NULL,
                corrects_end = $6::timestamptz IS NOT NULL,
                ended_by = CASE WHEN ended_at IS NULL THEN $7 ELSE ended_by END,
                ended_at = coalesce(ended_at, $6),
                needs_review = false, settle_at = now(), updated_at = now()
            WHERE session_id = $1
            """,
            session_id,
            decision,
            note,
            reviewed_by,
            energy_wh,
            ended_at,
            EndSource.OPERATOR,
        )
        detail: dict[str, Any] = {"decision": decision, "by": reviewed_by, "note": note}
        if energy_wh is not None:
            detail |= {"energy_wh": energy_wh, "energy_wh_before": session["energy_wh"]}
        if ended_at is not None:
            detail |= {"ended_at": ended_at, "ended_at_before": session["ended_at"]}
        await session_history.insert(connection, [(session_id, HistoryKind.REVIEWED, detail)])


async def list_ends(db: Database, session_id: str) -> list[ToldEnd]:
    """Return the ends of a session that were told, in the order of arrival, `_MAX_ENDS` at most."""
    records = await db.fetch(
        """
        SELECT 'station' AS source, stop.ended_at, stop.meter_stop_wh, stop.stopped_reason,
               stop.id_token, stop.received_at, NULL::jsonb AS transaction_end,
               session.ended_by
        FROM sessions AS session
        JOIN transaction_ends AS stop USING (station_id, transaction_id)
        WHERE session_id = $1 AND transaction_id_issuer = 'csms'
        UNION ALL
        SELECT 'station', occurred_at, NULL, event.stopped_reason, event.id_token,
               event.received_at, NULL, session.ended_by
        FROM sessions AS session
        JOIN transaction_events AS event USING (station_id, transaction_id)
        WHERE session_id = $1 AND transaction_id_issuer = 'station' AND event_type = 'Ended'
        UNION ALL
        SELECT CASE status WHEN 'assigned' THEN 'operator' ELSE 'matched' END, NULL, NULL, NULL,
               NULL, received_at, dead_letters.transaction_end, session.ended_by
        FROM sessions AS session JOIN dead_letters USING (session_id)
        WHERE session_id = $1 AND status IN ('matched', 'assigned')
        ORDER BY received_at LIMIT $2
        """,
        session_id,
        _MAX_ENDS,
    )
    ends = []
    standing = False
    for record in records:
        told = record["transaction_end"]
        end = record if told is None else _columns_of(told)
        # The first of those whose word the session's end is.
        stands = not standing and record["source"] == record["ended_by"]
        standing = standing or stands
        ends.append(
            ToldEnd(
                source=EndSource(record["source"]),
                ended_at=end["ended_at"],
                meter_stop_wh=end["meter_stop_wh"],
                stopped_reason=end["stopped_reason"],
                id_token=end["id_token"],
                received_at=record["received_at"],
                stands=stands,
            )
        )
    return ends


def _columns_of(document: dict[str, Any]) -> dict[str, Any]:
    told = read_transaction_end(document)
    return {
        "ended_at": told.ended_at,
        "meter_stop_wh": told.meter_stop_wh,
        "stopped_reason": told.stopped_reason,
        "id_token": told.id_token,
    }


async def list_estimates(db: Database, session_id: str) -> list[dict[str, Any]]:
    """Return what each method says of a session's energy, the best one first."""
    estimates = await db.fetchval(
        "SELECT energy_estimates FROM sessions WHERE session_id = $1", session_id
    )
    return estimates or []
