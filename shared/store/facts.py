"""Writing facts: many stations' words in one transaction, each statement for all facts of a kind.

Every write is idempotent, because a station that was not answered says it again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg

from shared.domain.device_model import (
    SecurityEventReported,
    StationEventsReported,
    VariablesReported,
)
from shared.domain.meter_values import MeterValuesReported
from shared.domain.sessions import (
    TransactionEnded,
    TransactionEventReported,
    TransactionIdIssuer,
    TransactionStarted,
)
from shared.domain.stations import ConnectorStatusReported, StationBooted
from shared.store import dead_letters, device_model, meter_values, transaction_events
from shared.store.pool import Connection, Database

Fact: TypeAlias = (
    StationBooted
    | ConnectorStatusReported
    | TransactionStarted
    | TransactionEventReported
    | MeterValuesReported
    | TransactionEnded
    | VariablesReported
    | StationEventsReported
    | SecurityEventReported
)


async def write(db: Database, facts: Sequence[Fact]) -> list[str | None]:
    """Commit all facts, or none of them.

    Returns:
        One result per fact in the same order: for a `TransactionStarted` its transaction id, else
        None.
    """
    by_kind: dict[type[Fact], list[int]] = {}
    for index, fact in enumerate(facts):
        by_kind.setdefault(type(fact), []).append(index)
    results: list[str | None] = [None] * len(facts)
    async with db.acquire() as connection:
        if len(by_kind) == 1:
            # A single statement is a transaction of its own: two round trips less.
            kind = type(facts[0])
            if kind in _SINGLE_STATEMENT:
                return await _WRITERS[kind](connection, facts)
        async with connection.transaction():
            # In the order of a charge's life, so that facts of one batch find what they refer to.
            for kind, writer in _WRITERS.items():
                if indexes := by_kind.get(kind):
                    written = await writer(connection, [facts[index] for index in indexes])
                    for index, result in zip(indexes, written, strict=True):
                        results[index] = result
    return results


async def write_dead_letter(db: Database, fact: Fact, *, reason: str) -> str | None:
    """Keep a fact that could not be written where it belongs, for a person to look at.

    Returns:
        What `write` would have: a `TransactionStarted` still gets an id that is unique, because the
        station needs one to go on.
    """
    await dead_letters.insert(db, [(fact, reason)])
    if isinstance(fact, TransactionStarted):
        return str(await db.fetchval("SELECT nextval('transaction_ids')"))
    return None


async def _write_boots(connection: Connection, facts: Sequence[StationBooted]) -> list[None]:
    newest = {fact.station_id: fact for fact in facts}.values()
    await connection.execute(
        """
        UPDATE stations
        SET vendor = boot.vendor, model = boot.model, serial_number = boot.serial_number,
            firmware_version = boot.firmware_version, iccid = boot.iccid, imsi = boot.imsi,
            booted_at = coalesce(boot.booted_at, stations.booted_at),
            boot_reason = boot.reason, updated_at = now()
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::timestamptz[], $10::text[])
             AS boot (station_id, epoch, vendor, model, serial_number, firmware_version, iccid,
                      imsi, booted_at, reason)
        WHERE stations.station_id = boot.station_id AND stations.epoch <= boot.epoch
        """,
        [fact.station_id for fact in newest],
        [fact.epoch for fact in newest],
        [fact.vendor for fact in newest],
        [fact.model for fact in newest],
        [fact.serial_number for fact in newest],
        [fact.firmware_version for fact in newest],
        [fact.iccid for fact in newest],
        [fact.imsi for fact in newest],
        [fact.booted_at for fact in newest],
        [fact.reason for fact in newest],
    )
    return [None] * len(facts)


async def _write_statuses(
    connection: Connection, facts: Sequence[ConnectorStatusReported]
) -> list[None]:
    newest = {(fact.station_id, fact.evse_id, fact.connector_id): fact for fact in facts}.values()
    await connection.execute(
        """
        INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status,
                                error_code, info, vendor_id, vendor_error_code, epoch, reported_at)
        SELECT report.* FROM unnest(
            $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::bigint[], $11::timestamptz[]
        ) AS report (station_id, evse_id, connector_id, status, reported_status, error_code, info,
                     vendor_id, vendor_error_code, epoch, reported_at)
        JOIN stations USING (station_id)
        ON CONFLICT (station_id, evse_id, connector_id) DO UPDATE
        SET status = excluded.status, reported_status = excluded.reported_status,
            error_code = excluded.error_code, info = excluded.info,
            vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
            epoch = excluded.epoch, reported_at = excluded.reported_at
        WHERE connectors.epoch <= excluded.epoch
        """,
        [fact.station_id for fact in newest],
        [fact.evse_id for fact in newest],
        [fact.connector_id for fact in newest],
        [fact.status for fact in newest],
        [fact.reported_status for fact in newest],
        [fact.error_code for fact in newest],
        [fact.info for fact in newest],
        [fact.vendor_id for fact in newest],
        [fact.vendor_error_code for fact in newest],
        [fact.epoch for fact in newest],
        [fact.reported_at for fact in newest],
    )
    return [None] * len(facts)


def _start_key(start: TransactionStarted | asyncpg.Record) -> tuple[Any, ...]:
    if isinstance(start, TransactionStarted):
        return (
            start.station_id, start.evse_id, start.started_at, start.id_token, start.meter_start_wh
        )  # fmt: skip
    return (
        start["station_id"], start["evse_id"], start["started_at"], start["id_token"],
        start["meter_start_wh"],
    )  # fmt: skip


async def _write_starts(connection: Connection, facts: Sequence[TransactionStarted]) -> list[str]:
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


async def _write_ends(connection: Connection, facts: Sequence[TransactionEnded]) -> list[None]:
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
    letters: list[tuple[Fact, str]] = []
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


_WRITERS: dict[type[Fact], Callable[[Connection, Sequence[Any]], Awaitable[list[Any]]]] = {
    StationBooted: _write_boots,
    ConnectorStatusReported: _write_statuses,
    TransactionStarted: _write_starts,
    TransactionEventReported: transaction_events.write,
    MeterValuesReported: meter_values.write,
    TransactionEnded: _write_ends,
    VariablesReported: device_model.write_variables,
    StationEventsReported: device_model.write_events,
    SecurityEventReported: device_model.write_security_events,
}
_SINGLE_STATEMENT = _WRITERS.keys() - {TransactionEventReported, TransactionEnded}
