"""What happened to sessions beside what their stations said."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from shared.domain.decimals import json_number, plain_digits
from shared.domain.sessions import HistoryEntry, HistoryKind
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database


async def insert(
    connection: Connection, entries: Sequence[tuple[str, HistoryKind, dict[str, Any]]]
) -> None:
    """Note what happened: session, kind, detail."""
    await connection.executemany(
        "INSERT INTO session_history (session_id, kind, detail) VALUES ($1, $2, $3)",
        [
            (session_id, kind, {name: _kept(value) for name, value in detail.items()})
            for session_id, kind, detail in entries
        ],
    )


def _kept(value: object) -> object:
    """Return what is kept of a detail's member: of a decimal a number with all its digits."""
    return msgspec.Raw(plain_digits(value).encode()) if isinstance(value, Decimal) else value


def _read(name: str, value: object) -> object:
    """Return a detail's member; what was a number of watt hours stood there as a text once."""
    if isinstance(value, str) and "wh" in name.split("_"):
        try:
            return json_number(Decimal(value))
        except InvalidOperation:
            return value
    return value


async def list_after(
    db: Database,
    session_id: str,
    *,
    after: str | None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    goes_down: bool = False,
) -> list[HistoryEntry]:
    """Return up to `limit` entries of a session, the oldest first, from the one behind `after`.

    Args:
        db: the pool.
        session_id: whose.
        after: id of the entry before.
        limit: how many at most.
        since: only those of then or later.
        until: only those before.
        goes_down: whether the newest comes first.
    """
    conditions = _conditions(limit, session_id, since, until)
    order = conditions.in_order(
        "session_history.history_id", behind=after and [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"""
        SELECT history_id::text, kind, detail, occurred_at FROM session_history
        WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - conditions are made of columns
        *conditions.parameters,
    )
    return [
        HistoryEntry(
            **{
                **record,
                "kind": HistoryKind(record["kind"]),
                "detail": {name: _read(name, value) for name, value in record["detail"].items()},
            }
        )
        for record in records
    ]


async def count(
    db: Database,
    session_id: str,
    *,
    up_to: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many entries a session has, counting no further than `up_to`."""
    return await count_rows(db, "session_history", _conditions(up_to, session_id, since, until))


def _conditions(
    limit: int, session_id: str, since: datetime | None, until: datetime | None
) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("session_id =", session_id)
    conditions.made("occurred_at", key="session_history.history_id", since=since, until=until)
    return conditions
