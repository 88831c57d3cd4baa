"""The event streams of a process: who may open one, and when all of them look, or end."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from control import problems
from control.errors import InvalidFieldError, ProblemError
from control.notices.frames import EndReason
from control.notices.ring import Ring
from control.notices.stream import EventStream, Follower, Sources
from control.notices.stream_settings import EventStreamSettings
from control.notices.tail import EventTail
from control.notices.visibility import Visibility
from shared.bus.event_words import EventWords
from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.store.judgement import is_away
from shared.store.notices import events
from shared.store.pool import Database
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_CHECKED_AT_ONCE = 100
# How long clients wait before they come back: after a shutdown not all of them at once.
_RETRY_MIN_MS = 1000
_RETRY_MAX_MS = 5000


class EventStreams:
    """Lets clients follow events.

    Args:
        db: what sees all of the installation.
        words: where it is said that there are new events.
        settings: what streams may cost.
    """

    def __init__(self, db: Database, words: EventWords, settings: EventStreamSettings) -> None:
        self._db = db
        self._settings = settings
        self._ring = Ring(
            max_events=settings.event_stream_recent_max,
            max_bytes=settings.event_stream_recent_max_bytes,
        )
        self._visibility = Visibility(db)
        self._sources = Sources(
            self._ring,
            self._visibility,
            asyncio.Semaphore(settings.event_stream_reads_at_once),
            settings,
        )
        self._tail = EventTail(
            db,
            words,
            self._ring,
            look_s=settings.event_stream_look_s,
            before=self._read_visibility,
            told=self._on_events,
            went_back=self._on_numbers_that_went_back,
        )
        self._open: dict[EventStream, None] = {}
        self._open_by: Counter[tuple[str, str]] = Counter()
        self._stopped = False

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    async def run(self) -> None:
        """Follow events for all streams, and look who may go on, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tail.run())
            tasks.create_task(self._check_access())

    def stop(self) -> None:
        """Have every stream say where to resume, and end: the process is about to."""
        self._stopped = True
        self.end_all(EndReason.SHUTDOWN)

    def end_all(self, reason: EndReason) -> None:
        """Have every stream that is open end, with a word where to resume."""
        for stream in self._open:
            stream.end(reason)

    @contextmanager
    def opened(self, follower: Follower) -> Iterator[EventStream]:
        """Count a stream as open for as long as the context lasts.

        Raises:
            ProblemError: too many are, or the process is about to end.
        """
        principal = follower.principal
        self._require_room(principal)
        stream = EventStream(follower, self._sources)
        whose = principal.kind, principal.principal_id
        self._open[stream] = None
        self._open_by[whose] += 1
        metrics.event_streams_open.inc()
        self._tail.follow(followed=True)
        try:
            yield stream
        finally:
            del self._open[stream]
            self._open_by[whose] -= 1
            if not self._open_by[whose]:
                del self._open_by[whose]
            metrics.event_streams_open.dec()
            self._tail.follow(followed=bool(self._open))

    async def begin(self, follower: Follower, last_event_id: int | None) -> int:
        """Return the number behind which a stream that is open begins.

        Args:
            follower: who follows.
            last_event_id: what the client has; 0 for everything that is kept, None to begin now.

        Raises:
            InvalidFieldError: no event has had this number yet.
            ProblemError: events behind it are not kept any longer.
        """
        if not _sees_everything(follower.principal):
            await self._visibility.read()
        if last_event_id is not None and self._ring.holds_all_behind(last_event_id):
            return last_event_id
        newest = await events.newest_number(self._db)
        if last_event_id is None:
            return newest
        if last_event_id > newest:
            raise InvalidFieldError(
                "header",
                "Last-Event-ID",
                f"no event has the number {last_event_id} yet, the newest is {newest}: is this "
                "the server that told you, or was its database restored? Read what you follow "
                "anew, then follow without an id",
            )
        oldest = await events.oldest_number(self._db)
        first = newest + 1 if oldest is None else oldest
        if last_event_id == 0:
            return first - 1
        if last_event_id < first - 1:
            raise ProblemError(
                problems.EVENTS_GONE,
                f"events up to {first - 1} are not kept any longer, and you have those up to "
                f"{last_event_id}: read what you follow anew, then follow without an id, or with "
                "0 for all that is kept",
            )
        return last_event_id

    @staticmethod
    def retry_ms() -> int:
        """Return how long a client is to wait before it connects again: each another time."""
        return random.randint(_RETRY_MIN_MS, _RETRY_MAX_MS)  # noqa: S311 - jitter

    def _require_room(self, principal: Principal) -> None:
        limit = self._settings.event_streams_max
        if self._stopped:
            raise ProblemError(problems.STREAMS_FULL, "this process ends: connect again")
        if len(self._open) >= limit:
            metrics.event_streams_refused.labels("process").inc()
            raise ProblemError(
                problems.STREAMS_FULL,
                f"this process has {limit} event streams open already: try again in a moment, "
                "perhaps at another one",
            )
        limit = self._settings.event_streams_max_per_principal
        if self._open_by[principal.kind, principal.principal_id] >= limit:
            metrics.event_streams_refused.labels("principal").inc()
            raise ProblemError(
                problems.TOO_MANY_STREAMS,
                f"{principal.name!r} has {limit} event streams open at this process: close some, "
                "or follow more in one",
            )

    async def _read_visibility(self) -> None:
        if not all(_sees_everything(stream.follower.principal) for stream in self._open):
            await self._visibility.read()

    def _on_events(self, head: int) -> None:
        for stream in self._open:
            stream.go_on(head)

    def _on_numbers_that_went_back(self, newest: int, asked_at: float) -> None:
        for stream in self._open:
            if stream.opened_at < asked_at and stream.position > newest:
                stream.end(EndReason.EVENTS_GONE)

    async def _check_access(self) -> None:
        while True:
            await asyncio.sleep(self._settings.event_stream_access_check_s)
            streams = [
                stream
                for stream in self._open
                # What stands in the environment holds for as long as the process.
                if stream.follower.principal.kind is not PrincipalKind.ROOT_KEY
            ]
            for first in range(0, len(streams), _CHECKED_AT_ONCE):
                await _check(streams[first : first + _CHECKED_AT_ONCE])


def _sees_everything(principal: Principal) -> bool:
    return principal.organization_id == DEFAULT_ORGANIZATION_ID


async def _check(streams: Sequence[EventStream]) -> None:
    """End the streams of those who may not have them any more."""
    found = await asyncio.gather(
        *(stream.follower.now() for stream in streams), return_exceptions=True
    )
    for stream, now in zip(streams, found, strict=True):
        if isinstance(now, BaseException):
            # While Postgres is away there are no events either, and nobody knows who has ended.
            if not is_away(now):
                log.error("the access of a stream cannot be checked", error=describe_error(now))
        elif now is None or not _may_go_on(stream.follower.principal, now):
            stream.end(EndReason.ACCESS_ENDED)


def _may_go_on(before: Principal, now: Principal) -> bool:
    return (
        Permission.NOTICES_READ in now.permissions and now.organization_id == before.organization_id
    )
