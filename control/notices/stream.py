"""One client that follows events: how far it is, and what it is sent next.

A stream holds no queue: it knows the number of the last event that its client was sent. What comes
next is put together when there is room for it, from memory or, for whoever is far behind, from
Postgres. So a client that takes nothing costs what was on its way to it, and no more.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from control.notices import frames
from control.notices.frames import EndReason
from control.notices.ring import Chunk, Ring, chunk_of
from control.notices.stream_settings import EventStreamSettings
from control.notices.visibility import Visibility
from shared.domain.accounts.principals import Principal
from shared.domain.notices.events import EventFilter
from shared.store.judgement import is_away
from shared.store.notices import events
from shared.store.pool import Database
from shared.telemetry import metrics

Send = Callable[[bytes], Awaitable[None]]
"""Puts bytes on their way, once there is room for them."""

_PAGE = 200
_AWAY_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Who follows, and what.

    Attributes:
        principal: who asked.
        now: returns who that is by now; None if the key or the session has ended.
        asked: the filter of the request.
        db: sees what the request may see.
    """

    principal: Principal
    now: Callable[[], Awaitable[Principal | None]]
    asked: EventFilter
    db: Database


@dataclass(frozen=True, slots=True)
class Sources:
    """Where streams read: what all of a process share."""

    ring: Ring
    visibility: Visibility
    reads: asyncio.Semaphore
    settings: EventStreamSettings


class EventStream:
    """What is sent to one client.

    Args:
        follower: who it is.
        sources: where events are.
    """

    __slots__ = (
        "_asleep",
        "_ended",
        "_sources",
        "_told",
        "_up_to_date_at",
        "_visible",
        "_visible_version",
        "_wake",
        "follower",
        "opened_at",
        "position",
    )

    def __init__(self, follower: Follower, sources: Sources) -> None:
        self.follower = follower
        self.opened_at = self._up_to_date_at = time.monotonic()
        self.position = 0
        self._sources = sources
        self._wake = asyncio.Event()
        self._ended: EndReason | None = None
        self._asleep = False
        self._told = 0  # the position that the client knows
        self._visible = follower.asked
        self._visible_version = -1

    @property
    def ended(self) -> EndReason | None:
        """Why it ends; None while it goes on."""
        return self._ended

    def end(self, reason: EndReason) -> None:
        """Have it end soon; the first reason counts."""
        self._ended = self._ended or reason
        self._wake.set()

    def go_on(self, head: int) -> None:
        """Look at what is new in the ring behind `head`, and wake up if the client asked for it."""
        ring = self._sources.ring
        is_up_to_date = self._asleep and self.position == head and ring.reaches_back_to(head)
        if is_up_to_date and not self._behind(head).count:
            self.position = ring.head or head
        else:
            self._wake.set()

    async def run(self, position: int, send: Send, *, retry_ms: int) -> None:
        """Send what there is behind a number until the stream is ended.

        Raises:
            TimeoutError: there was no room for what comes next in the time of the settings.
        """
        self.position = self._told = position
        await self._send(frames.opened_frame(position, retry_ms=retry_ms), send)
        while self._ended is None:
            ring = self._sources.ring
            if ring.reaches_back_to(self.position):
                await self._send_recent(send)
            elif ring.head is None:
                await self._sleep(send)
            else:
                await self._send_older(send)

    @property
    def _settings(self) -> EventStreamSettings:
        return self._sources.settings

    @property
    def _chunk_max_bytes(self) -> int:
        return self._settings.event_stream_buffer_bytes // 2

    def _behind(self, position: int) -> Chunk:
        visibility = self._sources.visibility
        if self._visible_version != visibility.version:
            principal = self.follower.principal
            self._visible = visibility.narrow(self.follower.asked, principal.organization_id)
            self._visible_version = visibility.version
        return self._sources.ring.behind(position, self._visible, max_bytes=self._chunk_max_bytes)

    async def _send_recent(self, send: Send) -> None:
        chunk = self._behind(self.position)
        await self._send_chunk(chunk, send)
        if chunk.recorded_at is not None:
            age_s = (datetime.now(UTC) - chunk.recorded_at).total_seconds()
            metrics.event_delivery_seconds.observe(max(0.0, age_s))
        if self.position >= (self._sources.ring.head or 0):
            self._up_to_date_at = time.monotonic()
            await self._sleep(send)
        else:
            self._end_if_long_behind()
            await asyncio.sleep(0)  # sending waits for nothing while there is room

    async def _send_older(self, send: Send) -> None:
        """Send what the ring has no longer, a page of it."""
        head = self._sources.ring.head or 0
        try:
            async with self._sources.reads:
                if self._ended is not None:
                    return
                found = await events.read_events(
                    self.follower.db, after=self.position, limit=_PAGE, filter=self.follower.asked
                )
                oldest = await events.oldest_number(self.follower.db)
        except Exception as error:
            if not is_away(error):
                raise
            await self._sleep(send, at_most_s=_AWAY_PAUSE_S)
            return
        # Days that were dropped meanwhile leave no trace in a page.
        if oldest is None or self.position < oldest - 1:
            self.end(EndReason.EVENTS_GONE)
            return
        last = found[-1].number if found else self.position
        if len(found) < _PAGE:
            last = max(last, head)
        while found and self._ended is None:
            chunk = chunk_of(found, last=last, max_bytes=self._chunk_max_bytes)
            del found[: chunk.count]
            await self._send_chunk(chunk, send)
            if found:
                self._end_if_long_behind()
        if not found:
            self.position = max(self.position, last)

    def _end_if_long_behind(self) -> None:
        if time.monotonic() - self._up_to_date_at > self._settings.event_stream_behind_max_s:
            self.end(EndReason.SLOW)

    async def _send_chunk(self, chunk: Chunk, send: Send) -> None:
        if chunk.count:
            await self._send(chunk.frames, send)
            self._told = chunk.last
            metrics.events_streamed.inc(chunk.count)
        self.position = chunk.last

    async def _sleep(self, send: Send, *, at_most_s: float | None = None) -> None:
        """Wait until there may be something to send; say now and then that the stream lives."""
        self._asleep = True
        try:
            async with asyncio.timeout(at_most_s or self._settings.event_stream_keep_alive_s):
                await self._wake.wait()
        except TimeoutError:
            if at_most_s is None:
                await self._send(self._sign_of_life(), send)
        finally:
            self._asleep = False
        if self._ended is None:
            self._wake.clear()

    def _sign_of_life(self) -> bytes:
        if self.position == self._told:
            return frames.KEEP_ALIVE
        self._told = self.position
        return frames.position_frame(self.position)

    async def _send(self, what: bytes, send: Send) -> None:
        async with asyncio.timeout(self._settings.event_stream_write_timeout_s):
            await send(what)
