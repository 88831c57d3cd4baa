"""Events: what happened, for whoever asks again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query

from control import problems
from control.api.notices.event_filters import event_filter
from control.api.notices.events_schemas import Event
from control.api.types import UtcTime
from control.errors import ProblemError
from control.paging import SORT, Order, Page, PagingDep, numbers
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
    paging: PagingDep,
    sort: Annotated[Literal["id", "-id"], SORT] = "id",
) -> Page[Event]:
    """List what happened, in the order in which it was told, the oldest first.

    Whoever asks with the `id` of the last event as `after`, now and then, misses none: no event
    ever gets a lower id than one that could be seen before. What is kept no longer is told: 410.
    """
    if after is not None:
        await _require_kept(services.db, int(after))
    order = Order.of(_RESOURCE, sort, usual="id", keys=numbers(1, bits=64))
    return await paging.page(
        order,
        read=lambda behind, limit: events.list_events(
            services.db,
            found,
            since=since,
            until=until,
            above=None if after is None else int(after),
            behind=None if behind is None else behind[0],
            goes_down=order.goes_down,
            limit=limit,
            timeout_s=_SEARCH_TIMEOUT_S,
        ),
        key_of=lambda event: [event.number],
        shown=Event.of,
        count=lambda up_to: events.count(
            services.db,
            found,
            since=since,
            until=until,
            above=None if after is None else int(after),
            up_to=up_to,
            timeout_s=_SEARCH_TIMEOUT_S,
        ),
    )


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
