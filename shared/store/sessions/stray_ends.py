"""Ends that name no transaction of their station, and the sessions that they can only mean."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import structlog

from shared.domain.sessions import Limits, OpenSession, StrayEnd, TooManyPairsError, match_ends
from shared.domain.sessions.dead_letters import DeadLetterStatus
from shared.store.pool import Connection, Database
from shared.store.sessions.dead_letters import read_transaction_end
from shared.telemetry import metrics

log = structlog.get_logger()

# Of one station. Ends and sessions are compared with each other, and one that heaps up more is
# faulty: its ends are an operator's to give to sessions.
_MAX_LETTERS = 1000
_MAX_SESSIONS = 1000
# Pairs of them: so many take half a second of a processor.
_MAX_PAIRS = 100_000
# Of one station, the newest, among which the last value of each session is looked for. A value a
# minute fills them in a month.
_MAX_VALUES = 50_000
# What was matched so long ago stands, and is not compared again: a start that comes later than that
# changes nothing. Else a make that names no transaction at all would have too many within weeks.
_MATCHED_FOR_GOOD_AFTER = timedelta(days=7)


async def match(db: Database, station_ids: Sequence[str], limits: Limits) -> None:
    """Work out anew which sessions the stray ends of some stations belong to.

    A session that gets or loses one is worked out next. Those of a station with too many are left
    as they are.
    """
    async with db.acquire() as connection:
        letters = _by_station(await _find_letters(connection, station_ids))
        if not letters:
            return
        sessions = _by_station(await _find_open(connection, sorted(letters)))
        evses = await _count_evses(connection, sorted(letters))
        for station_id, strays in sorted(letters.items()):
            opened = sessions.get(station_id, [])
            try:
                await _match_station(connection, strays, opened, evses.get(station_id, 0), limits)
            except TooManyPairsError:
                metrics.stray_ends_not_matched.inc()
                log.warning(
                    "stray ends are not matched, as the station has too many: dismiss those that "
                    "mean nothing, or give them to sessions",
                    station_id=station_id,
                    stray_ends=len(strays),
                    sessions_without_end=len(opened),
                )


async def _match_station(
    connection: Connection,
    letters: Sequence[asyncpg.Record],
    opened: Sequence[asyncpg.Record],
    evses: int,
    limits: Limits,
) -> None:
    if len(letters) > _MAX_LETTERS or len(opened) > _MAX_SESSIONS:
        raise TooManyPairsError
    strays = [_stray(letter) for letter in letters]
    earliest = min(stray.ended_at for stray in strays)
    sampled_until, known_since = await _find_last_values(connection, opened, earliest)
    # A thread, as many are compared with many.
    matched = await asyncio.to_thread(
        match_ends,
        strays,
        [_open(row, sampled_until.get(row["transaction_id"])) for row in opened],
        evses=evses,
        limits=limits,
        sampled_since=known_since,
        max_pairs=_MAX_PAIRS,
    )
    changed = [
        letter
        for letter, stray in zip(letters, strays, strict=True)
        if matched.get(stray.letter_id) != letter["session_id"]
        and (known_since is None or stray.ended_at >= known_since)
    ]
    if changed:
        await _store(connection, changed, matched)


def _by_station(records: Sequence[asyncpg.Record]) -> dict[str, list[asyncpg.Record]]:
    found: defaultdict[str, list[asyncpg.Record]] = defaultdict(list)
    for record in records:
        found[record["station_id"]].append(record)
    return dict(found)


async def _find_letters(connection: Connection, station_ids: Sequence[str]) -> list[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT dead_letter_id::text, letter.station_id, session_id::text, transaction_end
        FROM unnest($1::text[]) AS station (station_id)
        CROSS JOIN LATERAL (
            SELECT * FROM dead_letters
            WHERE dead_letters.station_id = station.station_id
              AND transaction_end IS NOT NULL AND status IN ('open', 'matched')
              AND (status = 'open' OR received_at > now() - $3::interval)
            LIMIT $2
        ) AS letter
        """,
        station_ids,
        _MAX_LETTERS + 1,
        _MATCHED_FOR_GOOD_AFTER,
    )


async def _find_open(connection: Connection, station_ids: Sequence[str]) -> list[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT session_id::text, session.station_id, evse_id, transaction_id, started_at,
               meter_start_wh, id_token, next_started_at
        FROM unnest($1::text[]) AS station (station_id)
        CROSS JOIN LATERAL (
            SELECT * FROM sessions
            WHERE sessions.station_id = station.station_id AND transaction_id_issuer = 'csms'
              AND ended_by IS DISTINCT FROM 'station'
              AND (ended_at IS NULL OR ended_by IN ('rule', 'matched'))
              AND NOT EXISTS (
                  SELECT FROM dead_letters AS letter
                  WHERE letter.session_id = sessions.session_id AND letter.status = 'matched'
                    AND letter.received_at <= now() - $3::interval)
            LIMIT $2
        ) AS session
        LEFT JOIN LATERAL (
            SELECT started_at AS next_started_at FROM sessions
            WHERE sessions.station_id = session.station_id AND sessions.evse_id = session.evse_id
              AND sessions.started_at > session.started_at
              AND sessions.created_at >= session.created_at
            ORDER BY sessions.started_at LIMIT 1
        ) AS next ON true
        """,
        station_ids,
        _MAX_SESSIONS + 1,
        _MATCHED_FOR_GOOD_AFTER,
    )


async def _find_last_values(
    connection: Connection, opened: Sequence[asyncpg.Record], earliest: datetime
) -> tuple[dict[str, datetime], datetime | None]:
    """Return when the meter values of transactions end, and since when that is known.

    Values from before `earliest`, the first of the ends, show nothing of them.
    """
    begun: dict[int, datetime] = {}
    for row in opened:
        begun[row["evse_id"]] = min(row["started_at"], begun.get(row["evse_id"], row["started_at"]))
    if not begun:
        return {}, None
    most = _MAX_VALUES // len(begun) + 1
    records = await connection.fetch(
        """
        SELECT transaction_id, max(sampled_at) AS sampled_until, min(sampled_at) AS known_since,
               count(*) AS values, evse.evse_id
        FROM unnest($2::integer[], $3::timestamptz[]) AS evse (evse_id, since)
        CROSS JOIN LATERAL (
            SELECT sampled_at, transaction_id FROM meter_values
            WHERE station_id = $1 AND evse_id = evse.evse_id AND sampled_at >= evse.since
            ORDER BY sampled_at DESC LIMIT $4
        ) AS value
        GROUP BY evse.evse_id, transaction_id
        """,
        opened[0]["station_id"],
        list(begun),
        [max(since, earliest) for since in begun.values()],
        most,
    )
    ends: dict[str, datetime] = {}
    counts: Counter[int] = Counter()
    oldest: dict[int, datetime] = {}
    for transaction_id, sampled_until, known_since, count, evse_id in records:
        if transaction_id is not None:
            ends[transaction_id] = max(sampled_until, ends.get(transaction_id, sampled_until))
        counts[evse_id] += count
        oldest[evse_id] = min(known_since, oldest.get(evse_id, known_since))
    cut = [oldest[evse_id] for evse_id, count in counts.items() if count >= most]
    return ends, max(cut, default=None)


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


def _open(row: asyncpg.Record, sampled_until: datetime | None) -> OpenSession:
    return OpenSession(
        session_id=row["session_id"],
        started_at=row["started_at"],
        meter_start_wh=row["meter_start_wh"],
        id_token=row["id_token"],
        sampled_until=sampled_until,
        next_started_at=row["next_started_at"],
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
