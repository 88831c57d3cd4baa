"""Facts that cannot be kept where they belong, for a person to look at and decide upon."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Protocol

import asyncpg
import msgspec

from shared.domain.dead_letters import DeadLetter, DeadLetterStatus, StrayTransactionEnd
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.sessions import HistoryKind, TransactionEnded
from shared.store import session_history
from shared.store.conditions import Conditions, Position
from shared.store.fingerprints import fingerprint
from shared.store.pool import Connection, Database

DELIVERED_BY = "voltaro"
"""Who has dismissed a letter that was written where it belongs after all."""
_UNKNOWN_TRANSACTION = "the station has no transaction with this id"

_COLUMNS = ", ".join(
    f"{field.name}::text" if field.name in {"dead_letter_id", "session_id"} else field.name
    for field in fields(DeadLetter)
)


class AnyFact(Protocol):
    """What every fact has."""

    @property
    def station_id(self) -> str:
        """Whose it is."""


async def insert(
    connection: Connection, letters: Iterable[tuple[AnyFact, str, str | None]]
) -> None:
    """Keep facts; the same fact again is kept once.

    One that has been delivered since is to be delivered again: what it says was true, then perhaps
    another thing, and is true again.

    Args:
        connection: where.
        letters: each with the reason why it is here, and with what the worker is to deliver.
    """
    await connection.executemany(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, redelivery)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (station_id, kind, fingerprint) DO UPDATE
        SET reason = excluded.reason, redelivery = excluded.redelivery, received_at = now(),
            status = 'open', transaction_end = NULL, decided_by = NULL, decided_at = NULL,
            note = NULL
        WHERE excluded.redelivery IS NOT NULL
          AND dead_letters.status = 'dismissed' AND dead_letters.decided_by = $7
        """,
        [(*_row(fact, reason), redelivery, DELIVERED_BY) for fact, reason, redelivery in letters],
    )


async def find_redelivery(connection: Connection, fact: AnyFact) -> str | None:
    """Return what the worker is to deliver of a fact that was kept, now or when it came before."""
    station_id, kind, _, _, print_ = _row(fact, "")
    redelivery: str | None = await connection.fetchval(
        """
        SELECT redelivery FROM dead_letters
        WHERE station_id = $1 AND kind = $2 AND fingerprint = $3 AND status = 'open'
        """,
        station_id,
        kind,
        print_,
    )
    return redelivery


def _row(fact: AnyFact, reason: str) -> tuple[Any, ...]:
    # ASCII with escapes, so that not even a NUL or half a surrogate pair is refused again.
    encoded = ascii(fact)
    return (
        ascii(fact.station_id)[1:-1],
        type(fact).__name__,
        ascii(reason)[1:-1],
        encoded,
        fingerprint(encoded.encode()),
    )


async def insert_strays(connection: Connection, facts: Sequence[TransactionEnded]) -> None:
    """Keep ends that name no transaction of their station.

    They can be given to a session. The worker looks at one of the station's open sessions next,
    and so at which of them may be meant: it matches the ends of the whole station.
    """
    await connection.executemany(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, transaction_end)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
        """,
        [(*_row(fact, _UNKNOWN_TRANSACTION), _transaction_end(fact)) for fact in facts],
    )
    await _look_at_open_sessions(connection, [fact.station_id for fact in facts])


async def make_stray(
    connection: Connection, dead_letter_id: object, fact: TransactionEnded
) -> None:
    """Have a letter be an end that names no transaction of its station, which it was not before."""
    await connection.execute(
        """
        UPDATE dead_letters SET reason = $2, transaction_end = $3, redelivery = NULL
        WHERE dead_letter_id = $1
        """,
        dead_letter_id,
        _UNKNOWN_TRANSACTION,
        _transaction_end(fact),
    )
    await _look_at_open_sessions(connection, [fact.station_id])


async def _look_at_open_sessions(connection: Connection, station_ids: Sequence[str]) -> None:
    await connection.execute(
        """
        WITH meant AS (
            SELECT session_id FROM unnest($1::text[]) AS station (station_id)
            CROSS JOIN LATERAL (
                SELECT session_id FROM sessions
                WHERE sessions.station_id = station.station_id
                  AND ended_by IS DISTINCT FROM 'station'
                  AND (ended_at IS NULL OR ended_by IS NOT NULL)
                LIMIT 1 FOR UPDATE
            ) AS one
        )
        UPDATE sessions SET settle_at = now()
        FROM meant WHERE sessions.session_id = meant.session_id
        """,
        sorted(set(station_ids)),
    )


def _transaction_end(fact: TransactionEnded) -> dict[str, Any]:
    end = StrayTransactionEnd(
        transaction_id=fact.transaction_id,
        ended_at=fact.ended_at,
        meter_stop_wh=fact.meter_stop_wh,
        stopped_reason=fact.stopped_reason,
        id_token=fact.id_token,
    )
    return asdict(end)


def read_transaction_end(document: dict[str, Any]) -> StrayTransactionEnd:
    """Return what `transaction_end` holds."""
    return msgspec.convert(document, StrayTransactionEnd, strict=False)


def _dead_letter(record: asyncpg.Record) -> DeadLetter:
    document = record["transaction_end"]
    return DeadLetter(
        **{
            **record,
            "status": DeadLetterStatus(record["status"]),
            "transaction_end": None if document is None else read_transaction_end(document),
        }
    )


async def get(db: Database, dead_letter_id: str) -> DeadLetter:
    """Return one dead letter.

    Raises:
        NotFoundError: there is none with this id.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM dead_letters WHERE dead_letter_id = $1",  # noqa: S608 - a dataclass
        dead_letter_id,
    )
    if record is None:
        raise NotFoundError(f"there is no dead letter {dead_letter_id}")
    return _dead_letter(record)


async def list_before(
    db: Database,
    *,
    before: Position | None,
    limit: int,
    station_id: str | None = None,
    status: DeadLetterStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[DeadLetter]:
    """Return up to `limit` dead letters, newest first.

    Args:
        db: the pool.
        before: the list begins behind it; with `since` or `until` it has the time of receipt.
        limit: how many at most.
        station_id: only this station's.
        status: only those of which this became.
        since: only those received then or later.
        until: only those received before.
    """
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    conditions.compare("status =", status)
    conditions.compare("received_at >=", since)
    conditions.compare("received_at <", until)
    by_time = since is not None or until is not None
    order = conditions.page(
        "dead_letters.dead_letter_id", time="received_at" if by_time else None, behind=before
    )
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM dead_letters WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - columns of a dataclass, and conditions made of columns
        *conditions.parameters,
    )
    return [_dead_letter(record) for record in records]


async def assign(
    db: Database, dead_letter_id: str, *, session_id: str, decided_by: str, note: str | None
) -> DeadLetter:
    """Give an end to a session of the same station.

    Raises:
        NotFoundError: there is no such dead letter or session.
        ConflictError: it is no end, it has been decided upon, or the session is another station's.
    """
    async with db.acquire() as connection, connection.transaction():
        letter = await _lock_undecided(connection, dead_letter_id)
        if letter["transaction_end"] is None:
            raise ConflictError(
                f"dead letter {dead_letter_id} is no end of a transaction, but a {letter['kind']}: "
                "dismiss it once it has been looked at"
            )
        owner = await connection.fetchval(
            """
            UPDATE sessions SET settle_at = now(), settled_at = NULL, updated_at = now()
            WHERE session_id = $1 RETURNING station_id
            """,
            session_id,
        )
        if owner is None:
            raise NotFoundError(f"there is no session {session_id}")
        if owner != letter["station_id"]:
            raise ConflictError(
                f"dead letter {dead_letter_id} is of station {letter['station_id']!r}, and session "
                f"{session_id} of {owner!r}: it can only be given to a session of its own station"
            )
        await session_history.insert(
            connection,
            [(session_id, HistoryKind.END_ASSIGNED, {"dead_letter_id": dead_letter_id})],
        )
        return await _decide(
            connection,
            dead_letter_id,
            status=DeadLetterStatus.ASSIGNED,
            session_id=session_id,
            decided_by=decided_by,
            note=note,
        )


async def dismiss(
    db: Database, dead_letter_id: str, *, decided_by: str, note: str | None
) -> DeadLetter:
    """Decide that a dead letter means nothing; a session that it was matched with is told.

    Raises:
        NotFoundError: there is no such dead letter.
        ConflictError: it has been decided upon.
    """
    async with db.acquire() as connection, connection.transaction():
        letter = await _lock_undecided(connection, dead_letter_id)
        await connection.execute(
            "UPDATE sessions SET settle_at = now(), settled_at = NULL WHERE session_id = $1",
            letter["session_id"],
        )
        return await _decide(
            connection,
            dead_letter_id,
            status=DeadLetterStatus.DISMISSED,
            session_id=None,
            decided_by=decided_by,
            note=note,
        )


async def _lock_undecided(connection: Connection, dead_letter_id: str) -> asyncpg.Record:
    letter = await connection.fetchrow(
        """
        SELECT station_id, kind, status, transaction_end, session_id FROM dead_letters
        WHERE dead_letter_id = $1 FOR UPDATE
        """,
        dead_letter_id,
    )
    if letter is None:
        raise NotFoundError(f"there is no dead letter {dead_letter_id}")
    if letter["status"] in {DeadLetterStatus.ASSIGNED, DeadLetterStatus.DISMISSED}:
        raise ConflictError(
            f"dead letter {dead_letter_id} has been {letter['status']} already: "
            "what was decided stands"
        )
    return letter


async def _decide(
    connection: Connection,
    dead_letter_id: str,
    *,
    status: DeadLetterStatus,
    session_id: str | None,
    decided_by: str,
    note: str | None,
) -> DeadLetter:
    record = await connection.fetchrow(
        f"""
        UPDATE dead_letters
        SET status = $2, session_id = $3, decided_by = $4, note = $5, decided_at = now()
        WHERE dead_letter_id = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - columns of a dataclass
        dead_letter_id,
        status,
        session_id,
        decided_by,
        note,
    )
    assert record is not None  # noqa: S101 - it is locked
    return _dead_letter(record)
