"""Transactions whose id we give, those of OCPP 1.6: their starts and ends, as sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from shared.domain.sessions import TransactionEnded, TransactionIdIssuer, TransactionStarted
from shared.domain.sessions.meter_values import MeterValuesReported
from shared.store.pool import Connection, Database
from shared.store.sessions import dead_letters, meter_values, transaction_ends
from shared.store.sessions.transaction_ends import is_stamped_on_coming

# Ids that a station has made itself one after another, and that are as many as are left out.
_MAX_TAKEN_IDS = 10_000


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
                              at_free_location, transaction_id, transaction_id_issuer,
                              organization_id)
        SELECT start.*, (
            -- An id that the station has made itself, when it spoke OCPP 2.0.1, is left out.
            SELECT transaction_id FROM (
                SELECT nextval('transaction_ids')::text AS transaction_id
                FROM generate_series(1, $11)
            ) AS next
            WHERE NOT EXISTS (SELECT FROM sessions AS other
                              WHERE other.station_id = start.station_id
                                AND other.transaction_id = next.transaction_id)
            LIMIT 1), $10, coalesce((
            SELECT organization_id FROM stations WHERE stations.station_id = start.station_id
            ), 'default')
        FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[],
                    $7::timestamptz[], $8::numeric[], $9::integer[], $12::boolean[])
            AS start (station_id, evse_id, connector_id, ocpp_version, id_token,
                      authorization_status, started_at, meter_start_wh, reservation_id, free)
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
        _MAX_TAKEN_IDS,
        [fact.free for fact in distinct],
    )
    transaction_ids = {_start_key(record): record["transaction_id"] for record in records}
    return [transaction_ids[_start_key(fact)] for fact in facts]


async def find_open_start(
    db: Database,
    *,
    station_id: str,
    evse_id: int,
    id_token: str,
    meter_start_wh: Decimal,
    within: timedelta,
) -> datetime | None:
    """Return the start time of the latest open session that began like this, if there is one.

    Args:
        db: the pool.
        station_id: of which station.
        evse_id: where.
        id_token: whose charge it is.
        meter_start_wh: the register at its start.
        within: how long ago it may have been told, by our clock.
    """
    started_at: datetime | None = await db.fetchval(
        """
        SELECT started_at FROM sessions
        WHERE station_id = $1 AND evse_id = $2 AND id_token = $3 AND meter_start_wh = $4
          AND transaction_id_issuer = $5 AND ended_at IS NULL AND created_at > now() - $6::interval
        ORDER BY created_at DESC LIMIT 1
        """,
        station_id,
        evse_id,
        id_token,
        meter_start_wh,
        TransactionIdIssuer.CSMS,
        within,
    )
    return started_at


_GIVES_WAY = "(sessions.ended_at IS NULL OR sessions.ended_by <> 'station')"


def _first(column: str, *, into: str | None = None) -> str:
    into = into or column
    return f"{into} = CASE WHEN {_GIVES_WAY} THEN stop.{column} ELSE sessions.{into} END"


# Each different end is kept once; one that differs only in a time which is that of its coming is
# told again. The first one shows in the session at once, unless the station has ended it before; an
# end that a rule, a match or an operator put there gives way. Sessions are locked in the order of
# their keys, so that two pods cannot wait for each other in a circle.
_END = f"""
    WITH told AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[], $5::text[],
                             $6::text[])
            WITH ORDINALITY AS told (station_id, transaction_id, ended_at, meter_stop_wh,
                                     stopped_reason, id_token, position)
    ), known AS (
        SELECT station_id, transaction_id, evse_id FROM sessions
        WHERE (station_id, transaction_id) IN (SELECT station_id, transaction_id FROM told)
          AND transaction_id_issuer = $7
        ORDER BY station_id, transaction_id FOR UPDATE
    ), kept AS (
        INSERT INTO transaction_ends (station_id, transaction_id, ended_at, meter_stop_wh,
                                      stopped_reason, id_token)
        SELECT station_id, transaction_id, ended_at, meter_stop_wh, stopped_reason, id_token
        FROM told JOIN known USING (station_id, transaction_id)
        WHERE NOT EXISTS (
            SELECT FROM transaction_ends AS before
            WHERE before.station_id = told.station_id
              AND before.transaction_id = told.transaction_id
              AND before.meter_stop_wh = told.meter_stop_wh
              AND before.stopped_reason = told.stopped_reason
              AND before.id_token IS NOT DISTINCT FROM told.id_token
              AND {is_stamped_on_coming("before.ended_at", "before.received_at")}
              AND {is_stamped_on_coming("told.ended_at", "now()")})
        ORDER BY position
        ON CONFLICT DO NOTHING
        RETURNING *
    ), stop AS (
        SELECT DISTINCT ON (station_id, transaction_id) * FROM kept
        ORDER BY station_id, transaction_id, end_no
    ), ended AS (
        UPDATE sessions
        SET {_first("ended_at")},
            {_first("meter_stop_wh")},
            {_first("stopped_reason")},
            {_first("id_token", into="end_id_token")},
            ended_by = CASE WHEN {_GIVES_WAY} THEN 'station' ELSE sessions.ended_by END,
            settle_at = now(), settled_at = NULL, updated_at = now()
        FROM stop
        WHERE sessions.station_id = stop.station_id
          AND sessions.transaction_id = stop.transaction_id
    )
    SELECT station_id, transaction_id, evse_id FROM known
"""  # noqa: S608 - the columns named above


async def write_ends(connection: Connection, facts: Sequence[TransactionEnded]) -> list[None]:
    """Keep ends; the first telling stands, another one stands beside it.

    What names no transaction of its station is a dead letter, until the worker finds the one
    session that can be meant, or an operator does.
    """
    records = await connection.fetch(
        _END,
        [fact.station_id for fact in facts],
        [fact.transaction_id for fact in facts],
        [fact.ended_at for fact in facts],
        [fact.meter_stop_wh for fact in facts],
        [fact.stopped_reason for fact in facts],
        [fact.id_token for fact in facts],
        TransactionIdIssuer.CSMS,
    )
    evse_ids = {(record["station_id"], record["transaction_id"]): record["evse_id"]
                for record in records}  # fmt: skip
    if strays := [fact for fact in facts if _key(fact) not in evse_ids]:
        strays = await transaction_ends.without_retold(connection, strays)
        await dead_letters.insert_strays(connection, strays)
    # A 1.6 StopTransaction carries meter values but not the connector: that is the session's.
    if with_values := [
        MeterValuesReported(
            fact.station_id, evse_ids.get(_key(fact), 0), fact.transaction_id, fact.meter_values
        )
        for fact in facts
        if fact.meter_values
    ]:
        await meter_values.write(connection, with_values)
    return [None] * len(facts)


def _key(fact: TransactionEnded) -> tuple[str, str]:
    return fact.station_id, fact.transaction_id
