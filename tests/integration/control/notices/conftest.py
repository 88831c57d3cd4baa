"""Events, on the real Postgres and Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

import pytest

from shared.bus.client import open_redis
from shared.bus.event_words import EventWords
from shared.domain.notices.events import EVERY_EVENT, Event, EventFilter, EventType, NewEvent
from shared.store.notices import events, numbering, outbox
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings


@pytest.fixture
async def words(make_settings: MakeSettings) -> AsyncIterator[EventWords]:
    async with open_redis(make_settings()) as redis:
        yield EventWords(redis, timeout_s=1.0)


def happening(
    station_id: str | None = "CS-1",
    type_: EventType = EventType.STATION_ONLINE,
    *,
    organization_id: str | None = None,
    location_id: str | None = None,
    **data: object,
) -> NewEvent:
    """Something that has happened."""
    return NewEvent(
        type=type_,
        organization_id=organization_id,
        station_id=station_id,
        location_id=location_id,
        data=data,
    )


async def put(db: Database, *happened: NewEvent) -> None:
    """Put events in a transaction of their own."""
    async with db.acquire() as connection, connection.transaction():
        await outbox.put(connection, happened)


async def told(
    db: Database, *types: EventType, station_id: str | None = None, after: int = 0
) -> Sequence[Event]:
    """Number what waits, and return what is told."""
    while await numbering.number(db, limit=1000) is not None:
        pass
    found = EventFilter(
        types=frozenset(types) if types else None,
        station_ids=None if station_id is None else frozenset({station_id}),
    )
    return await events.read_events(db, after=after, limit=10_000, filter=found or EVERY_EVENT)


Happen: TypeAlias = Callable[..., Awaitable[list[int]]]


@pytest.fixture
def happen(db: Database, words: EventWords) -> Happen:
    """Have something happen and be told, as the worker tells it; returns the numbers."""

    async def happen(*happened: NewEvent, announced: bool = True) -> list[int]:
        before = await events.newest_number(db)
        await put(db, *happened)
        numbers = [each.number for each in await told(db, after=before)]
        if announced:
            await words.announce(numbers[-1])
        return numbers

    return happen
