"""One run: open streams, have things happen, and see when everybody knew."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bench.figures import quantile
from loadtest.streams.followers import Follower, follow, leaving
from shared.domain.notices.events import EventType, NewEvent
from shared.store.notices import outbox
from shared.store.pool import Database

_ARRIVAL_TIMEOUT_S = 60.0
_LOOK_S = 0.05
_STUCK_TEXT_BYTES = 40_000
_STUCK_EVENTS = 300

PROBES = f"type={EventType.STATION_ONLINE}"
"""What those follow whose time is taken."""


class LostEventError(Exception):
    """A client was not told of something, or twice, or in another order."""


@dataclass(frozen=True, slots=True)
class Target:
    """The API whose streams are followed.

    Attributes:
        url: where it is.
        api_key: what opens it.
        db: where things happen.
    """

    url: str
    api_key: str
    db: Database


@dataclass(frozen=True, slots=True)
class Delivery:
    """From commit to delivery, in milliseconds, over all clients and events.

    The time is that between the return of COMMIT of what has happened, before it has a number, and
    the moment at which a client had read it.
    """

    clients: int
    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float


async def deliver(
    target: Target,
    followers: Sequence[Follower],
    *,
    events: int,
    per_s: float,
    first: int = 0,
    timeout_s: float = _ARRIVAL_TIMEOUT_S,
) -> Delivery:
    """Have things happen at a pace, and wait until every client knows of all of them.

    Args:
        target: where.
        followers: who is to know.
        events: how many things.
        per_s: how many in a second.
        first: number of the first probe, other than of those before.
        timeout_s: how long after the last of them.

    Raises:
        LostEventError: somebody does not by then, or heard twice.
    """
    before = [len(each.probes) for each in followers]
    committed_at: list[float] = []
    began = time.perf_counter()
    for number in range(events):
        await asyncio.sleep(max(0.0, began + number / per_s - time.perf_counter()))
        await _happen(target.db, first + number)
        committed_at.append(time.perf_counter())
    wanted = list(range(first, first + events))
    try:
        async with asyncio.timeout(timeout_s):
            while any(  # noqa: ASYNC110 - clients are too many for an event each
                len(each.probes) - count < events
                for each, count in zip(followers, before, strict=True)
            ):
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        pass
    latencies: list[float] = []
    for each, count in zip(followers, before, strict=True):
        if each.probes[count:] != wanted:
            raise LostEventError(
                f"a client was told of {len(each.probes) - count} events of {events}, or in "
                "another order"
            )
        latencies += (
            1e3 * (came - committed)
            for came, committed in zip(each.came_at[count:], committed_at, strict=True)
        )
    return Delivery(
        clients=len(followers),
        events=events,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        max_ms=max(latencies),
    )


async def with_stuck(
    target: Target,
    followers: Sequence[Follower],
    *,
    stuck: int,
    stuck_for_s: float,
    events: int,
    per_s: float,
    first: int,
) -> tuple[Delivery, int]:
    """Do the same beside clients that take nothing, of which much is meant for each.

    Args:
        target: where.
        followers: who is to know.
        stuck: how many take nothing.
        stuck_for_s: for how long after all has happened, longer than they are waited for.
        events: as of `deliver`.
        per_s: likewise.
        first: likewise.

    Returns:
        The delivery to the others, and how many of the stuck ones were ended with a last word
        before they had everything.

    Raises:
        LostEventError: one of the others was not told of everything.
    """
    # What fills their buffers is for them alone: the others have the same work as without them.
    opened = await follow(
        target.url, target.api_key, stuck, query=f"type={EventType.TICKET_OPENED}", stuck=True
    )
    with leaving(opened):
        filling = asyncio.create_task(_fill(target.db, opened, stuck_for_s))
        delivery = await deliver(target, followers, events=events, per_s=per_s, first=first)
        await filling
        try:
            async with asyncio.timeout(_ARRIVAL_TIMEOUT_S):
                while not all(each.ended for each in opened):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            pass
        return delivery, sum(each.ended for each in opened)


async def _happen(db: Database, probe: int) -> None:
    async with db.acquire() as connection, connection.transaction():
        event = NewEvent(
            type=EventType.STATION_ONLINE,
            station_id=f"CS-{probe:06}",
            location_id="depot-north",
            data={"probe": probe, "ocpp_version": "ocpp2.0.1"},
        )
        await outbox.put(connection, [event])


async def _fill(db: Database, stuck: Sequence[Follower], stuck_for_s: float) -> None:
    """Have much happen that only the stuck clients asked for: more than all buffers take.

    They read on at the end, before their connections are cut: a last word waits for some seconds.
    """
    for _ in range(_STUCK_EVENTS // 10):
        async with db.acquire() as connection, connection.transaction():
            event = NewEvent(
                type=EventType.TICKET_OPENED,
                station_id=None,
                organization_id="default",
                data={"text": "x" * _STUCK_TEXT_BYTES},
            )
            await outbox.put(connection, [event] * 10)
        await asyncio.sleep(0.1)
    await asyncio.sleep(stuck_for_s)
    for each in stuck:
        each.read_on()
