"""Events: what happened, for whoever asks again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query

from control import problems
from control.api.notices.event_filters import event_filter
from control.api.notices.events_schemas import Event
from control.api.types import UtcTime
from control.errors import ProblemError
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    bad_cursor,
    cut_page,
    decode_key,
    encode_cursor,
)
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.notices.events import EventFilter
from shared.store.notices import events
from shared.store.pool import Database

router = APIRouter(prefix="/v1/events", tags=["events"])

_RESOURCE = "events"
_SEARCH_TIMEOUT_S = 8.0
# 18 digits are below what Postgres can count to.
_NUMBER = "^[0-9]{1,18}$"

_Sort = Annotated[
    Literal["id", "-id"], Query(description="`id`: the oldest first; `-id`: the newest first")
]


@router.get("", responses=problems.responses(problems.EVENTS_GONE))
async def list_events(
    services: ServicesDep,
    found: Annotated[EventFilter, Depends(event_filter)],
    *,
    after: Annotated[
        str | None,
        Query(pattern=_NUMBER, description="only those that came behind the event of this id"),
    ] = None,
    since: Annotated[UtcTime | None, Query(description="only those told then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="only those told before")] = None,
    sort: _Sort = "id",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Event]:
    """List what happened, in the order in which it was told, the oldest first.

    Whoever asks with the `id` of the last event as `after`, now and then, misses none: no event
    ever gets a lower id than one that could be seen before. What is kept no longer is told: 410.
    """
    if after is not None:
        await _require_kept(services.db, int(after))
    goes_down = sort == "-id"
    behind = _decode(sort, cursor)
    if behind is None and after is not None and not goes_down:
        behind = int(after)
    rows, next_cursor = cut_page(
        await events.list_events(
            services.db,
            found,
            since=since,
            until=until,
            above=None if after is None or not goes_down else int(after),
            behind=behind,
            goes_down=goes_down,
            limit=limit + 1,
            timeout_s=_SEARCH_TIMEOUT_S,
        ),
        limit=limit,
        cursor_of=lambda event: encode_cursor(f"{_RESOURCE} by {sort}", str(event.number)),
    )
    return Page(items=[Event.of(row) for row in rows], next_cursor=next_cursor)


@router.get("/{event_id}", responses=problems.responses(NotFoundCode.EVENT))
async def get_event(
    event_id: Annotated[str, Path(pattern=_NUMBER, examples=["4711"])], services: ServicesDep
) -> Event:
    """Return one event."""
    return Event.of(await events.get(services.db, int(event_id)))


async def _require_kept(db: Database, after: int) -> None:
    """Refuse to list what follows an event if some of that is kept no longer.

    Raises:
        ProblemError: it is.
    """
    oldest = await events.oldest_number(db)
    first = await events.newest_number(db) + 1 if oldest is None else oldest
    if 0 < after < first - 1:
        raise ProblemError(
            problems.EVENTS_GONE,
            f"events up to {first - 1} are not kept any longer, and you have those up to {after}: "
            "read what you follow anew, then go on without `after`, or with 0 for all that is kept",
        )


def _decode(sort: str, cursor: str | None) -> int | None:
    key = decode_key(f"{_RESOURCE} by {sort}", cursor)
    if key is None:
        return None
    if not (key.isascii() and key.isdecimal() and len(key) <= 18):  # noqa: PLR2004 - as `_NUMBER`
        raise bad_cursor()
    return int(key)
