"""Working sessions out: which are due, and what they came to.

Nothing is locked while the worker works, because what stations say must not wait for it. A session
is claimed by moving its `settle_at` into the future, and the result is written only if that is
still there: a fact that came meanwhile has set it back, and the session is worked out once more. A
worker that dies leaves a claim that runs out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from shared.domain.sessions import (
    EndSource,
    HistoryKind,
    ReviewReason,
    Settlement,
    TransactionIdIssuer,
)
from shared.store.notices import outbox
from shared.store.pool import Database
from shared.store.sessions import history, quirks, tellings
from shared.store.sessions.facts import ClaimedSession, DueSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a session came to. `settle_at` is when to look again; None: never by itself."""

    due: DueSession
    settlement: Settlement
    changes: Sequence[tuple[HistoryKind, Mapping[str, Any]]]
    settle_at: datetime | None


async def claim(db: Database, *, limit: int, lease_s: float) -> list[ClaimedSession]:
    """Take up to `limit` sessions that are due; nobody else gets them for `lease_s`.

    Each is its row, and `claimed_at`: now, by the clock of Postgres, which says when facts came.
    """
    return await db.fetch(
        """
        WITH due AS (
            SELECT session_id FROM sessions WHERE settle_at <= now()
            ORDER BY settle_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE sessions SET settle_at = now() + $2 * interval '1 second'
        FROM due WHERE sessions.session_id = due.session_id
        RETURNING sessions.*, now() AS claimed_at
        """,
        limit,
        lease_s,
    )


async def store(
    db: Database, results: Sequence[Result], *, max_quirks_per_station: int
) -> list[Result]:
    """Write results, what they change into the sessions' history and the events, and count quirks.

    Returns:
        Those that were written: the others have to be worked out once more.
    """
    async with db.acquire() as connection, connection.transaction():
        columns = _columns(results)
        records = await connection.fetch(
            _STORE, *columns[:16], TransactionIdIssuer.CSMS, *columns[16:], _WEAKEST_RANK
        )
        written = {str(record["session_id"]): record for record in records}
        stored = [result for result in results if result.due.session_id in written]
        await history.insert(
            connection,
            [
                (result.due.session_id, kind, dict(detail))
                for result in stored
                for kind, detail in result.changes
            ],
        )
        await outbox.put(
            connection,
            [
                event
                for result in stored
                for event in tellings.events_of(
                    written[result.due.session_id],
                    result.settlement,
                    result.changes,
                    told_as=result.due.told_as,
                )
            ],
        )
        await quirks.count(
            connection,
            {result.due.session_id: result.settlement.quirks for result in stored},
            max_per_station=max_quirks_per_station,
        )
    return stored


# Of a token that no event tells: higher than that of any event, so that the station's word replaces
# it.
_WEAKEST_RANK = 2**33
# What the station of an OCPP 2.0.1 transaction said is merged in the row itself, so that only the
# end of a rule or an operator is written there.
_STORE = """
    WITH settled AS (
        SELECT * FROM unnest(
            $1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[],
            $6::text[], $7::timestamptz[], $8::numeric[], $9::text[], $10::text[], $11::numeric[],
            $12::text[], $13::text[], $14::boolean[], $15::text[], $16::boolean[], $18::boolean[],
            $19::boolean[], $20::text[], $21::boolean[], $22::text[], $23::numeric[],
            $24::timestamptz[], $25::timestamptz[], $26::bigint[])
        AS settled (session_id, claimed_until, settle_at, ended_at, ended_by, end_rule, end_rule_at,
                    meter_stop_wh, stopped_reason, end_id_token, energy_wh, energy_method,
                    energy_estimates, needs_review, review_reasons, changed, unreadable,
                    keeps_register, id_token, has_bill, bill_id_token, bill_energy_wh,
                    bill_started_at, bill_ended_at, told_as)
    ), mine AS (
        SELECT session_id FROM sessions JOIN settled USING (session_id)
        WHERE sessions.settle_at = settled.claimed_until
        ORDER BY station_id, transaction_id FOR UPDATE OF sessions SKIP LOCKED
    )
    UPDATE sessions SET
        settle_at = settled.settle_at,
        settled_at = now(),
        settle_failures = CASE WHEN settled.unreadable THEN sessions.settle_failures ELSE 0 END,
        ended_at = settled.ended_at,
        ended_by = settled.ended_by,
        end_rule = settled.end_rule,
        end_rule_at = settled.end_rule_at,
        meter_stop_wh = CASE
            WHEN settled.keeps_register THEN sessions.meter_stop_wh
            ELSE settled.meter_stop_wh END,
        id_token = coalesce(sessions.id_token, settled.id_token),
        id_token_rank = CASE
            WHEN sessions.id_token IS NULL AND settled.id_token IS NOT NULL THEN $27
            ELSE sessions.id_token_rank END,
        bill_at = CASE WHEN settled.has_bill THEN coalesce(bill_at, now()) END,
        bill_id_token = settled.bill_id_token,
        bill_energy_wh = settled.bill_energy_wh,
        bill_started_at = settled.bill_started_at,
        bill_ended_at = settled.bill_ended_at,
        stopped_reason = CASE transaction_id_issuer
            WHEN $17 THEN settled.stopped_reason ELSE sessions.stopped_reason END,
        end_id_token = CASE transaction_id_issuer
            WHEN $17 THEN settled.end_id_token ELSE sessions.end_id_token END,
        told_as = settled.told_as,
        energy_wh = settled.energy_wh,
        energy_method = settled.energy_method,
        energy_estimates = settled.energy_estimates::jsonb,
        needs_review = settled.needs_review,
        review_reasons = string_to_array(settled.review_reasons, ','),
        -- What shows something else is listed among what changed. While a session goes on its
        -- energy is no change, as its registers are none.
        updated_at = CASE
            WHEN settled.changed OR sessions.settled_at IS NULL
              OR (sessions.ended_at, sessions.ended_by, sessions.end_rule)
                 IS DISTINCT FROM (settled.ended_at, settled.ended_by, settled.end_rule)
              OR settled.ended_at IS NOT NULL
                 AND (sessions.energy_wh, sessions.energy_method, sessions.needs_review)
                     IS DISTINCT FROM
                     (settled.energy_wh, settled.energy_method, settled.needs_review)
            THEN now() ELSE sessions.updated_at END
    FROM settled JOIN mine USING (session_id)
    WHERE sessions.session_id = settled.session_id
    RETURNING sessions.*
"""


def _columns(results: Sequence[Result]) -> list[list[Any]]:
    rows = []
    for result in results:
        settlement, end, rule_end = (
            result.settlement, result.settlement.end, result.settlement.rule_end
        )  # fmt: skip
        shown = result.due.shown
        bill = result.due.facts.bill or (settlement.found if settlement.billable else None)
        rows.append(
            (
                result.due.session_id,
                result.due.claimed_until,
                result.settle_at,
                end and end.ended_at,
                end and end.source,
                rule_end and rule_end.rule,
                rule_end and rule_end.concluded_at,
                _meter_stop_wh(result),
                end and end.stopped_reason,
                end and end.id_token,
                settlement.energy_wh,
                settlement.energy_method,
                msgspec.json.encode(settlement.estimates).decode(),
                settlement.needs_review,
                ",".join(sorted(settlement.reasons)),
                bool(result.changes) or settlement.reasons != shown.reasons,
                result.due.facts.unread is ReviewReason.METER_VALUES_UNREADABLE,
                _keeps_register(result),
                result.due.facts.id_token,
                bill is not None,
                bill and bill.id_token,
                bill and bill.energy_wh,
                bill and bill.started_at,
                bill and bill.ended_at,
                tellings.told_as(settlement, result.due.facts.id_token),
            )
        )
    return [list(column) for column in zip(*rows, strict=True)]


def _meter_stop_wh(result: Result) -> Decimal | None:
    end = result.settlement.end
    if result.due.issuer is TransactionIdIssuer.CSMS:
        return None if end is None else end.meter_stop_wh
    return result.settlement.meter_stop_wh


def _keeps_register(result: Result) -> bool:
    """Tell whether the register that the row shows is to stay.

    The merge of a transaction of OCPP 2.0.1 keeps its latest register there. Once the station has
    ended it, that is the last one before the end, unless nobody could look for it.
    """
    end, facts = result.settlement.end, result.due.facts
    if result.due.issuer is TransactionIdIssuer.CSMS:
        return False
    return end is None or end.source is not EndSource.STATION or facts.unread is not None


async def put_back(db: Database, claimed: ClaimedSession, *, delay_s: float) -> None:
    """Count that a session could not be worked out, and have it tried again after a while."""
    await db.execute(
        """
        UPDATE sessions SET settle_failures = settle_failures + 1,
                            settle_at = now() + $3 * interval '1 second'
        WHERE session_id = $1 AND settle_at = $2
        """,
        claimed["session_id"],
        claimed["settle_at"],
        delay_s,
    )


async def give_up(db: Database, claimed: ClaimedSession, *, delay_s: float) -> bool:
    """Hand a session to people that cannot be worked out at all; what it showed is left alone.

    Returns:
        Whether that is new.
    """
    reason = ReviewReason.NOT_WORKED_OUT
    async with db.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            """
            UPDATE sessions AS session
            SET settle_failures = session.settle_failures + 1,
                settle_at = now() + $3 * interval '1 second', settled_at = now(),
                review_reasons = array_remove(session.review_reasons, $4) || $4::text,
                needs_review = session.needs_review
                    OR session.review_decision IS DISTINCT FROM 'void'
                       AND $4 <> ALL (coalesce(session.reviewed_reasons, '{}')),
                updated_at = now()
            FROM sessions AS old
            WHERE session.session_id = $1 AND session.settle_at = $2
              AND old.session_id = session.session_id
            RETURNING $4 <> ALL (old.review_reasons) AS is_new, session.*
            """,
            claimed["session_id"],
            claimed["settle_at"],
            delay_s,
            reason,
        )
        is_new = row is not None and bool(row["is_new"])
        if row is not None and is_new:
            detail = {"reasons": [reason]}
            entry = (str(claimed["session_id"]), HistoryKind.NEEDS_REVIEW, detail)
            await history.insert(connection, [entry])
            await outbox.put(connection, [tellings.needs_review(row, detail["reasons"])])
    return is_new


async def wake_predecessors(db: Database, session_ids: Sequence[str]) -> None:
    """Have sessions looked at that still go on at the EVSE of these, and came before them."""
    await db.execute(
        """
        WITH open AS (
            SELECT older.session_id
            FROM sessions AS newer
            JOIN sessions AS older USING (station_id, evse_id)
            WHERE newer.session_id = ANY ($1::uuid[]) AND older.started_at < newer.started_at
              AND older.created_at < newer.created_at
              AND older.ended_at IS NULL AND older.settle_at > now()
            ORDER BY older.station_id, older.transaction_id FOR UPDATE OF older
        )
        UPDATE sessions SET settle_at = now()
        FROM open WHERE sessions.session_id = open.session_id
        """,
        session_ids,
    )
