"""The queue as procrastinate's worker uses it: psycopg, by a connection to Postgres itself.

procrastinate trusts that a job is a worker's until that ends it. One that stood still for longer
than its heartbeats may is wrong about that: so whatever ends a run names the run here. And one
that Postgres has kept waiting is no dead one: an outage is waited out, for as long as nobody else
takes the jobs.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any, LiteralString

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, NotificationCallback

from shared.domain.errors import UnavailableError

log = structlog.get_logger()

_AGAIN_S = 1.0
# One listens beside them; ending a run and the heartbeat must not wait for each other.
_POOL_SIZE = 3

# Each is one statement: the run is still the job's, and while that is written nobody takes it.
_FINISH: LiteralString = """
    WITH mine AS MATERIALIZED (
        SELECT id FROM procrastinate_jobs
        WHERE id = %(job_id)s AND status = 'doing'
          AND worker_id = %(worker_id)s AND attempts = %(attempt)s
        FOR UPDATE
    ), ended AS (
        UPDATE jobs SET ended_at = now() FROM mine WHERE queue_id = mine.id
    )
    SELECT procrastinate_finish_job_v1(id, %(status)s::procrastinate_job_status, false)::text
    FROM mine
"""
# A job that somebody has asked to stop is not put back.
_PUT_BACK: LiteralString = """
    WITH mine AS MATERIALIZED (
        SELECT id, abort_requested FROM procrastinate_jobs
        WHERE id = %(job_id)s AND status = 'doing'
          AND worker_id = %(worker_id)s AND attempts = %(attempt)s
        FOR UPDATE
    ), ended AS (
        UPDATE jobs SET ended_at = now() FROM mine WHERE queue_id = mine.id
    )
    SELECT CASE WHEN abort_requested
        THEN procrastinate_finish_job_v1(id, 'aborted', false)::text
        ELSE procrastinate_retry_job_v2(id, %(retry_at)s, NULL, NULL, NULL)::text
    END FROM mine
"""
_BEAT: LiteralString = """
    UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker_id)s RETURNING id
"""


class QueueManager(JobManager):
    """What procrastinate's worker asks of Postgres.

    Args:
        connector: to Postgres.
        stalled_after_s: a worker without a heartbeat for so long has lost its jobs.

    Attributes:
        lost: set when this worker may have lost its jobs, and is to begin anew under another id.
    """

    def __init__(self, connector: PsycopgConnector, *, stalled_after_s: float) -> None:
        super().__init__(connector)
        self.lost = asyncio.Event()
        self._stalled_after_s = stalled_after_s
        self._beaten_at = monotonic()
        self._worker_id: int | None = None

    async def register_worker(self) -> int:
        """Tell that this worker lives, and return its id."""
        self._beaten_at = monotonic()
        self._worker_id = await super().register_worker()
        return self._worker_id

    async def beat(self, interval_s: float) -> None:
        """Tell that this worker lives, until cancelled."""
        while self._worker_id is not None:
            await self.update_heartbeat(self._worker_id)
            await asyncio.sleep(interval_s)

    async def unregister_worker(self, worker_id: int) -> None:
        """Tell that this worker has ended."""
        self._worker_id = None
        await super().unregister_worker(worker_id)

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:  # noqa: ARG002 - the base class calls it so
        """Leave dead workers to the sweep, which takes their jobs first (`queue_upkeep.py`)."""
        return []

    async def update_heartbeat(self, worker_id: int) -> None:
        """Tell that this worker lives."""
        try:
            known = await self._all(_BEAT, worker_id=worker_id)
        except ConnectorException as error:
            log.warning("the queue of jobs is away", error=_cause(error))
            if monotonic() - self._beaten_at > self._stalled_after_s:
                self.lost.set()
            return
        self._beaten_at = monotonic()
        if not known:
            log.warning("this worker stood still, and others have its jobs", worker_id=worker_id)
            self.lost.set()

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take a job, or none while Postgres is away."""
        try:
            return await super().fetch_job(queues, worker_id)
        except ConnectorException as error:
            if isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
                self.lost.set()
            log.warning("no job can be taken from the queue", error=_cause(error))
            return None

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Hear of new jobs at once; while that is away they are found by looking for them."""
        while True:
            try:
                await super().listen_for_jobs(on_notification=on_notification, queues=queues)
            except ConnectorException as error:
                log.warning("the queue of jobs is away", error=_cause(error))
            await asyncio.sleep(_AGAIN_S)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: ARG002, FBT001 - the base class calls it so
        """End a run for good, if the job is still its own."""
        await self._end(_FINISH, job, status=status.value)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,  # noqa: ARG002 - as the base class
        queue: str | None = None,  # noqa: ARG002 - likewise
        lock: str | None = None,  # noqa: ARG002 - likewise
    ) -> None:
        """Put a job back, if it is still this run's."""
        await self._end(_PUT_BACK, job, retry_at=retry_at or datetime.now(UTC))

    async def _end(self, statement: LiteralString, job: Job, **more: Any) -> None:  # noqa: ANN401 - parameters of a statement
        give_up_at = monotonic() + self._stalled_after_s
        while True:
            try:
                ended = await self._all(
                    statement,
                    job_id=job.id,
                    worker_id=job.worker_id,
                    attempt=job.attempts,
                    **more,
                )
            except ConnectorException as error:
                log.warning("the end of a job cannot be written", error=_cause(error))
                if monotonic() > give_up_at or self.lost.is_set():
                    self.lost.set()
                    return
                await asyncio.sleep(_AGAIN_S)
                continue
            if not ended:
                log.warning("a job is another worker's by now", task=job.task_name)
            return

    async def _all(self, statement: LiteralString, **parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - likewise
        return await self.connector.execute_query_all_async(statement, **parameters)


@asynccontextmanager
async def open_queue(
    url: str, *, connect_timeout_s: float, lock_timeout_s: float, stalled_after_s: float
) -> AsyncIterator[tuple[App, QueueManager]]:
    """Hold connections for procrastinate's worker for as long as the context lasts.

    Args:
        url: of Postgres itself: behind a pooler that gives each transaction another connection
            nobody hears of new jobs. Of several hosts the one that takes writes.
        connect_timeout_s: how long a connection may take.
        lock_timeout_s: how long a statement waits for a lock.
        stalled_after_s: a worker without a heartbeat for so long has lost its jobs.

    Raises:
        UnavailableError: Postgres cannot be reached now.
    """
    connector = PsycopgConnector(
        conninfo=url,
        min_size=1,
        max_size=_POOL_SIZE,
        timeout=connect_timeout_s,
        kwargs={
            "connect_timeout": max(1, round(connect_timeout_s)),
            "target_session_attrs": "read-write",
            "application_name": "voltaro-queue",
            "options": f"-c lock_timeout={max(1, round(1000 * lock_timeout_s))}ms",
        },
    )
    app = App(connector=connector)
    manager = QueueManager(connector, stalled_after_s=stalled_after_s)
    app.job_manager = manager
    try:
        await connector.open_async()
    except (ConnectorException, psycopg.Error) as error:
        await connector.close_async()
        raise UnavailableError(f"Postgres does not answer the queue of jobs ({error})") from error
    try:
        yield app, manager
    finally:
        await connector.close_async()


def _cause(error: ConnectorException) -> str:
    return str(error.__cause__ or error).strip()
