"""Ends that name no transaction of their station, and the sessions that they can only mean."""

from collections.abc import Sequence

import asyncpg

from shared.domain.dead_letters import DeadLetterStatus
from shared.domain.sessions import Limits, OpenSession, StrayEnd, match_ends
from shared.store.dead_letters import read_transaction_end
from shared.store.pool import Connection, Database

# Of one station, the newest. One that makes up more than these is faulty, and the rest of them is
# an operator's to decide.
_MAX_LETTERS = 1000


async def match(db: Database, station_ids: Sequence[str], limits: Limits) -> None:
    """Work out anew which sessions the stray ends of some stations belong to.

    A session that gets or loses one is worked out next.
    """
    async with db.acquire() as connection:
        letters = await connection.fetch(
            """
            SELECT dead_letter_id::text, letter.station_id, session_id::text, transaction_end
            FROM unnest($1::text[]) AS station (station_id)
            CROSS JOIN LATERAL (
                SELECT * FROM dead_letters
                WHERE dead_letters.station_id = station.station_id
                  AND transaction_end IS NOT NULL AND status IN ('open', 'matched')
                ORDER BY dead_letters.dead_letter_id DESC LIMIT $2
            ) AS letter
            """,
            station_ids,
            _MAX_LETTERS,
        )
        if not letters:
            return
        concerned = sorted({letter["station_id"] for letter in letters})
        sessions = await _find_open(connection, concerned)
        evses = await _count_evses(connection, concerned)
        matched: dict[str, str] = {}
        for station_id in concerned:
            matched |= match_ends(
                [_stray(letter) for letter in letters if letter["station_id"] == station_id],
                [_open(row) for row in sessions if row["station_id"] == station_id],
                evses=evses.get(station_id, 0),
                limits=limits,
            )
        changed = [
            letter for letter in letters
            if matched.get(letter["dead_letter_id"]) != letter["session_id"]
        ]  # fmt: skip
        if changed:
            await _store(connection, changed, matched)


async def _find_open(connection: Connection, station_ids: Sequence[str]) -> list[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT session_id::text, station_id, started_at, meter_start_wh, id_token,
               latest.sampled_at AS sampled_until
        FROM sessions AS session
        LEFT JOIN LATERAL (
            SELECT sampled_at FROM meter_values
            WHERE station_id = session.station_id AND evse_id = session.evse_id
              AND sampled_at >= session.started_at AND transaction_id = session.transaction_id
            ORDER BY sampled_at DESC LIMIT 1
        ) AS latest ON true
        WHERE station_id = ANY ($1) AND transaction_id_issuer = 'csms'
          AND (ended_at IS NULL OR ended_by IN ('rule', 'matched'))
        """,
        station_ids,
    )


async def _count_evses(connection: Connection, station_ids: Sequence[str]) -> dict[str, int]:
    records = await connection.fetch(
        """
        SELECT station_id, count(DISTINCT evse_id) AS evses FROM connectors
        WHERE station_id = ANY ($1) AND evse_id > 0 GROUP BY station_id
        """,
        station_ids,
    )
    return {record["station_id"]: record["evses"] for record in records}


def _stray(letter: asyncpg.Record) -> StrayEnd:
    told = read_transaction_end(letter["transaction_end"])
    return StrayEnd(
        letter_id=letter["dead_letter_id"],
        ended_at=told.ended_at,
        meter_stop_wh=told.meter_stop_wh,
        id_token=told.id_token,
    )


def _open(row: asyncpg.Record) -> OpenSession:
    return OpenSession(
        session_id=row["session_id"],
        started_at=row["started_at"],
        meter_start_wh=row["meter_start_wh"],
        id_token=row["id_token"],
        sampled_until=row["sampled_until"],
    )


async def _store(
    connection: Connection, changed: Sequence[asyncpg.Record], matched: dict[str, str]
) -> None:
    found = [matched.get(letter["dead_letter_id"]) for letter in changed]
    await connection.execute(
        """
        WITH decided AS (
            UPDATE dead_letters SET status = found.status, session_id = found.session_id
            FROM unnest($1::uuid[], $2::text[], $3::uuid[])
                 AS found (dead_letter_id, status, session_id)
            WHERE dead_letters.dead_letter_id = found.dead_letter_id
              AND dead_letters.status IN ('open', 'matched')
        ), concerned AS (
            SELECT session_id FROM sessions WHERE session_id = ANY ($4)
            ORDER BY station_id, transaction_id FOR UPDATE
        )
        UPDATE sessions SET settle_at = now(), settled_at = NULL
        FROM concerned WHERE sessions.session_id = concerned.session_id
        """,
        [letter["dead_letter_id"] for letter in changed],
        [
            DeadLetterStatus.OPEN if session_id is None else DeadLetterStatus.MATCHED
            for session_id in found
        ],
        found,
        [
            session_id
            for session_id in (*found, *(letter["session_id"] for letter in changed))
            if session_id is not None
        ],
    )
