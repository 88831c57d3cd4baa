"""Runs the jobs of the queue, beside the worker's sweeps."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import NoReturn

import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job

from control.jobs.settings import WorkerSettings
from control.jobs.tasks import GiveUpError, RunningJob, Task
from shared.domain.errors import UnavailableError
from shared.domain.upkeep.jobs import Run, RunAgain
from shared.store import queue
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.store.queue import JobLostError
from shared.store.queue_manager import QueueManager, open_queue
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_AGAIN_S = 1.0
_BETWEEN_LOOKS_S = 5.0
# Beyond the time that running jobs are given, to write down what became of them.
_TO_WRITE_S = 5.0
_INTERRUPTED = (
    "its worker stopped while it ran, and it is not to happen twice: look whether it did what it "
    "does, and retry it if it did not"
)


class _TryAgainError(Exception):
    """Ends a run whose job is put back into the queue."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"again in {after_s:g} s")
        self.at = datetime.now(UTC) + timedelta(seconds=after_s)


class _FailedError(Exception):
    """Ends a run whose job has failed for good."""


class _TookTooLongError(Exception):
    """A run is longer than its task may take; other than a time-out of what it waits for."""


class _AsDecided(BaseRetryStrategy):
    """Puts back what `_Runs` has decided to put back."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002 - the base class calls it so
        """Return when, or None for what has ended."""
        if isinstance(exception, _TryAgainError):
            return RetryDecision(retry_at=exception.at)
        return None


async def run_queue(
    db: Database, settings: WorkerSettings, tasks: Sequence[Task], stop: asyncio.Event
) -> None:
    """Run jobs until `stop` is set, and give those back that do not end soon after that.

    Whatever ends procrastinate's worker before, it begins anew under another id, and what it had
    taken is found as that of a dead one.
    """
    while not stop.is_set():
        try:
            async with open_queue(
                settings.queue_database_url or settings.database_url,
                connect_timeout_s=settings.database_connect_timeout_s,
                lock_timeout_s=settings.database_lock_timeout_s,
                stalled_after_s=settings.queue_stalled_after_s,
            ) as (app, manager):
                _Runs(db, settings).register(app, tasks)
                await _run_until(app, manager, settings, tasks, stop)
        except (ConnectorException, UnavailableError) as error:
            log.warning("the queue of jobs is away", error=describe_error(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _AGAIN_S)


async def _run_until(
    app: App,
    manager: QueueManager,
    settings: WorkerSettings,
    tasks: Sequence[Task],
    stop: asyncio.Event,
) -> None:
    worker = asyncio.create_task(
        app.run_worker_async(
            queues=[task.name for task in tasks],
            name="queue",
            concurrency=settings.queue_concurrency,
            install_signal_handlers=False,
            fetch_job_polling_interval=_BETWEEN_LOOKS_S,
            abort_job_polling_interval=_BETWEEN_LOOKS_S,
            shutdown_graceful_timeout=settings.queue_shutdown_timeout_s,
            update_heartbeat_interval=settings.queue_heartbeat_interval_s,
            stalled_worker_timeout=settings.queue_stalled_after_s,
        )
    )
    reasons = [asyncio.create_task(event.wait()) for event in (stop, manager.lost)]
    try:
        await asyncio.wait({worker, *reasons}, return_when=asyncio.FIRST_COMPLETED)
        if worker.done():
            log.warning("the queue's worker has ended, and begins anew")
    finally:
        for reason in reasons:
            reason.cancel()
        worker.cancel()
        # procrastinate stops telling that it lives before its jobs have ended.
        beating = asyncio.create_task(manager.beat(settings.queue_heartbeat_interval_s))
        ended, _ = await asyncio.wait(
            {worker}, timeout=settings.queue_shutdown_timeout_s + _TO_WRITE_S
        )
        if not ended:
            manager.lost.set()  # nothing is waited for any more
            ended, _ = await asyncio.wait({worker}, timeout=_TO_WRITE_S)
        beating.cancel()
        if not ended:
            log.error("a job does not end when it is cancelled; another worker will run it")
    if ended and not worker.cancelled() and (error := worker.exception()):
        raise error


class _Runs:
    """Runs jobs, and decides what becomes of those that do not succeed.

    Args:
        db: where jobs are.
        settings: how often and when they are tried again.
    """

    def __init__(self, db: Database, settings: WorkerSettings) -> None:
        self._db = db
        self._settings = settings

    def register(self, app: App, tasks: Sequence[Task]) -> None:
        """Have an app run each task from the queue of its name."""
        for task in tasks:
            app.task(name=task.name, queue=task.name, pass_context=True, retry=_AsDecided())(
                self._runner(task)
            )

    def _runner(self, task: Task) -> Callable[..., Awaitable[None]]:
        async def run(context: JobContext, **arguments: object) -> None:
            job = context.job
            assert job.id is not None  # noqa: S101 - it was taken from the queue
            assert job.worker_id is not None  # noqa: S101 - likewise
            attempt = _Attempt(
                self._db,
                self._settings,
                task,
                Run(job.id, job.worker_id, job.attempts),
                context.abort_reason,
            )
            began = monotonic()
            try:
                await attempt.run(arguments)
            finally:
                metrics.job_seconds.labels(task.name).observe(monotonic() - began)

        return run


@dataclass(frozen=True, slots=True)
class _Attempt:
    db: Database
    settings: WorkerSettings
    task: Task
    mine: Run
    abort_reason: Callable[[], AbortReason | None]

    async def run(self, arguments: dict[str, object]) -> None:
        """Run the task once, and raise what its job is to end with unless it has succeeded."""
        try:
            await self._do(arguments)
        except asyncio.CancelledError:
            await self._interrupted()
        except JobLostError:
            # What the queue manager writes of it names this run, and so nothing.
            raise _FailedError from None
        except GiveUpError as error:
            await self._failed(str(error), for_good=True)
        except _TookTooLongError as error:
            log.warning("a job took too long", task=self.task.name)
            await self._failed(str(error))
        except Exception as error:
            if isinstance(error, UnavailableError) or is_away(error):
                log.warning("a job waits for a dependency", error=describe_error(error))
                await self._failed(describe_error(error), counts=False)
            else:
                log.exception("a job failed", task=self.task.name)
                await self._failed(describe_error(error))

    async def _do(self, arguments: dict[str, object]) -> None:
        begun = await queue.begin(self.db, self.mine)
        if begun.is_done:
            return
        job = RunningJob(begun.job_id, begun.organization_id, arguments, self.db, self.mine)
        with structlog.contextvars.bound_contextvars(job_id=begun.job_id, task=self.task.name):
            limit = asyncio.timeout(self.task.timeout_s)
            try:
                async with limit:
                    await self.task.run(job)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise _TookTooLongError(f"it took longer than {self.task.timeout_s:g} s") from error

    async def _interrupted(self) -> None:
        """End a run that was cancelled: by somebody, or because the worker stops."""
        try:
            if await queue.is_done(self.db, self.mine):
                return
        except Exception as error:
            if not is_away(error):
                raise
        if self.abort_reason() is AbortReason.USER_REQUEST:
            raise JobAborted from None
        if self.task.run_again is RunAgain.NEVER:
            await self._failed(_INTERRUPTED, for_good=True)
        log.info("a job is given back, as its worker stops", task=self.task.name)
        raise _TryAgainError(0) from None

    async def _failed(self, error: str, *, for_good: bool = False, counts: bool = True) -> NoReturn:
        metrics.job_failures.labels(self.task.name).inc()
        settings = self.settings
        try:
            failures = await queue.note_failure(self.db, self.mine, error, counts=counts)
        except JobLostError:
            raise _FailedError from None
        except Exception as noting:
            if not is_away(noting):
                raise
            if for_good:
                raise _FailedError from noting
            raise _TryAgainError(settings.queue_retry_s) from noting
        if for_good or (counts and failures >= (self.task.max_tries or settings.queue_max_tries)):
            raise _FailedError from None
        after_s = settings.queue_retry_s * 2.0 ** max(0, failures - 1)
        raise _TryAgainError(min(after_s, settings.queue_max_retry_s)) from None
