"""Dead letters that are nobody's fault: the worker writes them where they belong."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import structlog

from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.sessions.dead_letters import DeadLetterStatus
from shared.store import facts
from shared.store.facts import KINDS, Fact
from shared.store.judgement import is_away, is_locked, is_refused
from shared.store.pool import Connection, Database
from shared.store.sessions import dead_letters
from shared.store.sessions.dead_letters import Redelivery

log = structlog.get_logger()

_DELIVERED = "written where it belongs, once nothing stood in its way"
# An end that was told while its start was delivered looked for it when it was not there yet.
_SECOND_LOOK_AFTER_S = 2.0


async def deliver(db: Database, *, limit: int) -> int:
    """Write letters that were set aside because of a lock, those of a station in their order.

    Each is one transaction. One that is still locked stays for the next time, and so do its
    station's later ones; one that Postgres refuses waits for a person.

    Args:
        db: the pool.
        limit: how many letters are looked at together.

    Returns:
        How many were written.
    """
    delivered: list[Fact] = []
    blocked: set[str] = set()
    away: Exception | None = None
    full = True
    while full and away is None:
        letters = await db.fetch(
            """
            SELECT dead_letter_id, station_id FROM dead_letters
            WHERE redelivery IS NOT NULL AND status = 'open' AND station_id <> ALL ($2)
            ORDER BY dead_letters.dead_letter_id LIMIT $1
            """,
            limit,
            list(blocked),
        )
        known = len(blocked)
        away = await _deliver_all(db, letters, delivered, blocked)
        # Letters of stations that wait on keep no other's from their turn.
        full = len(letters) == limit and len(blocked) > known
    starts = [fact for fact in delivered if isinstance(fact, TransactionStarted)]
    if starts:
        await asyncio.sleep(_SECOND_LOOK_AFTER_S)
        async with db.acquire() as connection, connection.transaction():
            await _write_ends_told_since(connection, sorted({each.station_id for each in starts}))
    if away is not None:
        raise away
    return len(delivered)


async def _deliver_all(
    db: Database, letters: list[asyncpg.Record], delivered: list[Fact], blocked: set[str]
) -> Exception | None:
    """Write letters; add what was written, and the stations whose letters have to wait.

    Returns:
        Why the others were left, if Postgres went away.
    """
    for letter in letters:
        if letter["station_id"] in blocked:
            continue
        dead_letter_id = letter["dead_letter_id"]
        try:
            delivered += await _deliver(db, dead_letter_id)
        except Exception as error:
            if is_locked(error):
                blocked.add(letter["station_id"])
            elif is_refused(error) or isinstance(error, msgspec.MsgspecError):
                await _leave_to_a_person(db, dead_letter_id, error)
            elif is_away(error):
                return error
            else:  # whatever it is, it is no other letter's
                log.exception(
                    "a dead letter could not be delivered", dead_letter_id=str(dead_letter_id)
                )
                blocked.add(letter["station_id"])
    return None


async def _deliver(db: Database, dead_letter_id: object) -> list[Fact]:
    """Write one letter; return what was written, unless somebody else has it now."""
    async with db.acquire() as connection, connection.transaction():
        # All the others are to have their turn in this round.
        await connection.execute("SET LOCAL lock_timeout = '50ms'")
        letter = await connection.fetchrow(
            """
            SELECT kind, redelivery, received_at FROM dead_letters
            WHERE dead_letter_id = $1 AND redelivery IS NOT NULL AND status = 'open'
            FOR UPDATE SKIP LOCKED
            """,
            dead_letter_id,
        )
        if letter is None:
            return []
        told = msgspec.json.decode(letter["redelivery"], type=Redelivery)
        fact: Fact = msgspec.json.decode(told.fact, type=KINDS[letter["kind"]])
        if isinstance(fact, TransactionEnded) and not await _is_known(connection, fact):
            await dead_letters.make_stray(connection, dead_letter_id, fact)
            return []
        # Before it is written, as it may be set aside once more.
        await _dismiss(connection, [dead_letter_id])
        (result,) = await facts.write_with(connection, [fact])
        if isinstance(fact, TransactionStarted) and told.transaction_id != result:
            await _rename(
                connection,
                fact,
                made=result,
                told=told.transaction_id,
                told_at=letter["received_at"],
            )
        reopened: bool = await connection.fetchval(
            "SELECT status = 'open' FROM dead_letters WHERE dead_letter_id = $1", dead_letter_id
        )
    return [] if reopened else [fact]


async def _is_known(connection: Connection, end: TransactionEnded) -> bool:
    known: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM sessions WHERE station_id = $1 AND transaction_id = $2)",
        end.station_id,
        end.transaction_id,
    )
    return known


async def _rename(
    connection: Connection,
    start: TransactionStarted,
    *,
    made: str | None,
    told: str | None,
    told_at: datetime,
) -> None:
    """Give a session the id that its station knows, and the end that it has told since.

    A station tells a start again because it never got the answer, so that the id which it was told
    last is the one that it knows: of a session that is older than the letter, the letter's.
    """
    renamed = await connection.fetchval(
        """
        UPDATE sessions SET transaction_id = $3
        WHERE station_id = $1 AND transaction_id = $2
          AND (created_at = now() OR created_at < $4 AND ended_by IS DISTINCT FROM 'station')
        RETURNING true
        """,
        start.station_id,
        made,
        told,
        told_at,
    )
    if renamed:
        await _write_ends_told_since(connection, [start.station_id])


async def _write_ends_told_since(connection: Connection, station_ids: list[str]) -> None:
    """Write ends that named a transaction which nobody knew then, and which is known now."""
    strays: list[Any] = await connection.fetch(
        """
        SELECT dead_letter_id, letter.station_id, transaction_end FROM dead_letters AS letter
        JOIN sessions ON sessions.station_id = letter.station_id
             AND sessions.transaction_id = letter.transaction_end ->> 'transaction_id'
        WHERE letter.station_id = ANY ($1) AND letter.transaction_end IS NOT NULL
          AND letter.status IN ('open', 'matched')
        ORDER BY letter.dead_letter_id FOR UPDATE OF letter
        """,
        station_ids,
    )
    if not strays:
        return
    ends = [
        (stray["station_id"], dead_letters.read_transaction_end(stray["transaction_end"]))
        for stray in strays
    ]
    await facts.write_with(
        connection,
        [
            TransactionEnded(
                station_id=station_id,
                transaction_id=end.transaction_id,
                ended_at=end.ended_at,
                meter_stop_wh=end.meter_stop_wh,
                stopped_reason=end.stopped_reason,
                id_token=end.id_token,
            )
            for station_id, end in ends
        ],
    )
    await _dismiss(connection, [stray["dead_letter_id"] for stray in strays])


async def _leave_to_a_person(db: Database, dead_letter_id: object, error: Exception) -> None:
    log.warning(
        "a dead letter cannot be written, and waits for a person",
        dead_letter_id=str(dead_letter_id),
        error=str(error),
    )
    await db.execute(
        "UPDATE dead_letters SET redelivery = NULL, reason = $2 WHERE dead_letter_id = $1",
        dead_letter_id,
        ascii(str(error))[1:-1],
    )


async def _dismiss(connection: Connection, dead_letter_ids: list[object]) -> None:
    await connection.execute(
        """
        UPDATE dead_letters SET status = $2, decided_by = $3, note = coalesce(note, $4),
                                decided_at = now(), delivered_at = now(), session_id = NULL,
                                redelivery = NULL
        WHERE dead_letter_id = ANY ($1)
        """,
        dead_letter_ids,
        DeadLetterStatus.DISMISSED,
        dead_letters.DELIVERED_BY,
        _DELIVERED,
    )
