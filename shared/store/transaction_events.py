"""Transaction events of OCPP 2.0.1: kept one by one, and merged into sessions.

Events come twice, late and in any order, and some never: a station that was offline sends them when
it is back, and drops some if its memory is full (E04, E11, E12). So a session is merged from them
by rules that do not ask which came first. What is told once, such as the EVSE, is taken from
whoever tells it. What several events may rightly tell is taken from the one with the lowest rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import asyncpg

from shared.domain.meter_values import MeterValuesReported
from shared.domain.sessions import (
    TransactionEventReported,
    TransactionEventType,
    TransactionIdIssuer,
)
from shared.store import dead_letters, meter_values
from shared.store.fingerprints import fingerprint_of
from shared.store.pool import Connection, Database

_SessionKey: TypeAlias = tuple[str, str]
_EventKey: TypeAlias = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that are missing, from one sequence number to another, both included."""

    first_seq_no: int
    last_seq_no: int


async def list_gaps(db: Database, *, station_id: str, transaction_id: str) -> list[Gap]:
    """Return which events are missing between those of a transaction that have come."""
    records = await db.fetch(
        """
        SELECT seq_no + 1 AS first_seq_no, next_seq_no - 1 AS last_seq_no
        FROM (SELECT seq_no::bigint, lead(seq_no) OVER (ORDER BY seq_no) AS next_seq_no
              FROM transaction_events WHERE station_id = $1 AND transaction_id = $2) AS event
        WHERE next_seq_no > seq_no + 1
        ORDER BY seq_no
        """,
        station_id,
        transaction_id,
    )
    return [Gap(**record) for record in records]


async def write(connection: Connection, facts: Sequence[TransactionEventReported]) -> list[None]:
    """Keep events and their meter values, and merge them into their sessions."""
    sessions = {_session_key(record): record for record in await _merge(connection, facts)}
    if strangers := [fact for fact in facts if _session_key(fact) not in sessions]:
        reason = "we gave its transaction id to another transaction, of OCPP 1.6"
        await dead_letters.insert(connection, [(fact, reason) for fact in strangers])
        facts_ours = [fact for fact in facts if _session_key(fact) in sessions]
    else:
        facts_ours = list(facts)
    await _insert(connection, facts_ours)
    if learned := [record for record in sessions.values() if record["evse_learned"]]:
        await _move_meter_values(connection, learned)
    if with_values := [
        MeterValuesReported(
            fact.station_id,
            sessions[_session_key(fact)]["evse_id"] or 0,
            fact.transaction_id,
            fact.meter_values,
        )
        for fact in facts_ours
        if fact.meter_values
    ]:
        await meter_values.write(connection, with_values)
    return [None] * len(facts)


def _session_key(of: TransactionEventReported | asyncpg.Record) -> _SessionKey:
    if isinstance(of, TransactionEventReported):
        return of.station_id, of.transaction_id
    return of["station_id"], of["transaction_id"]


def _lowest(column: str, *, by: str) -> str:
    return f"""{column} = CASE
        WHEN session.{by} IS NULL OR excluded.{by} < session.{by}
        THEN excluded.{column} ELSE session.{column} END"""


# The events of one batch are merged with each other first, then with what is there, by the same
# rules. Two tellings of what is told once agree; the lowest is taken so that the order does not
# matter even if they do not. Sessions are locked in the order of their keys, so that two pods with
# events of the same transactions, as after a reconnect, cannot wait for each other in a circle.
_MERGE = f"""
    INSERT INTO sessions AS session (
        station_id, transaction_id, transaction_id_issuer, ocpp_version, evse_id, connector_id,
        reservation_id, started_at, ended_at, stopped_reason,
        id_token, authorization_status, id_token_rank, end_id_token, end_id_token_rank,
        meter_start_wh, meter_start_rank, meter_stop_wh, meter_stop_rank)
    SELECT station_id, transaction_id, $1, min(ocpp_version), min(evse_id), min(connector_id),
        min(reservation_id), min(started_at), min(ended_at),
        (array_agg(stopped_reason ORDER BY ended_at, stopped_reason))[1],
        (array_agg(id_token ORDER BY id_token_rank))[1],
        (array_agg(authorization_status ORDER BY id_token_rank))[1],
        min(id_token_rank),
        (array_agg(end_id_token ORDER BY end_id_token_rank))[1],
        min(end_id_token_rank),
        (array_agg(meter_start_wh ORDER BY meter_start_rank))[1],
        min(meter_start_rank),
        (array_agg(meter_stop_wh ORDER BY meter_stop_rank))[1],
        min(meter_stop_rank)
    FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::integer[],
                $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[],
                $13::bigint[], $14::text[], $15::bigint[], $16::numeric[], $17::bigint[],
                $18::numeric[], $19::bigint[])
         AS event (station_id, transaction_id, ocpp_version, evse_id, connector_id, reservation_id,
                   started_at, ended_at, stopped_reason, id_token, authorization_status,
                   id_token_rank, end_id_token, end_id_token_rank, meter_start_wh,
                   meter_start_rank, meter_stop_wh, meter_stop_rank)
    GROUP BY station_id, transaction_id
    ORDER BY station_id, transaction_id
    ON CONFLICT (station_id, transaction_id) DO UPDATE SET
        updated_at = now(),
        evse_id = least(session.evse_id, excluded.evse_id),
        connector_id = least(session.connector_id, excluded.connector_id),
        reservation_id = least(session.reservation_id, excluded.reservation_id),
        started_at = least(session.started_at, excluded.started_at),
        ended_at = least(session.ended_at, excluded.ended_at),
        stopped_reason = CASE
            WHEN session.ended_at IS NULL
              OR (excluded.ended_at, excluded.stopped_reason)
                 < (session.ended_at, session.stopped_reason)
            THEN excluded.stopped_reason ELSE session.stopped_reason END,
        {_lowest("id_token", by="id_token_rank")},
        {_lowest("authorization_status", by="id_token_rank")},
        {_lowest("id_token_rank", by="id_token_rank")},
        {_lowest("end_id_token", by="end_id_token_rank")},
        {_lowest("end_id_token_rank", by="end_id_token_rank")},
        {_lowest("meter_start_wh", by="meter_start_rank")},
        {_lowest("meter_start_rank", by="meter_start_rank")},
        {_lowest("meter_stop_wh", by="meter_stop_rank")},
        {_lowest("meter_stop_rank", by="meter_stop_rank")}
    WHERE session.transaction_id_issuer = excluded.transaction_id_issuer
    RETURNING session.station_id, session.transaction_id, session.evse_id,
              old.station_id IS NOT NULL AND old.evse_id IS NULL AND new.evse_id IS NOT NULL
              AS evse_learned
"""  # noqa: S608 - the columns named above


async def _merge(
    connection: Connection, facts: Sequence[TransactionEventReported]
) -> list[asyncpg.Record]:
    """Merge events into their sessions.

    Returns:
        Each session's EVSE, and whether it was not known before. Without those whose transaction id
        is taken by a transaction of OCPP 1.6, which is left alone.
    """
    rows: list[tuple[Any, ...]] = []
    for fact in facts:
        started = fact.event_type is TransactionEventType.STARTED
        ended = fact.event_type is TransactionEventType.ENDED
        starting = fact.id_token_type is not None and not fact.ends_authorization
        ending = fact.id_token_type is not None and fact.ends_authorization
        first, last = fact.first_register(), fact.last_register()
        rows.append(
            (
                fact.station_id,
                fact.transaction_id,
                fact.ocpp_version,
                fact.evse_id,
                fact.connector_id,
                fact.reservation_id,
                fact.occurred_at if started else None,
                fact.occurred_at if ended else None,
                fact.stopped_reason if ended else None,
                fact.id_token if starting else None,
                fact.authorization_status if starting else None,
                fact.seq_no if starting else None,
                fact.id_token if ending else None,
                -fact.seq_no if ending else None,
                first and first.energy_wh,
                first and first.rank,
                last and last.energy_wh,
                last and last.rank,
            )
        )
    return await connection.fetch(_MERGE, TransactionIdIssuer.STATION, *zip(*rows, strict=True))


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
_INSERT = f"""
    INSERT INTO transaction_events ({", ".join(_COLUMNS)})
    SELECT * FROM unnest({", ".join(f"${i}::{t}[]" for i, t in enumerate(_COLUMNS.values(), 1))})
    ON CONFLICT DO NOTHING
    RETURNING station_id, transaction_id, seq_no
"""  # noqa: S608 - the names and types above


async def _insert(connection: Connection, facts: Sequence[TransactionEventReported]) -> None:
    """Insert events. One that is told again is kept once, another with its number set aside."""
    if not facts:
        return
    fingerprints = [fingerprint_of((_words(fact), fact.meter_values)) for fact in facts]
    rows = []
    for fact, fingerprint in zip(facts, fingerprints, strict=True):
        times = [meter_value.sampled_at for meter_value in fact.meter_values]
        rows.append(
            (
                *_words(fact),
                fact.offline,
                fact.authorization_status,
                min(times, default=None),
                max(times, default=None),
                fingerprint,
            )
        )
    new = {tuple(record) for record in await connection.fetch(_INSERT, *zip(*rows, strict=True))}
    if len(new) == len(facts):
        return
    keys: list[_EventKey] = [(fact.station_id, fact.transaction_id, fact.seq_no) for fact in facts]
    kept = await _find_fingerprints(connection, [key for key in keys if key not in new])
    letters = []
    for key, fact, fingerprint in zip(keys, facts, fingerprints, strict=True):
        if kept.setdefault(key, fingerprint) != fingerprint:
            # Merged all the same: bad numbers must not cost the end of a session.
            letters.append((fact, "another event of the transaction has its sequence number"))
    if letters:
        await dead_letters.insert(connection, letters)


async def _find_fingerprints(
    connection: Connection, keys: Sequence[_EventKey]
) -> dict[_EventKey, int]:
    records = await connection.fetch(
        """
        SELECT station_id, transaction_id, seq_no, fingerprint
        FROM transaction_events
        JOIN unnest($1::text[], $2::text[], $3::integer[])
             AS asked (station_id, transaction_id, seq_no)
             USING (station_id, transaction_id, seq_no)
        """,
        [key[0] for key in keys],
        [key[1] for key in keys],
        [key[2] for key in keys],
    )
    return {
        (record["station_id"], record["transaction_id"], record["seq_no"]): record["fingerprint"]
        for record in records
    }


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
        JOIN transaction_events AS event USING (station_id, transaction_id)
        WHERE meter_values.station_id = event.station_id AND meter_values.evse_id = 0
          AND meter_values.sampled_at BETWEEN event.sampled_from AND event.sampled_until
          AND meter_values.transaction_id = event.transaction_id
        """,
        [record["station_id"] for record in sessions],
        [record["transaction_id"] for record in sessions],
        [record["evse_id"] for record in sessions],
    )
