"""Learning that commands have ended.

A gateway announces each outcome on this process's channel in Redis, which wakes who waits within
milliseconds. An announcement may be lost, and the worker ends commands without one, so Postgres is
asked as well: once per interval, for everybody who waits here.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from shared.bus.streams import OutcomeListener
from shared.domain.errors import UnavailableError
from shared.store.commands import commands
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 5.0


class Outcomes:
    """Wakes those who wait for the outcomes of commands.

    Args:
        db: where outcomes are kept.
        listener: this process's channel.
        poll_interval_s: how often Postgres is asked about what nobody announced.
        max_waiting: how many may wait at the same time.
    """

    def __init__(
        self,
        db: Database,
        listener: OutcomeListener,
        *,
        poll_interval_s: float,
        max_waiting: int,
    ) -> None:
        self._db = db
        self._listener = listener
        self._poll_interval_s = poll_interval_s
        self._max_waiting = max_waiting
        self._waiting: dict[str, list[asyncio.Event]] = {}
        self._count = 0
        self._stopped = False
        self._listening = False

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    @property
    def listening(self) -> bool:
        """Whether announcements arrive now; otherwise outcomes are found by the poll alone."""
        return self._listening

    @property
    def full(self) -> bool:
        """Whether so many wait that nobody else may."""
        return self._count >= self._max_waiting

    @property
    def stopped(self) -> bool:
        """Whether waiting is over for everybody, as the process is about to end."""
        return self._stopped

    @contextmanager
    def expect(self, command_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the command may have ended.

        It is set from the start, as the outcome may have come before anybody waited.
        """
        event = asyncio.Event()
        event.set()
        self._waiting.setdefault(command_id, []).append(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            events = self._waiting[command_id]
            events.remove(event)
            if not events:
                del self._waiting[command_id]

    def wake(self, command_id: str) -> None:
        """Wake those who wait for this command; they look for themselves what became of it."""
        for event in self._waiting.get(command_id, ()):
            event.set()

    def stop_waiting(self) -> None:
        """Wake everybody for good: the process is about to end, and they answer what they have."""
        self._stopped = True
        self._wake_all()

    async def run(self) -> None:
        """Listen and poll until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._poll())

    def _wake_all(self) -> None:
        for command_id in self._waiting:
            self.wake(command_id)

    async def _listen(self) -> None:
        backoff_s = _BACKOFF_MIN_S
        while True:
            try:
                async with self._listener.subscribe() as announced:
                    backoff_s = _BACKOFF_MIN_S
                    self._listening = True
                    self._wake_all()  # what was announced before we listened
                    async for command_id in announced:
                        self.wake(command_id)
            except UnavailableError as error:
                log.warning("outcomes are not announced for now, only polled", error=str(error))
            finally:
                self._listening = False
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_interval_s)
            if not self._waiting:
                continue
            try:
                ended = await commands.list_ended(self._db, list(self._waiting))
            except Exception as error:
                log.warning(
                    "outcomes cannot be polled for now",
                    error=describe_error(error),
                    exc_info=None if is_away(error) else error,
                )
            else:
                for command_id in ended:
                    self.wake(command_id)
