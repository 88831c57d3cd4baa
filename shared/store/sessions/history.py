"""What happened to sessions beside what their stations said."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from shared.domain.decimals import json_number, plain_digits
from shared.domain.sessions import HistoryEntry, HistoryKind
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
    db: Database, session_id: str, *, after: str | None, limit: int
) -> list[HistoryEntry]:
    """Return up to `limit` entries of a session, the oldest first, from the one behind `after`."""
    records = await db.fetch(
        """
        SELECT history_id::text, kind, detail, occurred_at FROM session_history
        WHERE session_id = $1 AND ($2::uuid IS NULL OR session_history.history_id > $2)
        ORDER BY session_history.history_id LIMIT $3
        """,
        session_id,
        after,
        limit,
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
