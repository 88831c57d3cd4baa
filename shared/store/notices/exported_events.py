"""All events of a filter and a time, in the order of their numbers."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.notices.events import Event, EventFilter
from shared.store.exporting import PageSize
from shared.store.notices import events
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsOfTime:
    """Which events: those of a filter that got their number from `since` on and before `until`."""

    found: EventFilter
    since: datetime | None = None
    until: datetime | None = None


async def pages(
    db: Database, found: EventsOfTime, size: PageSize
) -> AsyncGenerator[Sequence[Event], None]:
    """Give events page by page.

    Args:
        db: of `exporting`, which says how long a search may take.
        found: which.
        size: how many at a time.
    """
    behind: int | None = None
    while True:
        limit = size.rows
        page = await events.list_events(
            db,
            found.found,
            since=found.since,
            until=found.until,
            behind=behind,
            goes_down=False,
            limit=limit,
            timeout_s=0,
        )
        if page:
            yield page
        if len(page) < limit:
            return
        behind = page[-1].number
