"""Jobs as they are shown, retried and cancelled: procrastinate's row and ours beside it."""

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.upkeep.jobs import Job, JobFilter, JobState
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database
from shared.store.queue_upkeep import STATES

_TABLES = "jobs JOIN procrastinate_jobs ON procrastinate_jobs.id = queue_id"
_SELECT = f"""
    SELECT job_id::text, jobs.task, organization_id, principal_kind, principal_id, principal_name,
           status::text AS state, queued_at, started_at, ended_at, tries, failures, error,
           file_id::text, cancel_requested_at,
           CASE WHEN status = 'todo' THEN scheduled_at END AS not_before
    FROM {_TABLES}
"""  # noqa: S608 - names from this module
_ENDED = "('succeeded', 'failed', 'cancelled', 'aborted')"


def _job(record: asyncpg.Record) -> Job:
    return Job(**{**record, "state": STATES[record["state"]]})


async def get(db: Database, job_id: str) -> Job:
    """Return one job.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(f"{_SELECT} WHERE job_id = $1", job_id)
    if record is None:
        raise _is_not_there(job_id)
    return _job(record)


async def list_before(
    db: Database, asked: JobFilter, *, before: str | None, limit: int, goes_down: bool = True
) -> list[Job]:
    """Return up to `limit` jobs, the newest first, from behind `before` on.

    Args:
        db: the pool.
        asked: which.
        before: id of the job before.
        limit: how many at most.
        goes_down: whether the newest comes first.
    """
    conditions = _conditions(limit, asked)
    order = conditions.in_order("jobs.job_id", behind=before and [before], goes_down=goes_down)
    records = await db.fetch(
        f"{_SELECT} WHERE {conditions} ORDER BY {order} LIMIT $1", *conditions.parameters
    )
    return [_job(record) for record in records]


async def count(db: Database, asked: JobFilter, *, up_to: int) -> int:
    """Return how many jobs there are, counting no further than `up_to`."""
    return await count_rows(db, _TABLES, _conditions(up_to, asked))


def _conditions(limit: int, asked: JobFilter) -> Conditions:
    conditions = Conditions(limit)
    if asked.state is not None:
        words = [word for word, meant in STATES.items() if meant is asked.state]
        conditions.add(f"status = ANY ({conditions.parameter(words)})")
    conditions.compare("jobs.task =", asked.task)
    conditions.compare("organization_id =", asked.organization_id)
    conditions.made("queued_at", key="jobs.job_id", since=asked.since, until=asked.until)
    return conditions


async def cancel(db: Database, job_id: str) -> Job:
    """Take a job out of the queue, or have the worker that runs it stop it.

    Raises:
        NotFoundError: there is none.
        ConflictError: it has ended otherwise.
    """
    async with db.acquire() as connection, connection.transaction():
        job = await _lock(connection, job_id)
        if job.state in {JobState.SUCCEEDED, JobState.FAILED}:
            raise ConflictError(
                f"job {job_id} has {job.state} already, and there is nothing to cancel",
                code=ConflictCode.JOB_ENDED,
            )
        if job.state is not JobState.CANCELLED and job.cancel_requested_at is None:
            await connection.execute(
                "SELECT procrastinate_cancel_job_v1(queue_id, true, false)"
                " FROM jobs WHERE job_id = $1",
                job_id,
            )
            await connection.execute(
                f"""
                UPDATE jobs SET cancel_requested_at = now(),
                                ended_at = CASE WHEN status IN {_ENDED} THEN now() END
                FROM procrastinate_jobs WHERE id = queue_id AND job_id = $1
                """,  # noqa: S608 - a part of the statement
                job_id,
            )
    return await get(db, job_id)


async def retry(db: Database, job_id: str) -> Job:
    """Put a job that has failed back into the queue, as if it had not been tried.

    Raises:
        NotFoundError: there is none.
        ConflictError: it has not failed, or another one waits in its stead.
    """
    async with db.acquire() as connection, connection.transaction():
        job = await _lock(connection, job_id)
        if job.state is not JobState.FAILED:
            raise ConflictError(
                f"job {job_id} is {job.state}: only one that has failed is retried",
                code=ConflictCode.JOB_NOT_FAILED,
            )
        try:
            await connection.execute(
                "SELECT procrastinate_retry_job_v2(queue_id, now(), NULL, NULL, NULL)"
                " FROM jobs WHERE job_id = $1",
                job_id,
            )
        except asyncpg.UniqueViolationError as error:
            raise ConflictError(
                f"another job waits already to do what job {job_id} was to do",
                code=ConflictCode.JOB_WAITS_ALREADY,
            ) from error
        await connection.execute(
            """
            UPDATE jobs SET retried_at = now(), failures = 0, ended_at = NULL,
                            cancel_requested_at = NULL
            WHERE job_id = $1
            """,
            job_id,
        )
    return await get(db, job_id)


async def _lock(connection: Connection, job_id: str) -> Job:
    record = await connection.fetchrow(
        f"{_SELECT} WHERE job_id = $1 FOR NO KEY UPDATE OF procrastinate_jobs", job_id
    )
    if record is None:
        raise _is_not_there(job_id)
    return _job(record)


def _is_not_there(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id}", code=NotFoundCode.JOB)
