"""Dead letters that are nobody's fault: the worker writes them where they belong."""

from typing import Any

import msgspec
import structlog

from shared.domain.dead_letters import DeadLetterStatus
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.store import facts
from shared.store.dead_letters import read_transaction_end
from shared.store.facts import KINDS, Fact, Redelivery
from shared.store.judgement import is_locked, is_refused
from shared.store.pool import Connection, Database

log = structlog.get_logger()

_DECIDED_BY = "voltaro"
_DELIVERED = "written where it belongs, once the lock was gone"


async def deliver(db: Database, *, limit: int) -> int:
    """Write letters that were set aside because of a lock, the oldest first.

    Each is one transaction. One that is still locked stays for the next time; one that Postgres
    refuses waits for a person.

    Args:
        db: the pool.
        limit: how many letters are looked at.

    Returns:
        How many were written.
    """
    letters = await db.fetch(
        """
        SELECT dead_letter_id FROM dead_letters WHERE redelivery IS NOT NULL AND status = 'open'
        ORDER BY dead_letter_id LIMIT $1
        """,
        limit,
    )
    count = 0
    for letter in letters:
        try:
            count += await _deliver(db, letter["dead_letter_id"])
        except Exception as error:
            if is_locked(error):
                continue
            if not (is_refused(error) or isinstance(error, msgspec.MsgspecError)):
                raise
            log.warning(
                "a dead letter cannot be written, and waits for a person",
                dead_letter_id=str(letter["dead_letter_id"]),
                error=str(error),
            )
            await db.execute(
                "UPDATE dead_letters SET redelivery = NULL, reason = $2 WHERE dead_letter_id = $1",
                letter["dead_letter_id"],
                ascii(str(error))[1:-1],
            )
    return count


async def _deliver(db: Database, dead_letter_id: object) -> bool:
    async with db.acquire() as connection, connection.transaction():
        # All the others are to have their turn in this round.
        await connection.execute("SET LOCAL lock_timeout = '50ms'")
        letter = await connection.fetchrow(
            """
            SELECT kind, redelivery FROM dead_letters
            WHERE dead_letter_id = $1 AND redelivery IS NOT NULL AND status = 'open'
            FOR UPDATE SKIP LOCKED
            """,
            dead_letter_id,
        )
        if letter is None:
            return False
        told = msgspec.json.decode(letter["redelivery"], type=Redelivery)
        fact: Fact = msgspec.json.decode(told.fact, type=KINDS[letter["kind"]])
        (result,) = await facts.write_with(connection, [fact])
        if isinstance(fact, TransactionStarted) and told.transaction_id != result:
            await _keep_what_was_answered(connection, fact, result, told.transaction_id)
        await _dismiss(connection, [dead_letter_id])
    return True


async def _keep_what_was_answered(
    connection: Connection, start: TransactionStarted, made: str | None, answered: str | None
) -> None:
    """Give a new session the id that its station knows, and the end that it has told since."""
    renamed = await connection.fetchval(
        """
        UPDATE sessions SET transaction_id = $3
        WHERE station_id = $1 AND transaction_id = $2 AND created_at = now() RETURNING true
        """,
        start.station_id,
        made,
        answered,
    )
    if not renamed:
        return  # it was told again before, and the station knows that session's id
    strays: list[Any] = await connection.fetch(
        """
        SELECT dead_letter_id, transaction_end FROM dead_letters
        WHERE station_id = $1 AND status = 'open'
          AND transaction_end ->> 'transaction_id' = $2
        ORDER BY dead_letter_id FOR UPDATE
        """,
        start.station_id,
        answered,
    )
    if not strays:
        return
    ends = [read_transaction_end(stray["transaction_end"]) for stray in strays]
    await facts.write_with(
        connection,
        [
            TransactionEnded(
                station_id=start.station_id,
                transaction_id=end.transaction_id,
                ended_at=end.ended_at,
                meter_stop_wh=end.meter_stop_wh,
                stopped_reason=end.stopped_reason,
                id_token=end.id_token,
            )
            for end in ends
        ],
    )
    await _dismiss(connection, [stray["dead_letter_id"] for stray in strays])


async def _dismiss(connection: Connection, dead_letter_ids: list[object]) -> None:
    await connection.execute(
        """
        UPDATE dead_letters SET status = $2, decided_by = $3, note = $4, decided_at = now(),
                                redelivery = NULL
        WHERE dead_letter_id = ANY ($1)
        """,
        dead_letter_ids,
        DeadLetterStatus.DISMISSED,
        _DECIDED_BY,
        _DELIVERED,
    )
