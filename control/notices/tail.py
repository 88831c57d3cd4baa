"""Follows the events of the installation for all streams of a process."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from control.notices.ring import Ring
from shared.bus.event_words import EventWords
from shared.domain.errors import UnavailableError
from shared.domain.notices.events import EVERY_EVENT
from shared.store.judgement import is_away
from shared.store.notices import events
from shared.store.pool import Database
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_PAGE = 1000
_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 5.0


class EventTail:
    """Reads new events into a ring as soon as they have their numbers.

    A word in Redis wakes it; without one it looks by itself. It reads nothing while nobody follows.

    Args:
        db: what sees all of the installation.
        words: where it is said that there are new events.
        ring: where they are put.
        look_s: how often it looks by itself.
        before: awaited before events come into the ring: what has to be as new as they are.
        told: called when the ring has gone on, with its head from before.
        went_back: called when numbers went back, as in a database that was restored, with the
            newest one now and with when that was asked for, by the monotonic clock.
    """

    def __init__(
        self,
        db: Database,
        words: EventWords,
        ring: Ring,
        *,
        look_s: float,
        before: Callable[[], Awaitable[None]],
        told: Callable[[int], None],
        went_back: Callable[[int, float], None],
    ) -> None:
        self._db = db
        self._words = words
        self._ring = ring
        self._look_s = look_s
        self._before = before
        self._told = told
        self._went_back = went_back
        self._followed = asyncio.Event()
        self._look = asyncio.Event()
        self._is_away = False

    def follow(self, *, followed: bool) -> None:
        """Say whether anybody follows."""
        if followed:
            self._followed.set()
        else:
            self._followed.clear()

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._read())

    async def _listen(self) -> None:
        backoff_s = _BACKOFF_MIN_S
        while True:
            try:
                async with self._words.listen() as numbers:
                    backoff_s = _BACKOFF_MIN_S
                    self._look.set()  # what was told before we listened
                    async for _ in numbers:
                        self._look.set()
            except UnavailableError as error:
                log.warning("new events are not announced for now, only looked for", why=str(error))
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)

    async def _read(self) -> None:
        is_sure = False  # that numbers go on from the head
        while True:
            if not self._followed.is_set():
                # What nobody has read meanwhile may be much: those who come begin at its end.
                self._ring.forget()
                await self._followed.wait()
            self._look.clear()
            try:
                if not is_sure:
                    await self._find_head()
                is_sure, is_all = True, await self._read_page()
                self._is_away = False
            except Exception as error:
                if not self._is_away:
                    log.warning(
                        "new events cannot be read for now",
                        error=describe_error(error),
                        exc_info=None if is_away(error) else error,
                    )
                self._is_away = is_all = True
                is_sure = False
            if is_all:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._look_s):
                await self._look.wait()
        except TimeoutError:
            pass

    async def _find_head(self) -> None:
        """Go on from the head if there still is such a number, else from the newest."""
        head, asked_at = self._ring.head, time.monotonic()
        newest = await events.newest_number(self._db)
        if head is not None and newest < head:
            log.warning("numbers of events went back: was the database restored?", newest=newest)
            self._ring.begin(newest)
            self._went_back(newest, asked_at)

    async def _read_page(self) -> bool:
        """Read what is new, up to a page; return whether that is all."""
        ring = self._ring
        head = ring.head
        if head is None:
            head = await events.newest_number(self._db)
            ring.begin(head)
            self._told(head)
        found = await events.read_events(self._db, after=head, limit=_PAGE, filter=EVERY_EVENT)
        if found:
            await self._before()
            ring.append(found)
            self._told(head)
        return len(found) < _PAGE
