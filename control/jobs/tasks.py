"""What a job of the queue does, and what happens to it if its worker dies."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from shared.domain.upkeep.jobs import Run, RunAgain
from shared.store import queue
from shared.store.pool import Connection, Database

# What Postgres takes as the name of a channel, beside what procrastinate puts before it.
_NAME_MAX_LENGTH = 40


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job while it runs, as its task sees it.

    A job that somebody cancels, that takes too long, or whose worker stops is cancelled as any task
    of asyncio: at its next `await`. A thread is not: it has to be asked to end by `finally`.

    Attributes:
        job_id: as in the API.
        organization_id: whose job it is; what is read for it is to be read in its scope.
        arguments: as they were deferred.
    """

    job_id: str
    organization_id: str
    arguments: Mapping[str, Any]
    _db: Database
    _run: Run

    def holding(self) -> AbstractAsyncContextManager[Connection]:
        """Hold a short transaction that commits only while the job is this run's.

        Raises:
            queue.JobLostError: it is another's by now; nothing was done. Let it go through.
        """
        return queue.holding(self._db, self._run)

    def finishing(self) -> AbstractAsyncContextManager[Connection]:
        """Hold the last such transaction: with its commit the job is done, and never run again.

        Raises:
            queue.JobLostError: as above.
        """
        return queue.holding(self._db, self._run, ends_it=True)

    async def note_file(self, connection: Connection, file_id: str) -> None:
        """Show what the job has made; on a connection of one of the two above."""
        await queue.note_file(connection, self._run, file_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What jobs of one name do.

    Attributes:
        name: as jobs are deferred by, at most 40 characters.
        run: does it.
        run_again: what happens if a worker dies with it.
        timeout_s: a run that takes longer has failed.
        max_tries: so many runs may fail; None for what the settings say. What fails because a
            dependency is away does not count.
    """

    name: str
    run: Callable[[RunningJob], Awaitable[None]]
    run_again: RunAgain
    timeout_s: float = 3600.0
    max_tries: int | None = None

    def __post_init__(self) -> None:
        """Refuse a name that nobody could be told of.

        Raises:
            ValueError: it is too long.
        """
        if not 0 < len(self.name.encode()) <= _NAME_MAX_LENGTH:
            raise ValueError(f"the name of the task {self.name!r} has not 1 to 40 bytes")


class GiveUpError(Exception):
    """Raised by a task: to try again is in vain. Its text is shown as the job's error."""
