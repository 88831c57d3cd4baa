"""All that is known of sessions, read for those that have to be worked out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

from shared.domain.sessions import (
    End,
    EndRule,
    EndSource,
    Reading,
    ReadingOf,
    Review,
    ReviewDecision,
    ReviewReason,
    RuleEnd,
    SessionFacts,
    Shown,
    Surroundings,
    TransactionIdIssuer,
)
from shared.domain.tokens import AuthorizationStatus
from shared.store.dead_letters import read_transaction_end
from shared.store.pool import Connection, Database

_SessionId: TypeAlias = Any  # asyncpg's UUID
_Rows: TypeAlias = Sequence[asyncpg.Record]

# Around start and end: values may be stamped a little before the one and after the other.
_MARGIN = timedelta(hours=1)
# A station's clock may say the first instant that there is, or the last, and has no room beyond.
_EVER = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSession:
    """A session that has to be worked out, with all that is known of it.

    `claimed_until` is what tells whether something came in the meantime.
    """

    session_id: str
    claimed_until: datetime
    facts: SessionFacts
    shown: Shown
    is_new: bool


async def load(db: Database, claimed: _Rows) -> list[DueSession]:
    """Return all that is known of claimed sessions, whole rows of `sessions`."""
    async with db.acquire() as connection:
        await _adopt_ends(connection, claimed)
        ends = await _load_ends(connection, claimed)
        around = await _load_surroundings(connection, claimed)
        readings = await _load_readings(connection, claimed)
    return [
        DueSession(
            session_id=str(row["session_id"]),
            claimed_until=row["settle_at"],
            facts=_facts(
                row, ends[row["session_id"]], around[row["session_id"]], readings[row["session_id"]]
            ),
            shown=Shown(
                ended_by=row["ended_by"] and EndSource(row["ended_by"]),
                end_rule=row["end_rule"] and EndRule(row["end_rule"]),
                reasons=frozenset(map(ReviewReason, row["review_reasons"])),
            ),
            is_new=row["settled_at"] is None and row["ended_at"] is None,
        )
        for row in claimed
    ]


def _facts(
    row: asyncpg.Record, ends: list[End], around: asyncpg.Record, readings: list[Reading]
) -> SessionFacts:
    status, rule = row["authorization_status"], row["end_rule"]
    return SessionFacts(
        started_at=row["started_at"],
        meter_start_wh=row["meter_start_wh"],
        authorization_status=status and AuthorizationStatus(status),
        received_at=row["created_at"],
        heard_at=max([around["heard_at"], *(end.received_at for end in ends)]),
        ends=ends,
        readings=readings,
        surroundings=Surroundings(
            next_start_at=around["next_start_at"],
            next_start_received_at=around["next_start_received_at"],
            booted_at=around["booted_at"],
            available_since=around["available_since"],
            offline_since=around["offline_since"],
        ),
        concluded=rule
        and RuleEnd(rule=EndRule(rule), ended_at=row["ended_at"], concluded_at=row["end_rule_at"]),
        review=_review(row),
        evse_id=row["evse_id"],
    )


def _review(row: asyncpg.Record) -> Review | None:
    if row["review_decision"] is None:
        return None
    return Review(
        decision=ReviewDecision(row["review_decision"]),
        reasons=frozenset(map(ReviewReason, row["reviewed_reasons"])),
        energy_wh=row["reviewed_energy_wh"],
        ended_at=row["reviewed_ended_at"],
        corrects_energy=row["corrects_energy"],
        corrects_end=row["corrects_end"],
        reviewed_at=row["reviewed_at"],
    )


async def _load_surroundings(
    connection: Connection, claimed: _Rows
) -> dict[_SessionId, asyncpg.Record]:
    records = await connection.fetch(
        """
        SELECT session.session_id, next.started_at AS next_start_at,
               next.created_at AS next_start_received_at, booted_at,
               connectors.reported_at AS available_since,
               CASE WHEN stations.station_id IS NULL THEN session.created_at
                    WHEN NOT online THEN coalesce(disconnected_at, session.created_at)
                    END AS offline_since,
               greatest(session.created_at, event.received_at) AS heard_at
        FROM sessions AS session
        LEFT JOIN stations USING (station_id)
        LEFT JOIN connectors
            ON connectors.station_id = session.station_id AND connectors.evse_id = session.evse_id
           AND connectors.connector_id = coalesce(session.connector_id, 1)
           AND connectors.status = 'Available'
        LEFT JOIN LATERAL (
            SELECT started_at, created_at FROM sessions
            WHERE station_id = session.station_id AND evse_id = session.evse_id
              AND started_at > session.started_at
            ORDER BY started_at LIMIT 1
        ) AS next ON true
        LEFT JOIN LATERAL (
            SELECT max(received_at) AS received_at FROM transaction_events
            WHERE station_id = session.station_id AND transaction_id = session.transaction_id
        ) AS event ON true
        WHERE session.session_id = ANY ($1)
        """,
        [row["session_id"] for row in claimed],
    )
    return {record["session_id"]: record for record in records}


# Values name their session, or a transaction that the station does not have (then they are of the
# session that is on the EVSE), or none. A session without an end is also asked about by values
# whose clock is off: they show that it goes on.
_READINGS = """
    SELECT session_id, value.*
    FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::timestamptz[],
                $6::timestamptz[], $7::boolean[])
         AS session (session_id, station_id, evse_id, transaction_id, since, until, ended)
    JOIN LATERAL (
        SELECT sampled_at, received_at, samples,
               CASE WHEN transaction_id = session.transaction_id THEN 'session'
                    WHEN transaction_id IS NULL THEN 'none' ELSE 'unknown' END AS of
        FROM meter_values AS value
        WHERE station_id = session.station_id AND evse_id = session.evse_id
          AND sampled_at BETWEEN session.since AND session.until
          AND (transaction_id = session.transaction_id OR transaction_id IS NULL
               OR NOT EXISTS (SELECT FROM sessions AS other
                              WHERE other.station_id = value.station_id
                                AND other.transaction_id = value.transaction_id))
        UNION ALL
        SELECT sampled_at, received_at, samples, 'session' FROM meter_values_default
        WHERE NOT session.ended
          AND station_id = session.station_id AND evse_id = session.evse_id
          AND sampled_at NOT BETWEEN session.since AND session.until
          AND transaction_id = session.transaction_id
    ) AS value ON true
"""


async def _load_readings(
    connection: Connection, claimed: _Rows
) -> defaultdict[_SessionId, list[Reading]]:
    spans = []
    for row in claimed:
        since, until = _EVER
        if row["started_at"] is not None:
            since = max(since, row["started_at"]) - _MARGIN
        ended = row["ended_at"] is not None and row["ended_by"] != EndSource.RULE
        if ended:
            until = min(until, row["ended_at"]) + _MARGIN
        spans.append((since, until, ended))
    records = await connection.fetch(
        _READINGS,
        [row["session_id"] for row in claimed],
        [row["station_id"] for row in claimed],
        [row["evse_id"] or 0 for row in claimed],
        [row["transaction_id"] for row in claimed],
        *map(list, zip(*spans, strict=True)),
    )
    readings: defaultdict[_SessionId, list[Reading]] = defaultdict(list)
    for record in records:
        readings[record["session_id"]].append(
            Reading(
                record["sampled_at"],
                record["received_at"],
                record["samples"],
                ReadingOf(record["of"]),
            )
        )
    return readings


async def _adopt_ends(connection: Connection, claimed: _Rows) -> None:
    """Keep ends that a pod from before `transaction_ends` wrote into the session alone."""
    old = [
        row["session_id"] for row in claimed
        if row["ended_at"] is not None and row["ended_by"] is None
        and row["transaction_id_issuer"] == TransactionIdIssuer.CSMS
    ]  # fmt: skip
    if old:
        await connection.execute(
            """
            INSERT INTO transaction_ends (station_id, transaction_id, ended_at, meter_stop_wh,
                                          stopped_reason, id_token, received_at)
            SELECT station_id, transaction_id, ended_at, meter_stop_wh, stopped_reason,
                   end_id_token, updated_at
            FROM sessions WHERE session_id = ANY ($1)
            ON CONFLICT DO NOTHING
            """,
            old,
        )


async def _load_ends(connection: Connection, claimed: _Rows) -> defaultdict[_SessionId, list[End]]:
    ends: defaultdict[_SessionId, list[End]] = defaultdict(list)
    for row in claimed:
        if row["transaction_id_issuer"] == TransactionIdIssuer.STATION and (
            row["ended_at"] is not None and row["ended_by"] in {None, EndSource.STATION}
        ):
            ends[row["session_id"]].append(_end(row, EndSource.STATION, row["updated_at"]))
    records = await connection.fetch(
        """
        SELECT session_id, stop.ended_at, stop.meter_stop_wh, stop.stopped_reason,
               stop.id_token AS end_id_token, stop.received_at
        FROM sessions JOIN transaction_ends AS stop USING (station_id, transaction_id)
        WHERE session_id = ANY ($1) AND transaction_id_issuer = $2
        ORDER BY end_no
        """,
        [row["session_id"] for row in claimed],
        TransactionIdIssuer.CSMS,
    )
    for record in records:
        ends[record["session_id"]].append(_end(record, EndSource.STATION, record["received_at"]))
    events = await connection.fetch(
        """
        SELECT session_id, event.occurred_at AS ended_at, session.meter_stop_wh,
               event.stopped_reason, event.id_token AS end_id_token, event.received_at
        FROM sessions AS session JOIN transaction_events AS event USING (station_id, transaction_id)
        WHERE session_id = ANY ($1) AND transaction_id_issuer = $2 AND event.event_type = 'Ended'
          AND event.occurred_at <> session.ended_at
        ORDER BY event.occurred_at, event.stopped_reason
        """,
        [row["session_id"] for row in claimed],
        TransactionIdIssuer.STATION,
    )
    for record in events:
        ends[record["session_id"]].append(_end(record, EndSource.STATION, record["received_at"]))
    letters = await connection.fetch(
        """
        SELECT session_id, status, transaction_end, received_at FROM dead_letters
        WHERE session_id = ANY ($1) AND status IN ('matched', 'assigned')
        ORDER BY dead_letters.dead_letter_id
        """,
        [row["session_id"] for row in claimed],
    )
    for letter in letters:
        told = read_transaction_end(letter["transaction_end"])
        ends[letter["session_id"]].append(
            End(
                source=EndSource.OPERATOR if letter["status"] == "assigned" else EndSource.MATCHED,
                ended_at=told.ended_at,
                meter_stop_wh=told.meter_stop_wh,
                stopped_reason=told.stopped_reason,
                id_token=told.id_token,
                received_at=letter["received_at"],
            )
        )
    return ends


def _end(record: asyncpg.Record, source: EndSource, received_at: datetime) -> End:
    return End(
        source=source,
        ended_at=record["ended_at"],
        meter_stop_wh=record["meter_stop_wh"],
        stopped_reason=record["stopped_reason"],
        id_token=record["end_id_token"],
        received_at=received_at,
    )
