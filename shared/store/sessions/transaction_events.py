"""Transaction events of OCPP 2.0.1: kept one by one, and merged into sessions.

Events come twice, late and in any order, and some never: a station that was offline sends them when
it is back, and drops some if its memory is full (E04, E11, E12). So a session is merged from them
by rules that do not ask which came first. What is told once, such as the EVSE, is taken from
whoever tells it. What several events may rightly tell is taken from the one with the lowest rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import asyncpg

from shared.domain.sessions import TransactionEventReported, TransactionIdIssuer
from shared.domain.sessions.transaction_ids import SAME_START
from shared.store.fingerprints import encode_json, fingerprint_of
from shared.store.pool import Connection, Database
from shared.store.sessions import ambiguous_events, meter_values

# Who counts up in leaps has a gap at each event; nobody reads more of them.
_MAX_GAPS = 1000


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that are missing, from one sequence number to another, both included."""

    first_seq_no: int
    last_seq_no: int


async def list_gaps(db: Database, *, station_id: str, transaction_id: str) -> list[Gap]:
    """Return which events are missing between those of a transaction that have come.

    Only the first `_MAX_GAPS` of them.
    """
    records = await db.fetch(
        """
        SELECT seq_no + 1 AS first_seq_no, next_seq_no - 1 AS last_seq_no
        FROM (SELECT seq_no::bigint, lead(seq_no) OVER (ORDER BY seq_no) AS next_seq_no
              FROM transaction_events WHERE station_id = $1 AND transaction_id = $2) AS event
        WHERE next_seq_no > seq_no + 1
        ORDER BY seq_no LIMIT $3
        """,
        station_id,
        transaction_id,
        _MAX_GAPS,
    )
    return [Gap(**record) for record in records]


async def write(connection: Connection, facts: Sequence[TransactionEventReported]) -> list[None]:
    """Keep events and their meter values, and merge them into their sessions.

    One statement does it for nearly all of them. What it leaves alone is written after it, which is
    another transaction unless the caller has begun one.
    """
    once, twice = ambiguous_events.divide(facts)
    left_alone = [*(await _merge(connection, once) if once else ()), *twice]
    if left_alone:
        async with connection.transaction():
            if strangers := await _write_apart(connection, left_alone):
                await _write_apart(connection, ambiguous_events.set_beside_ours(strangers))
    return [None] * len(facts)


async def _write_apart(
    connection: Connection, facts: Sequence[TransactionEventReported]
) -> list[TransactionEventReported]:
    """Write events that `_merge` left alone; return those whose id we gave to another one."""
    apart = await ambiguous_events.tell_apart(connection, facts)
    if learned := await _learn_evses(connection, apart):
        await _move_meter_values(connection, learned)
    strangers = await _merge(connection, apart, told_apart=True)
    await ambiguous_events.note_additions(connection, facts, apart)
    return strangers


def _lowest(column: str, *, by: str) -> str:
    return f"""{column} = CASE
        WHEN session.{by} IS NULL OR excluded.{by} < session.{by}
        THEN excluded.{column} ELSE session.{column} END"""


# An end that a rule or an operator put there gives way to the station's own.
_GIVES_WAY = "(session.ended_by <> 'station' AND excluded.ended_at IS NOT NULL)"
# What comes for a session that is over has to be worked in; while it goes on that can wait.
_ENDED = "coalesce(session.ended_at, excluded.ended_at) IS NOT NULL"

_TOLD_ONCE = ("evse_id", "connector_id", "reservation_id", "started_at", "id_token_rank",
              "end_id_token_rank", "meter_start_rank")  # fmt: skip
# A register of a session that goes on is no change of it, as in 1.6; and the row, with none of its
# indexed columns changed, is written without a word to its indexes.
_SHOWS_MORE = f"""
    ({_ENDED} OR ({", ".join(f"least(session.{name}, excluded.{name})" for name in _TOLD_ONCE)})
     IS DISTINCT FROM ({", ".join(f"session.{name}" for name in _TOLD_ONCE)}))
"""

# What the station says. Whether it was offline is left out: that may have changed when it says it
# again (E11.FR.07).
_WORDS = {
    "station_id": "text",
    "transaction_id": "text",
    "seq_no": "integer",
    "event_type": "text",
    "occurred_at": "timestamptz",
    "trigger_reason": "text",
    "evse_id": "integer",
    "connector_id": "integer",
    "id_token": "text",
    "id_token_type": "text",
    "reservation_id": "integer",
    "remote_start_id": "integer",
    "charging_state": "text",
    "time_spent_charging_s": "integer",
    "stopped_reason": "text",
    "number_of_phases_used": "integer",
    "cable_max_current_a": "integer",
}
_words = attrgetter(*_WORDS)
_COLUMNS = {
    **_WORDS,
    "offline": "boolean",
    "authorization_status": "text",
    "sampled_from": "timestamptz",
    "sampled_until": "timestamptz",
    "fingerprint": "bigint",
}
_MEMBERS = {
    **_COLUMNS,
    "number": "integer",
    "ocpp_version": "text",
    "meter_start_wh": "numeric",
    "meter_start_rank": "bigint",
    "meter_stop_wh": "numeric",
    "meter_stop_rank": "bigint",
    "free": "boolean",
}

# The events of one batch are merged with each other first, then with what is there, by the same
# rules. Two tellings of what is told once agree; the lowest is taken so that the order does not
# matter even if they do not. Sessions are locked in the order of their keys, so that two pods with
# events of the same transactions, as after a reconnect, cannot wait for each other in a circle.
#
# Three kinds of session are left alone: transactions of OCPP 1.6 that have the same id; those whose
# id another transaction of the station has, or may have as it begins at another time; and those
# that learn their EVSE now, because meter values have to be moved there before others are kept.
#
# Events come as one JSON document, because most of their members are missing: to look at each
# element of an array per member takes asyncpg longer than anything else here.
_MERGE = f"""
    WITH event AS (
        SELECT *, id_token_type IS NOT NULL AND trigger_reason <> 'StopAuthorized' AS starts,
               id_token_type IS NOT NULL AND trigger_reason = 'StopAuthorized' AS stops
        FROM json_to_recordset($1) AS event ({", ".join(f"{n} {t}" for n, t in _MEMBERS.items())})
    ),
    merged AS (
        INSERT INTO sessions AS session (
            station_id, transaction_id, transaction_id_issuer, ocpp_version, evse_id, connector_id,
            reservation_id, started_at, ended_at, ended_by, stopped_reason,
            id_token, authorization_status, id_token_rank, end_id_token, end_id_token_rank,
            meter_start_wh, meter_start_rank, meter_stop_wh, meter_stop_rank, at_free_location,
            organization_id)
        SELECT station_id, transaction_id, $2, min(ocpp_version), min(evse_id), min(connector_id),
            min(reservation_id),
            min(occurred_at) FILTER (WHERE event_type = 'Started'),
            min(occurred_at) FILTER (WHERE event_type = 'Ended'),
            CASE WHEN bool_or(event_type = 'Ended') THEN 'station' END,
            (array_agg(stopped_reason ORDER BY occurred_at, stopped_reason)
                FILTER (WHERE event_type = 'Ended'))[1],
            (array_agg(id_token ORDER BY seq_no) FILTER (WHERE starts))[1],
            coalesce(
                (array_agg(authorization_status ORDER BY seq_no) FILTER (WHERE starts))[1],
                CASE WHEN bool_or(free) THEN 'Accepted' END),
            min(seq_no) FILTER (WHERE starts),
            (array_agg(id_token ORDER BY seq_no DESC) FILTER (WHERE stops))[1],
            -max(seq_no::bigint) FILTER (WHERE stops),
            (array_agg(meter_start_wh ORDER BY meter_start_rank)
                FILTER (WHERE meter_start_rank IS NOT NULL))[1],
            min(meter_start_rank),
            (array_agg(meter_stop_wh ORDER BY meter_stop_rank)
                FILTER (WHERE meter_stop_rank IS NOT NULL))[1],
            min(meter_stop_rank),
            coalesce(bool_or(free), false),
            coalesce((SELECT organization_id FROM stations
                      WHERE stations.station_id = event.station_id), 'default')
        FROM event
        GROUP BY station_id, transaction_id
        ORDER BY station_id, transaction_id
        ON CONFLICT (station_id, transaction_id) DO UPDATE SET
            updated_at = CASE WHEN {_SHOWS_MORE} THEN now() ELSE session.updated_at END,
            evse_id = least(session.evse_id, excluded.evse_id),
            connector_id = least(session.connector_id, excluded.connector_id),
            reservation_id = least(session.reservation_id, excluded.reservation_id),
            started_at = least(session.started_at, excluded.started_at),
            ended_at = CASE
                WHEN {_GIVES_WAY} THEN excluded.ended_at
                ELSE least(session.ended_at, excluded.ended_at) END,
            ended_by = CASE WHEN excluded.ended_at IS NULL THEN session.ended_by ELSE 'station' END,
            settle_at = CASE WHEN {_ENDED} THEN now() ELSE session.settle_at END,
            settled_at = CASE WHEN {_ENDED} THEN NULL ELSE session.settled_at END,
            stopped_reason = CASE
                WHEN session.ended_at IS NULL OR {_GIVES_WAY}
                  OR (excluded.ended_at, excluded.stopped_reason)
                     < (session.ended_at, session.stopped_reason)
                THEN excluded.stopped_reason ELSE session.stopped_reason END,
            {_lowest("id_token", by="id_token_rank")},
            at_free_location = session.at_free_location OR excluded.at_free_location,
            authorization_status = CASE
                WHEN session.id_token_rank IS NULL
                  OR excluded.id_token_rank < session.id_token_rank
                -- Of a location that is free for all it is told without a token.
                THEN coalesce(excluded.authorization_status, session.authorization_status)
                ELSE session.authorization_status END,
            {_lowest("id_token_rank", by="id_token_rank")},
            {_lowest("end_id_token", by="end_id_token_rank")},
            {_lowest("end_id_token_rank", by="end_id_token_rank")},
            {_lowest("meter_start_wh", by="meter_start_rank")},
            {_lowest("meter_start_rank", by="meter_start_rank")},
            {_lowest("meter_stop_wh", by="meter_stop_rank")},
            {_lowest("meter_stop_rank", by="meter_stop_rank")}
        WHERE session.transaction_id_issuer = excluded.transaction_id_issuer
          AND (session.evse_id IS NOT NULL OR excluded.evse_id IS NULL)
          AND ($8 OR NOT session.transaction_id_reused AND coalesce(excluded.started_at BETWEEN
                session.started_at - $9::interval AND session.started_at + $9::interval, true))
        RETURNING station_id, transaction_id, evse_id
    ),
    kept AS (
        INSERT INTO transaction_events ({", ".join(_COLUMNS)})
        SELECT {", ".join(f"event.{name}" for name in _COLUMNS)}
        FROM event JOIN merged USING (station_id, transaction_id)
        ON CONFLICT DO NOTHING
        RETURNING station_id, transaction_id, seq_no, fingerprint
    ),
    valued AS (
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples)
        SELECT station_id, coalesce(merged.evse_id, 0), value.sampled_at, value.fingerprint,
               transaction_id, value.energy_wh::numeric, value.samples::jsonb
        FROM unnest($3::integer[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[])
             AS value (number, sampled_at, fingerprint, energy_wh, samples)
        JOIN event USING (number)
        JOIN merged USING (station_id, transaction_id)
        ON CONFLICT DO NOTHING
    )
    SELECT number, merged.station_id IS NOT NULL AS merged
    FROM event
    LEFT JOIN merged USING (station_id, transaction_id)
    LEFT JOIN kept USING (station_id, transaction_id, seq_no, fingerprint)
    WHERE kept.station_id IS NULL
    ORDER BY number
"""  # noqa: S608 - the columns named above


async def _merge(
    connection: Connection, facts: Sequence[TransactionEventReported], *, told_apart: bool = False
) -> list[TransactionEventReported]:
    """Write events and their meter values.

    Args:
        connection: to Postgres.
        facts: what was told.
        told_apart: their ids are those that their transactions are kept under.

    Returns:
        The events of sessions that were left alone, of which nothing is written.
    """
    events = [_to_event(number, fact) for number, fact in enumerate(facts)]
    numbers: list[int] = []
    sampled_at: list[datetime] = []
    fingerprints: list[int] = []
    energy_wh: list[str | None] = []
    samples: list[str] = []
    encoded_values = iter(
        await meter_values.encode_in_turns(
            (meter_value, fact.transaction_id)
            for fact in facts
            for meter_value in fact.meter_values
        )
    )
    for number, fact in enumerate(facts):
        for meter_value in fact.meter_values:
            fingerprint, wh, encoded = next(encoded_values)
            numbers.append(number)
            sampled_at.append(meter_value.sampled_at)
            fingerprints.append(fingerprint)
            energy_wh.append(wh)
            samples.append(encoded)
    left = await connection.fetch(
        _MERGE,
        encode_json(events).decode(),
        TransactionIdIssuer.STATION,
        numbers,
        sampled_at,
        fingerprints,
        energy_wh,
        samples,
        told_apart,
        SAME_START,
    )
    if not left:
        return []
    if told_before := [events[record["number"]] for record in left if record["merged"]]:
        await ambiguous_events.keep_same_numbers(connection, told_before, _COLUMNS)
    return [facts[record["number"]] for record in left if not record["merged"]]


def _to_event(number: int, fact: TransactionEventReported) -> dict[str, Any]:
    """Return an event as an element of the document, without what is not there."""
    words = _words(fact)
    event = {name: word for name, word in zip(_WORDS, words, strict=True) if word is not None}
    event["number"] = number
    event["ocpp_version"] = fact.ocpp_version
    event["offline"] = fact.offline
    event["fingerprint"] = fingerprint_of((words, fact.meter_values))
    if fact.authorization_status is not None:
        event["authorization_status"] = fact.authorization_status
    if fact.free:
        event["free"] = True
    if fact.meter_values:
        times = [meter_value.sampled_at for meter_value in fact.meter_values]
        event["sampled_from"], event["sampled_until"] = min(times), max(times)
        first, last = fact.registers()
        if first is not None:
            event["meter_start_wh"], event["meter_start_rank"] = first.energy_wh, first.rank
        if last is not None:
            event["meter_stop_wh"], event["meter_stop_rank"] = last.energy_wh, last.rank
    return event


async def _learn_evses(
    connection: Connection, facts: Sequence[TransactionEventReported]
) -> list[asyncpg.Record]:
    """Write down the EVSE of sessions that had none; they stay locked until the commit."""
    known = [fact for fact in facts if fact.evse_id is not None]
    return await connection.fetch(
        """
        WITH told AS (
            SELECT station_id, transaction_id, min(evse_id) AS evse_id
            FROM unnest($1::text[], $2::text[], $3::integer[])
                 AS event (station_id, transaction_id, evse_id)
            GROUP BY station_id, transaction_id
        ),
        locked AS (
            SELECT session_id, told.evse_id
            FROM sessions JOIN told USING (station_id, transaction_id)
            WHERE transaction_id_issuer = $4 AND sessions.evse_id IS NULL
            ORDER BY station_id, transaction_id
            FOR UPDATE OF sessions
        )
        UPDATE sessions SET evse_id = locked.evse_id
        FROM locked WHERE sessions.session_id = locked.session_id
        RETURNING station_id, transaction_id, sessions.evse_id
        """,
        [fact.station_id for fact in known],
        [fact.transaction_id for fact in known],
        [fact.evse_id for fact in known],
        TransactionIdIssuer.STATION,
    )


async def _move_meter_values(connection: Connection, sessions: Sequence[asyncpg.Record]) -> None:
    """Give meter values that came before their EVSE was known, which are under EVSE 0, that EVSE.

    This comes before the values of the same batch are kept, so that one that is told again finds
    the first telling where it now belongs.
    """
    await connection.execute(
        """
        UPDATE meter_values SET evse_id = learned.evse_id
        FROM unnest($1::text[], $2::text[], $3::integer[])
             AS learned (station_id, transaction_id, evse_id)
        JOIN all_transaction_events AS event USING (station_id, transaction_id)
        WHERE meter_values.station_id = event.station_id AND meter_values.evse_id = 0
          AND meter_values.sampled_at BETWEEN event.sampled_from AND event.sampled_until
          AND meter_values.transaction_id = event.transaction_id
        """,
        [record["station_id"] for record in sessions],
        [record["transaction_id"] for record in sessions],
        [record["evse_id"] for record in sessions],
    )
