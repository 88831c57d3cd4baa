"""What the events of OCPP 2.0.1 transactions say of their sessions beyond what is merged there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from shared.domain.access.tokens import IdTokenType
from shared.domain.sessions import TransactionIdIssuer
from shared.store.pool import Connection

_SessionId: TypeAlias = Any  # asyncpg's UUID

# The newest of a transaction, by their numbers. Who tells more is not asked about the others.
_MAX_EVENTS = 10_000
# The newest of a station, among which the remote start is looked for that a session names.
_MAX_COMMANDS = 10_000


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose a session is that names no token.

    `id_token` is that of the remote start which it names (F01.FR.25, F02.FR.01). `free` says that
    nobody has to be authorized there: a start button (C02), or authorization is switched off.
    """

    id_token: str | None
    free: bool


_NOBODY = Payer(None, free=False)


@dataclass(frozen=True, slots=True)
class EventWords:
    """Of claimed sessions: whose they are if no token was told, and how many events are missing."""

    payers: Mapping[_SessionId, Payer]
    missing: Mapping[_SessionId, int]

    def payer_of(self, session_id: _SessionId) -> Payer:
        """Return whose a session is that names no token, as far as that is known."""
        return self.payers.get(session_id, _NOBODY)


async def load(connection: Connection, claimed: Sequence[asyncpg.Record]) -> EventWords:
    """Return what the events of claimed sessions, whole rows of `sessions`, say."""
    return EventWords(
        await _find_payers(connection, claimed), await _count_missing(connection, claimed)
    )


async def _count_missing(
    connection: Connection, claimed: Sequence[asyncpg.Record]
) -> dict[_SessionId, int]:
    """Return how many events of sessions are missing between their first and their end.

    Numbers count up by one (OCPP 2.0.1 part 2 §1.3.2.1), from wherever they begin. What is told of
    a time after the end says nothing of the session, so that its number does not count.
    """
    asked = [
        row["session_id"] for row in claimed
        if row["transaction_id_issuer"] == TransactionIdIssuer.STATION
        and row["ended_at"] is not None
    ]  # fmt: skip
    if not asked:
        return {}
    records = await connection.fetch(
        """
        SELECT session_id, max(seq_no)::bigint - min(seq_no) + 1 - count(DISTINCT seq_no) AS missing
        FROM sessions AS session CROSS JOIN LATERAL (
            SELECT seq_no, event_type, occurred_at FROM transaction_events AS told
            WHERE told.station_id = session.station_id
              AND told.transaction_id = session.transaction_id
            ORDER BY seq_no DESC LIMIT $2
        ) AS event
        WHERE session_id = ANY ($1)
          AND (event.occurred_at <= session.ended_at OR event.event_type = 'Ended')
        GROUP BY session_id
        """,
        asked,
        _MAX_EVENTS,
    )
    return {record["session_id"]: record["missing"] for record in records if record["missing"]}


async def _find_payers(
    connection: Connection, claimed: Sequence[asyncpg.Record]
) -> dict[_SessionId, Payer]:
    """Return whose sessions without a token are, as far as it can be known.

    The remote start has to be one that was sent to this station, and that it has not refused. Its
    number follows from the command's id (`remote_start_id_of`).
    """
    asked = [
        row["session_id"] for row in claimed
        if row["transaction_id_issuer"] == TransactionIdIssuer.STATION
        and not row["id_token"]
    ]  # fmt: skip
    if not asked:
        return {}
    records = await connection.fetch(
        """
        SELECT session_id, remote.id_token, coalesce(free, false) AS free
        FROM sessions AS session
        LEFT JOIN LATERAL (
            SELECT bool_or(id_token_type = $2 AND trigger_reason <> 'StopAuthorized') AS free,
                   (array_agg(remote_start_id ORDER BY occurred_at)
                        FILTER (WHERE remote_start_id IS NOT NULL))[1] AS remote_start_id
            FROM all_transaction_events AS told
            WHERE told.station_id = session.station_id
              AND told.transaction_id = session.transaction_id
        ) AS event ON true
        LEFT JOIN LATERAL (
            SELECT nullif(params ->> 'id_token', '') AS id_token FROM (
                SELECT * FROM commands WHERE commands.station_id = session.station_id
                ORDER BY commands.command_id DESC LIMIT $3
            ) AS newest
            WHERE type = 'RemoteStart' AND sent_at IS NOT NULL AND state <> 'rejected'
              AND ('x' || right(command_id::text, 8))::bit(32)::integer & 2147483647
                  = event.remote_start_id
            LIMIT 1
        ) AS remote ON event.remote_start_id IS NOT NULL
        WHERE session_id = ANY ($1)
        """,
        asked,
        IdTokenType.NO_AUTHORIZATION,
        _MAX_COMMANDS,
    )
    return {record["session_id"]: Payer(record["id_token"], record["free"]) for record in records}
