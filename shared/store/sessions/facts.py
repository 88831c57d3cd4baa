"""All that is known of sessions, read for those that have to be worked out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions import (
    End,
    EndRule,
    EndSource,
    Reading,
    Review,
    ReviewDecision,
    ReviewReason,
    RuleEnd,
    SessionFacts,
    Shown,
    Surroundings,
    TransactionIdIssuer,
    is_certain,
)
from shared.store.pool import Connection, Database
from shared.store.sessions import events as session_events
from shared.store.sessions import readings as session_readings
from shared.store.sessions.bills import read_bill, read_found, tells_register
from shared.store.sessions.dead_letters import read_transaction_end
from shared.store.sessions.events import EventWords

_SessionId: TypeAlias = Any  # asyncpg's UUID
ClaimedSession: TypeAlias = asyncpg.Record
"""A whole row of `sessions`, and `claimed_at`."""
_Rows: TypeAlias = Sequence[ClaimedSession]

# Of one session, in the order of arrival: the first one stands, and others that say otherwise show
# that they differ.
_MAX_ENDS = 100
# Of those of its station that came after a session, among which the next on its EVSE is looked for.
_MAX_LATER = 1000
# The newest of a transaction, by their numbers, among which the last one to come is looked for.
_MAX_EVENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSession:
    """A session that has to be worked out, with all that is known of it.

    `claimed_until` is what tells whether something came in the meantime. `claimed_at` is what the
    clock says by which everything came: that of Postgres, and not the worker's. `told_as` is what
    events have told of it (`tellings`).
    """

    session_id: str
    claimed_at: datetime
    issuer: TransactionIdIssuer
    claimed_until: datetime
    facts: SessionFacts
    shown: Shown
    is_new: bool
    told_as: int | None


async def load(
    db: Database, claimed: _Rows, *, max_samples: int, max_age: timedelta
) -> list[DueSession]:
    """Return all that is known of claimed sessions, whole rows of `sessions`.

    Args:
        db: the pool.
        claimed: the sessions.
        max_samples: of one session, which is `unread` with more, and of all together.
        max_age: how far back a session without a start is looked for.

    Raises:
        TooManySamplesError: they have more together; a single one never raises this.
    """
    async with db.acquire() as connection:
        await _adopt_ends(connection, claimed)
        ends = await _load_ends(connection, claimed)
        around = await _load_surroundings(connection, claimed)
        told = await session_events.load(connection, claimed)
        readings = await session_readings.load(
            connection, claimed, max_samples=max_samples, max_age=max_age
        )
    unread = dict.fromkeys(readings.too_many, ReviewReason.METER_VALUES_TOO_MANY)
    return _due(claimed, ends, around, told, readings.of, unread=unread)


async def load_unread(db: Database, claimed: ClaimedSession) -> DueSession:
    """Return what is known of a session whose meter values cannot be read."""
    async with db.acquire() as connection:
        await _adopt_ends(connection, [claimed])
        ends = await _load_ends(connection, [claimed])
        around = await _load_surroundings(connection, [claimed])
        told = await session_events.load(connection, [claimed])
    unread = {claimed["session_id"]: ReviewReason.METER_VALUES_UNREADABLE}
    (due,) = _due([claimed], ends, around, told, defaultdict(list), unread=unread)
    return due


def _due(
    claimed: _Rows,
    ends: Mapping[_SessionId, list[End]],
    around: Mapping[_SessionId, asyncpg.Record],
    told: EventWords,
    readings: Mapping[_SessionId, list[Reading]],
    *,
    unread: Mapping[_SessionId, ReviewReason],
) -> list[DueSession]:
    return [
        DueSession(
            session_id=str(row["session_id"]),
            claimed_at=row["claimed_at"],
            issuer=TransactionIdIssuer(row["transaction_id_issuer"]),
            claimed_until=row["settle_at"],
            facts=_facts(
                row,
                ends[row["session_id"]],
                around[row["session_id"]],
                told,
                readings[row["session_id"]],
                unread=unread.get(row["session_id"]),
            ),
            shown=Shown(
                ended_by=row["ended_by"] and EndSource(row["ended_by"]),
                end_rule=row["end_rule"] and EndRule(row["end_rule"]),
                reasons=frozenset(map(ReviewReason, row["review_reasons"])),
                bill=read_bill(row),
                found=read_found(row),
            ),
            is_new=row["settled_at"] is None and row["ended_at"] is None,
            told_as=row["told_as"],
        )
        for row in claimed
    ]


def _facts(
    row: asyncpg.Record,
    ends: list[End],
    around: asyncpg.Record,
    told: EventWords,
    readings: list[Reading],
    *,
    unread: ReviewReason | None,
) -> SessionFacts:
    status, rule = row["authorization_status"], row["end_rule"]
    payer = told.payer_of(row["session_id"])
    id_token = row["id_token"] or payer.id_token
    return SessionFacts(
        started_at=row["started_at"],
        meter_start_wh=row["meter_start_wh"] if tells_register(row, "meter_start") else None,
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
            available_received_at=around["available_received_at"],
            offline_since=around["offline_since"],
        ),
        concluded=rule
        and RuleEnd(rule=EndRule(rule), ended_at=row["ended_at"], concluded_at=row["end_rule_at"]),
        review=_review(row),
        evse_id=row["evse_id"],
        id_token=id_token,
        anonymous=not id_token and not payer.free and not row["at_free_location"],
        free=row["at_free_location"],
        bill=read_bill(row),
        events_missing=told.missing.get(row["session_id"], 0),
        unread=unread,
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
        SELECT session.session_id,
               (SELECT min(started_at) FROM sessions
                WHERE station_id = session.station_id AND evse_id = session.evse_id
                  AND started_at > session.started_at) AS next_start_at,
               next.created_at AS next_start_received_at, booted_at,
               connectors.reported_at AS available_since,
               coalesce(connectors.received_at, connectors.reported_at) AS available_received_at,
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
            -- Ids of sessions grow with the time at which we learned of them.
            SELECT created_at FROM (
                SELECT session_id, evse_id, started_at, created_at FROM sessions
                WHERE station_id = session.station_id AND session_id > session.session_id
                  AND session.ended_by IS DISTINCT FROM 'station'
                ORDER BY sessions.session_id LIMIT $3
            ) AS later
            WHERE evse_id = session.evse_id AND started_at > session.started_at
              AND created_at > session.created_at
            ORDER BY later.session_id LIMIT 1
        ) AS next ON true
        LEFT JOIN LATERAL (
            SELECT max(received_at) AS received_at FROM (
                SELECT received_at FROM all_transaction_events
                WHERE station_id = session.station_id AND transaction_id = session.transaction_id
                ORDER BY seq_no DESC LIMIT $2
            ) AS newest
        ) AS event ON true
        WHERE session.session_id = ANY ($1)
        """,
        [row["session_id"] for row in claimed],
        _MAX_EVENTS,
        _MAX_LATER,
    )
    return {record["session_id"]: record for record in records}


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
    told_at = await _find_told_at(connection, claimed)
    for row in claimed:
        if row["transaction_id_issuer"] == TransactionIdIssuer.STATION and (
            row["ended_at"] is not None and row["ended_by"] in {None, EndSource.STATION}
        ):
            received_at = told_at.get(row["session_id"], row["updated_at"])
            end = _end(row, EndSource.STATION, received_at)
            certain = tells_register(row, "meter_stop")
            ends[row["session_id"]].append(end if certain else replace(end, meter_stop_wh=None))
    records = await connection.fetch(
        """
        SELECT session_id, stop.ended_at, stop.meter_stop_wh, stop.stopped_reason,
               stop.id_token AS end_id_token, stop.received_at
        FROM sessions CROSS JOIN LATERAL (
            SELECT * FROM transaction_ends AS told
            WHERE told.station_id = sessions.station_id
              AND told.transaction_id = sessions.transaction_id
            ORDER BY end_no LIMIT $3
        ) AS stop
        WHERE session_id = ANY ($1) AND transaction_id_issuer = $2
        ORDER BY end_no
        """,
        [row["session_id"] for row in claimed],
        TransactionIdIssuer.CSMS,
        _MAX_ENDS,
    )
    for record in records:
        ends[record["session_id"]].append(_end(record, EndSource.STATION, record["received_at"]))
    events = await connection.fetch(
        """
        SELECT session_id, event.occurred_at AS ended_at, session.meter_stop_wh,
               session.meter_stop_rank, event.stopped_reason, event.id_token AS end_id_token,
               event.received_at
        FROM sessions AS session CROSS JOIN LATERAL (
            SELECT * FROM all_transaction_events AS told
            WHERE told.station_id = session.station_id
              AND told.transaction_id = session.transaction_id
              AND told.event_type = 'Ended' AND told.occurred_at <> session.ended_at
            ORDER BY seq_no LIMIT $3
        ) AS event
        WHERE session_id = ANY ($1) AND transaction_id_issuer = $2
        ORDER BY event.occurred_at, event.stopped_reason
        """,
        [row["session_id"] for row in claimed],
        TransactionIdIssuer.STATION,
        _MAX_ENDS,
    )
    for record in events:
        end = _end(record, EndSource.STATION, record["received_at"])
        if not is_certain(record["meter_stop_rank"]):
            end = replace(end, meter_stop_wh=None)
        ends[record["session_id"]].append(end)
    letters = await connection.fetch(
        """
        SELECT letter.session_id, status, letter.transaction_end, letter.received_at
        FROM unnest($1::uuid[]) AS session (session_id) CROSS JOIN LATERAL (
            SELECT * FROM dead_letters
            WHERE dead_letters.session_id = session.session_id
              AND status IN ('matched', 'assigned')
            ORDER BY dead_letters.dead_letter_id LIMIT $2
        ) AS letter
        ORDER BY letter.dead_letter_id
        """,
        [row["session_id"] for row in claimed],
        _MAX_ENDS,
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


async def _find_told_at(connection: Connection, claimed: _Rows) -> dict[_SessionId, datetime]:
    """Return when the ends came that stand in the rows of sessions of OCPP 2.0.1."""
    records = await connection.fetch(
        """
        SELECT session_id, min(event.received_at) AS received_at
        FROM sessions JOIN transaction_events AS event USING (station_id, transaction_id)
        WHERE session_id = ANY ($1) AND transaction_id_issuer = $2
          AND event.event_type = 'Ended' AND event.occurred_at = sessions.ended_at
        GROUP BY session_id
        """,
        [row["session_id"] for row in claimed if row["ended_at"] is not None],
        TransactionIdIssuer.STATION,
    )
    return {record["session_id"]: record["received_at"] for record in records}


def _end(record: asyncpg.Record, source: EndSource, received_at: datetime) -> End:
    return End(
        source=source,
        ended_at=record["ended_at"],
        meter_stop_wh=record["meter_stop_wh"],
        stopped_reason=record["stopped_reason"],
        id_token=record["end_id_token"],
        received_at=received_at,
    )
