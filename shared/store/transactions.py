"""Transactions whose id we give, those of OCPP 1.6: their starts and ends, as sessions."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from shared.domain.meter_values import MeterValuesReported
from shared.domain.sessions import TransactionEnded, TransactionIdIssuer, TransactionStarted
from shared.store import dead_letters, meter_values
from shared.store.pool import Connection


def _start_key(start: TransactionStarted | asyncpg.Record) -> tuple[Any, ...]:
    if isinstance(start, TransactionStarted):
        return (
            start.station_id, start.evse_id, start.started_at, start.id_token, start.meter_start_wh
        )  # fmt: skip
    return (
        start["station_id"], start["evse_id"], start["started_at"], start["id_token"],
        start["meter_start_wh"],
    )  # fmt: skip


async def write_starts(connection: Connection, facts: Sequence[TransactionStarted]) -> list[str]:
    """Keep starts, one session each however often it is told; return the transaction ids."""
    distinct = list({_start_key(fact): fact for fact in facts}.values())
    # The update of a retry changes nothing that matters; it is there because only then RETURNING
    # gives back the row that is there already.
    records = await connection.fetch(
        """
        INSERT INTO sessions (station_id, evse_id, connector_id, ocpp_version, id_token,
                              authorization_status, started_at, meter_start_wh, reservation_id,
                              transaction_id, transaction_id_issuer)
        SELECT start.*, nextval('transaction_ids')::text, $10
        FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[],
                    $7::timestamptz[], $8::numeric[], $9::integer[]) AS start
        ON CONFLICT (station_id, evse_id, started_at, id_token, meter_start_wh)
            WHERE transaction_id_issuer = 'csms'
        DO UPDATE SET updated_at = now()
        RETURNING station_id, evse_id, started_at, id_token, meter_start_wh, transaction_id
        """,
        [fact.station_id for fact in distinct],
        [fact.evse_id for fact in distinct],
        [fact.connector_id for fact in distinct],
        [fact.ocpp_version for fact in distinct],
        [fact.id_token for fact in distinct],
        [fact.authorization_status for fact in distinct],
        [fact.started_at for fact in distinct],
        [fact.meter_start_wh for fact in distinct],
        [fact.reservation_id for fact in distinct],
        TransactionIdIssuer.CSMS,
    )
    transaction_ids = {_start_key(record): record["transaction_id"] for record in records}
    return [transaction_ids[_start_key(fact)] for fact in facts]


async def write_ends(connection: Connection, facts: Sequence[TransactionEnded]) -> list[None]:
    """End sessions; the first telling stands, what another one says is set aside."""
    distinct = {(fact.station_id, fact.transaction_id): fact for fact in reversed(facts)}
    ended = await connection.fetch(
        """
        UPDATE sessions
        SET ended_at = stop.ended_at, meter_stop_wh = stop.meter_stop_wh,
            stopped_reason = stop.stopped_reason, end_id_token = stop.id_token, updated_at = now()
        FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[], $5::text[],
                    $6::text[])
             AS stop (station_id, transaction_id, ended_at, meter_stop_wh, stopped_reason, id_token)
        WHERE sessions.station_id = stop.station_id
          AND sessions.transaction_id = stop.transaction_id
          AND sessions.ended_at IS NULL
        RETURNING sessions.station_id, sessions.transaction_id, sessions.evse_id
        """,
        [fact.station_id for fact in distinct.values()],
        [fact.transaction_id for fact in distinct.values()],
        [fact.ended_at for fact in distinct.values()],
        [fact.meter_stop_wh for fact in distinct.values()],
        [fact.stopped_reason for fact in distinct.values()],
        [fact.id_token for fact in distinct.values()],
    )
    evse_ids = {(record["station_id"], record["transaction_id"]): record["evse_id"]
                for record in ended}  # fmt: skip
    if again := [fact for key, fact in distinct.items() if key not in evse_ids]:
        evse_ids |= await _keep_what_differs(connection, again)
    # A 1.6 StopTransaction carries meter values but not the connector: that is the session's.
    if with_values := [
        MeterValuesReported(
            fact.station_id,
            evse_ids.get((fact.station_id, fact.transaction_id), 0),
            fact.transaction_id,
            fact.meter_values,
        )
        for fact in facts
        if fact.meter_values
    ]:
        await meter_values.write(connection, with_values)
    return [None] * len(facts)


async def _keep_what_differs(
    connection: Connection, facts: Sequence[TransactionEnded]
) -> dict[tuple[str, str], int]:
    """Compare ends that found no open session with what is kept; what differs is a dead letter.

    Returns:
        The EVSE of each transaction that is known.
    """
    records = await connection.fetch(
        """
        SELECT sessions.station_id, sessions.transaction_id, evse_id, ended_at, meter_stop_wh,
               stopped_reason
        FROM sessions JOIN unnest($1::text[], $2::text[]) AS stop (station_id, transaction_id)
            USING (station_id, transaction_id)
        """,
        [fact.station_id for fact in facts],
        [fact.transaction_id for fact in facts],
    )
    known = {(record["station_id"], record["transaction_id"]): record for record in records}
    letters: list[tuple[TransactionEnded, str]] = []
    for fact in facts:
        session = known.get((fact.station_id, fact.transaction_id))
        if session is None:
            letters.append((fact, "the station has no transaction with this id"))
        elif (session["ended_at"], session["meter_stop_wh"], session["stopped_reason"]) != (
            fact.ended_at, fact.meter_stop_wh, fact.stopped_reason
        ):  # fmt: skip
            letters.append((fact, "the transaction had ended before, with other values"))
    if letters:
        await dead_letters.insert(connection, letters)
    return {key: record["evse_id"] for key, record in known.items()}
