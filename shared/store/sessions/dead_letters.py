"""Facts that cannot be kept where they belong, for a person to look at and decide upon."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

import asyncpg
import msgspec

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.sessions import TransactionEnded
from shared.domain.sessions.dead_letters import DeadLetter, DeadLetterStatus, StrayTransactionEnd
from shared.store.conditions import Position
from shared.store.fingerprints import encode_json, fingerprint
from shared.store.pool import Connection, Database
from shared.store.sessions import letter_search

DELIVERED_BY = "voltaro"
"""Who has dismissed a letter that was written where it belongs after all."""
# As JSON, a fact that `fact` does not hold whole: 15 ms of the event loop would go into what nobody
# reads. Shorter ones are told apart by their words, as they have always been.
_LONG = 512 * 1024
_SHOWN_METER_VALUES = 10
_UNKNOWN_TRANSACTION = "the station has no transaction with this id"

_EXPRESSIONS = {
    "dead_letter_id": "dead_letter_id::text",
    "session_id": "session_id::text",
    "to_be_delivered": "(status = 'open' AND (redelivery IS NOT NULL OR replay_at IS NOT NULL)) "
    "AS to_be_delivered",
}
_COLUMNS = ", ".join(_EXPRESSIONS.get(field.name, field.name) for field in fields(DeadLetter))


class Redelivery(msgspec.Struct, frozen=True):
    """A fact as the worker can read it again, and the transaction id that its station was told."""

    fact: str
    transaction_id: str | None


def encode(fact: "AnyFact", transaction_id: str | None = None) -> str | None:
    """Return a fact as a `Redelivery`, or None if no text can hold it."""
    try:
        told = Redelivery(encode_json(fact).decode(), transaction_id)
    except (ValueError, TypeError):  # half a surrogate pair: Postgres will not have it either
        return None
    return encode_json(told).decode()


class AnyFact(Protocol):
    """What every fact has."""

    @property
    def station_id(self) -> str:
        """Whose it is."""


@dataclass(frozen=True, slots=True)
class LetterToKeep:
    """A fact, and the reason why it is here.

    `transaction_id` is what the station of a start was told, and `to_deliver` says that the worker
    is to write it where it belongs.
    """

    fact: AnyFact
    reason: str
    transaction_id: str | None = None
    to_deliver: bool = False


async def insert(connection: Connection, letters: Iterable[LetterToKeep]) -> None:
    """Keep facts; the same fact again is kept once.

    One that has been delivered since is open again: what it says was true, then perhaps another
    thing, and is true again.
    """
    await connection.executemany(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, document, redelivery)
        VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN $6 END)
        ON CONFLICT (station_id, kind, fingerprint) DO UPDATE
        SET reason = excluded.reason, document = excluded.document,
            redelivery = excluded.redelivery, received_at = now(), status = 'open',
            transaction_end = NULL, decided_by = NULL, decided_at = NULL, delivered_at = NULL,
            note = NULL
        WHERE dead_letters.status = 'dismissed' AND dead_letters.decided_by = $8
        """,
        [
            (
                *_row(letter.fact, letter.reason, encode(letter.fact, letter.transaction_id)),
                letter.to_deliver,
                DELIVERED_BY,
            )
            for letter in letters
        ],
    )


async def find_redelivery(connection: Connection, fact: AnyFact) -> str | None:
    """Return what can be delivered of a fact that was kept, now or when it came before."""
    station_id, kind, _, _, print_, _ = _row(fact, "", encode(fact))
    redelivery: str | None = await connection.fetchval(
        """
        SELECT coalesce(redelivery, document) FROM dead_letters
        WHERE station_id = $1 AND kind = $2 AND fingerprint = $3 AND status = 'open'
        """,
        station_id,
        kind,
        print_,
    )
    return redelivery


def _row(fact: AnyFact, reason: str, document: str | None) -> tuple[Any, ...]:
    # ASCII with escapes, so that not even a NUL or half a surrogate pair is refused again.
    encoded = ascii(_shortened(fact, document))
    whole = encoded if document is None or len(document) <= _LONG else document
    return (
        ascii(fact.station_id)[1:-1],
        type(fact).__name__,
        ascii(reason)[1:-1],
        encoded,
        fingerprint(whole.encode()),
        document,
    )


def _shortened(fact: AnyFact, document: str | None) -> AnyFact:
    """Return a fact as people read it: not every reading of a long charge, which `document` has."""
    if document is None or len(document) <= _LONG or not hasattr(fact, "meter_values"):
        return fact
    shortened: AnyFact = replace(fact, meter_values=fact.meter_values[:_SHOWN_METER_VALUES])  # type: ignore[type-var]
    return shortened


async def insert_strays(connection: Connection, facts: Sequence[TransactionEnded]) -> None:
    """Keep ends that name no transaction of their station.

    They can be given to a session. The worker looks at one of the station's open sessions next,
    and so at which of them may be meant: it matches the ends of the whole station.
    """
    await connection.executemany(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, document,
                                  transaction_end)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        [
            (*_row(fact, _UNKNOWN_TRANSACTION, encode(fact)), transaction_end_of(fact))
            for fact in facts
        ],
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
        transaction_end_of(fact),
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


def transaction_end_of(fact: TransactionEnded) -> dict[str, Any]:
    """Return what `transaction_end` holds of an end."""
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
            "status": DeadLetterStatus.DELIVERED
            if record["delivered_at"] is not None
            else DeadLetterStatus(record["status"]),
            "transaction_end": None if document is None else read_transaction_end(document),
        }
    )


async def get(db: Database, dead_letter_id: str) -> DeadLetter:
    """Return one dead letter.

    Raises:
        NotFoundError: there is none with this id.
    """
    async with db.acquire() as connection:
        return await show(connection, dead_letter_id)


async def show(connection: Connection, dead_letter_id: str) -> DeadLetter:
    """Do the same on a connection."""
    record = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM dead_letters WHERE dead_letter_id = $1",  # noqa: S608 - a dataclass
        dead_letter_id,
    )
    if record is None:
        raise NotFoundError(
            f"there is no dead letter {dead_letter_id}", code=NotFoundCode.DEAD_LETTER
        )
    return _dead_letter(record)


_MAX_COUNTED = 1000


async def count_open(db: Database, station_id: str) -> int:
    """Return how many letters of a station nobody has decided upon, counted to 1000."""
    count: int = await db.fetchval(
        """
        SELECT count(*) FROM (
            SELECT FROM dead_letters WHERE station_id = $1 AND status = 'open' LIMIT $2
        ) AS letter
        """,
        station_id,
        _MAX_COUNTED,
    )
    return count


async def list_before(
    db: Database,
    *,
    before: Position | None,
    limit: int,
    station_id: str | None = None,
    status: DeadLetterStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    by_time: bool | None = None,
    goes_down: bool = True,
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
        by_time: whether in the order of their receipt; None: if asked for by it.
        goes_down: whether the latest comes first.
    """
    conditions = letter_search.conditions_of(limit, station_id, status, since, until)
    if by_time is None:
        by_time = since is not None or until is not None
    order = conditions.page(
        "dead_letters.dead_letter_id",
        time="received_at" if by_time else None,
        behind=before,
        goes_down=goes_down,
    )
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM dead_letters WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - columns of a dataclass, and conditions made of columns
        *conditions.parameters,
    )
    return [_dead_letter(record) for record in records]


async def dismiss(
    db: Database, dead_letter_id: str, *, decided_by: str, note: str | None
) -> DeadLetter:
    """Decide that a dead letter means nothing; a session that it was matched with is told.

    Raises:
        NotFoundError: there is no such dead letter.
        ConflictError: it has been decided upon.
    """
    async with db.acquire() as connection, connection.transaction():
        letter = await lock_undecided(connection, dead_letter_id)
        await connection.execute(
            "UPDATE sessions SET settle_at = now(), settled_at = NULL WHERE session_id = $1",
            letter["session_id"],
        )
        return await decide(
            connection,
            dead_letter_id,
            status=DeadLetterStatus.DISMISSED,
            session_id=None,
            decided_by=decided_by,
            note=note,
        )


async def lock_undecided(connection: Connection, dead_letter_id: str) -> asyncpg.Record:
    """Return a letter that is decided upon next, and nobody else decides upon meanwhile.

    Raises:
        NotFoundError: there is no such letter.
        ConflictError: it has been decided upon.
    """
    letter = await connection.fetchrow(
        """
        SELECT station_id, kind, status, transaction_end, session_id, document, action,
               ocpp_version, delivered_at
        FROM dead_letters
        WHERE dead_letter_id = $1 FOR UPDATE
        """,
        dead_letter_id,
    )
    if letter is None:
        raise NotFoundError(
            f"there is no dead letter {dead_letter_id}", code=NotFoundCode.DEAD_LETTER
        )
    if letter["status"] in {DeadLetterStatus.ASSIGNED, DeadLetterStatus.DISMISSED}:
        became = letter["status"] if letter["delivered_at"] is None else DeadLetterStatus.DELIVERED
        raise ConflictError(
            f"dead letter {dead_letter_id} has been {became} already: nothing is left to decide",
            code=ConflictCode.DEAD_LETTER_DECIDED,
        )
    return letter


async def decide(
    connection: Connection,
    dead_letter_id: str,
    *,
    status: DeadLetterStatus,
    session_id: str | None,
    decided_by: str,
    note: str | None,
) -> DeadLetter:
    """Write down what became of a letter; nothing is to be done about it any more."""
    delivered = status is DeadLetterStatus.DELIVERED
    record = await connection.fetchrow(
        f"""
        UPDATE dead_letters
        SET status = $2, session_id = $3, decided_by = $4, note = $5, decided_at = now(),
            delivered_at = CASE WHEN $6 THEN now() END, redelivery = NULL, replay_at = NULL
        WHERE dead_letter_id = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - columns of a dataclass
        dead_letter_id,
        DeadLetterStatus.DISMISSED if delivered else status,
        session_id,
        decided_by,
        note,
        delivered,
    )
    assert record is not None  # noqa: S101 - it is locked
    return _dead_letter(record)
