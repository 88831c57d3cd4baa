"""All sessions of a filter, in the order of their list."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from shared.domain.sessions import Session, SessionFilter, SessionOrder
from shared.store.conditions import Position
from shared.store.exporting import PageSize
from shared.store.pool import Database
from shared.store.sessions import sessions


async def pages(
    db: Database, found: SessionFilter, size: PageSize
) -> AsyncGenerator[Sequence[Session], None]:
    """Give sessions page by page.

    Args:
        db: of `exporting`.
        found: which. Those asked for by their change end with what had changed when it began, as a
            list of what goes on changing would have no end.
        size: how many at a time.
    """
    changes = found.order is SessionOrder.UPDATED_AT
    began_at: datetime | None = await db.fetchval("SELECT now()") if changes else None
    before: Position | None = None
    while True:
        limit = size.rows
        page = await sessions.list_before(db, before=before, limit=limit, found=found)
        told = page
        if began_at is not None:
            told = [session for session in page if session.updated_at <= began_at]
        if told:
            yield told
        if len(told) < limit:
            return
        before = sessions.position_of(page[-1], found.order)
