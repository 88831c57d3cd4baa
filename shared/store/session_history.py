"""What happened to sessions beside what their stations said."""

from collections.abc import Sequence
from typing import Any

from shared.domain.sessions import HistoryEntry, HistoryKind
from shared.store.pool import Connection, Database


async def insert(
    connection: Connection, entries: Sequence[tuple[str, HistoryKind, dict[str, Any]]]
) -> None:
    """Note what happened: session, kind, detail."""
    await connection.executemany(
        "INSERT INTO session_history (session_id, kind, detail) VALUES ($1, $2, $3)", entries
    )


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
    return [HistoryEntry(**{**record, "kind": HistoryKind(record["kind"])}) for record in records]
