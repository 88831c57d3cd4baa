"""What operators decide about sessions, and what they decide it by."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.domain.error_codes import ConflictCode
from shared.domain.errors import ConflictError
from shared.domain.sessions import CHANGES, EndSource, HistoryKind, ReviewDecision, Seen, Session
from shared.store.pool import Database
from shared.store.sessions import history, sessions
from shared.store.sessions.dead_letters import read_transaction_end

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


# What was decided upon can be billed from now on, and is what later changes are changes of.
_MAKE_BILL = """
    UPDATE sessions SET
        bill_at = now(), bill_id_token = CASE WHEN NOT at_free_location THEN id_token END,
         bill_energy_wh = reviewed_energy_wh,
        bill_started_at = started_at, bill_ended_at = reviewed_ended_at
    WHERE session_id = $1 AND review_decision <> $2
      AND reviewed_energy_wh IS NOT NULL AND reviewed_ended_at IS NOT NULL
      AND (id_token IS NOT NULL OR authorization_status IS NOT NULL)
"""


async def review(
    db: Database,
    session_id: str,
    *,
    seen: Seen,
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
        seen: what the decision is upon.
        decision: what was decided.
        energy_wh: with `correct`, what is to be billed; None leaves what was found.
        ended_at: with `correct`, when it ended; None leaves what was found.
        note: why.
        reviewed_by: who decided.

    Raises:
        NotFoundError: there is no such session.
        ConflictError: the session goes on, is not worked out yet, or is not what was seen; or it
            is accepted without an energy, so that it would neither be billed nor looked at.
    """
    async with db.acquire() as connection, connection.transaction():
        session = await sessions.lock(connection, session_id)
        _check(session, seen, ended_at)
        if decision is ReviewDecision.ACCEPT and session.energy_wh is None:
            raise ConflictError(
                f"nothing tells the energy of session {session_id}, so it cannot be accepted: "
                "decide `correct` with `energy_wh`, or `void`",
                code=ConflictCode.SESSION_WITHOUT_ENERGY,
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
                needs_review = false, settle_at = now(), updated_at = now(),
                review_reasons = ARRAY(
                    SELECT reason FROM unnest(review_reasons) AS reason WHERE reason <> ALL ($8))
            WHERE session_id = $1
            """,
            session_id,
            decision,
            note,
            reviewed_by,
            energy_wh,
            ended_at,
            EndSource.OPERATOR,
            sorted(CHANGES),
        )
        await connection.execute(_MAKE_BILL, session_id, ReviewDecision.VOID)
        detail: dict[str, Any] = {"decision": decision, "by": reviewed_by, "note": note}
        if energy_wh is not None:
            detail |= {"energy_wh": energy_wh, "energy_wh_before": session.energy_wh}
        if ended_at is not None:
            detail |= {"ended_at": ended_at, "ended_at_before": session.ended_at}
        await history.insert(connection, [(session_id, HistoryKind.REVIEWED, detail)])


def _check(session: Session, seen: Seen, ended_at: datetime | None) -> None:
    """Raise ConflictError if nobody can decide about a session now, or not upon what was seen."""
    name = f"session {session.session_id}"
    if session.ended_at is None and ended_at is None:
        raise ConflictError(
            f"{name} goes on: wait for its end, or decide `correct` with `ended_at` to end it",
            code=ConflictCode.SESSION_ACTIVE,
        )
    if session.ended_at is not None and session.settled_at is None:
        raise ConflictError(
            f"{name} is being worked out: try again in a few seconds",
            code=ConflictCode.SESSION_NOT_SETTLED,
        )
    changed = [
        f"`{member}` was {_written(before)} and is {_written(now)}"
        for member, before, now in seen.differences(session.seen)
    ]
    if changed:
        raise ConflictError(
            f"{name} is not what was seen: {'; '.join(changed)}. Read it again, and decide upon "
            "what it is now",
            code=ConflictCode.SESSION_CHANGED,
        )
    if ended_at is not None and session.started_at and ended_at < session.started_at:
        raise ConflictError(
            f"{name} began at {session.started_at.isoformat()}: it cannot end at "
            f"{ended_at.isoformat()}",
            code=ConflictCode.SESSION_END_BEFORE_START,
        )


def _written(value: object) -> str:
    """Return a value as the API writes it."""
    match value:
        case None:
            return "null"
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list():
            return f"[{', '.join(map(str, value))}]"
        case _:
            return str(value)


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
        JOIN all_transaction_events AS event USING (station_id, transaction_id)
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
