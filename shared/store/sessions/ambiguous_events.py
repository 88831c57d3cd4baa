"""Events of OCPP 2.0.1 that are not told apart by what should do it: by number, or by transaction.

Numbers are shared by makes that always tell 0, and ids by those that count from 1 again after a
reboot. Nothing of that costs an event, or touches another transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from shared.domain.sessions import (
    TransactionEventReported,
    TransactionEventType,
    TransactionIdIssuer,
)
from shared.domain.sessions.transaction_ids import (
    SAME_START,
    KnownTransaction,
    find_meant,
    find_started,
    id_beside_ours,
    id_of_start,
)
from shared.store.fingerprints import encode_json
from shared.store.pool import Connection

_Event: TypeAlias = TransactionEventReported
_Key: TypeAlias = tuple[str, str]


async def keep_same_numbers(
    connection: Connection, events: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    """Keep those of these events beside whose number another event was kept, each once.

    Args:
        connection: to Postgres.
        events: as documents of `columns`.
        columns: the names and types of what is kept.
    """
    names = ", ".join(columns)
    await connection.execute(
        f"""
        INSERT INTO transaction_events_of_same_number ({names})
        SELECT {", ".join(f"event.{name}" for name in columns)}
        FROM json_to_recordset($1) AS event ({", ".join(f"{n} {t}" for n, t in columns.items())})
        LEFT JOIN transaction_events AS kept USING (station_id, transaction_id, seq_no)
        WHERE kept.fingerprint IS DISTINCT FROM event.fingerprint
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 - columns of the caller's
        encode_json(events).decode(),
    )


def divide(facts: Sequence[_Event]) -> tuple[Sequence[_Event], list[_Event]]:
    """Return a batch without the events of transactions that begin twice in it, and those."""
    starts: dict[_Key, datetime] = {}
    twice: set[_Key] = set()
    for fact in facts:
        if fact.event_type is TransactionEventType.STARTED:
            first = starts.setdefault(_key(fact), fact.occurred_at)
            if abs(first - fact.occurred_at) > SAME_START:
                twice.add(_key(fact))
    if not twice:
        return facts, []
    return (
        [fact for fact in facts if _key(fact) not in twice],
        [fact for fact in facts if _key(fact) in twice],
    )


def set_beside_ours(facts: Iterable[_Event]) -> list[_Event]:
    """Return events of transactions whose ids we gave to others, under ids of their own."""
    return [replace(fact, transaction_id=id_beside_ours(fact.transaction_id)) for fact in facts]


async def tell_apart(connection: Connection, facts: Sequence[_Event]) -> list[_Event]:
    """Return events under the ids that their transactions are kept under.

    A transaction is told apart by its start, and what says nothing of a start by its time: it
    belongs to the latest that had begun. Their sessions stay locked until the commit.

    Args:
        connection: to Postgres, in a transaction.
        facts: with the ids that their station told.
    """
    known = await _find_known(connection, {_key(fact) for fact in facts})
    # Starts first, so that what follows them in the same batch is told apart as well.
    for fact in facts:
        if fact.event_type is TransactionEventType.STARTED:
            others = known[_key(fact)]
            if not others:
                others.append(KnownTransaction(fact.transaction_id, fact.occurred_at))
            elif find_started(others, fact.occurred_at) is None:
                new_id = id_of_start(fact.transaction_id, fact.occurred_at)
                others.append(KnownTransaction(new_id, fact.occurred_at))
    return [_under_its_id(fact, known[_key(fact)]) for fact in facts]


def _under_its_id(fact: _Event, known: Sequence[KnownTransaction]) -> _Event:
    if not known:
        return fact
    started = fact.event_type is TransactionEventType.STARTED
    found = find_started(known, fact.occurred_at) if started else None
    meant = found or find_meant(known, fact.occurred_at)
    if meant.transaction_id == fact.transaction_id:
        return fact
    return replace(fact, transaction_id=meant.transaction_id)


def _key(fact: _Event) -> _Key:
    return fact.station_id, fact.transaction_id


async def _find_known(
    connection: Connection, keys: set[_Key]
) -> defaultdict[_Key, list[KnownTransaction]]:
    asked = sorted(keys)
    records = await connection.fetch(
        """
        WITH asked AS (
            SELECT * FROM unnest($1::text[], $2::text[]) AS asked (station_id, transaction_id)
        )
        SELECT station_id, transaction_id, beside_transaction_id, started_at FROM sessions
        WHERE transaction_id_issuer = $3 AND session_id IN (
            SELECT session_id FROM sessions JOIN asked USING (station_id, transaction_id)
            UNION ALL
            SELECT session_id FROM sessions JOIN asked
                ON asked.station_id = sessions.station_id
               AND asked.transaction_id = sessions.beside_transaction_id)
        ORDER BY station_id, transaction_id FOR UPDATE
        """,
        [station_id for station_id, _ in asked],
        [transaction_id for _, transaction_id in asked],
        TransactionIdIssuer.STATION,
    )
    known: defaultdict[_Key, list[KnownTransaction]] = defaultdict(list)
    for station_id, transaction_id, beside, started_at in records:
        found = KnownTransaction(transaction_id, started_at)
        known[station_id, beside or transaction_id].append(found)
    return known


async def note_additions(
    connection: Connection, told: Sequence[_Event], kept: Sequence[_Event]
) -> None:
    """Have ids that transactions share stand for none of them: who tells more is told apart.

    Args:
        connection: to Postgres, after the sessions were written.
        told: events with the ids that their station told.
        kept: the same with those that they were written under.
    """
    pairs = {
        (fact.station_id, fact.transaction_id, other.transaction_id)
        for fact, other in zip(told, kept, strict=True)
        if fact.transaction_id != other.transaction_id
    }
    if not pairs:
        return
    await connection.execute(
        """
        WITH pair AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
                AS pair (station_id, transaction_id, other_id)
        ), concerned AS (
            SELECT session_id, sessions.transaction_id = other_id AS stands_beside,
                   pair.transaction_id
            FROM sessions JOIN pair ON pair.station_id = sessions.station_id
             AND sessions.transaction_id IN (pair.transaction_id, other_id)
            ORDER BY sessions.station_id, sessions.transaction_id FOR UPDATE OF sessions
        )
        UPDATE sessions SET
            transaction_id_reused = NOT stands_beside,
            beside_transaction_id = CASE WHEN stands_beside THEN concerned.transaction_id END
        FROM concerned WHERE sessions.session_id = concerned.session_id
        """,
        *map(list, zip(*sorted(pairs), strict=True)),
    )
