"""The queue of jobs: put into it within the transaction of the cause, and what a run of one needs.

Workers take jobs through procrastinate (`queue_manager.py`). What is asked here is said on the
connections of everybody else, so that a job is there exactly if its cause is, and what it does is
committed exactly while it is its worker's.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.upkeep.jobs import Run
from shared.store.pool import Connection, Database

_ERROR_MAX_LENGTH = 2000

_MINE = """
    procrastinate_jobs.id = $1 AND procrastinate_jobs.status = 'doing'
    AND procrastinate_jobs.worker_id = $2 AND procrastinate_jobs.attempts = $3
"""


class JobLostError(Exception):
    """The job is another worker's by now, or was removed: what this run makes of it is dropped."""


@dataclass(frozen=True, slots=True)
class BegunRun:
    """What a run needs to know of its job.

    Attributes:
        job_id: as in the API.
        organization_id: whose job it is.
        is_done: an earlier run has committed all that it does.
    """

    job_id: str
    organization_id: str
    is_done: bool


async def defer(
    connection: Connection,
    task: str,
    arguments: Mapping[str, Any],
    *,
    queueing_lock: str | None = None,
    lock: str | None = None,
    at: datetime | None = None,
    organization_id: str | None = None,
) -> str | None:
    """Put a job into the queue, if the transaction commits.

    Args:
        connection: in the transaction of the cause, which may be a request's.
        task: the name it is registered by in `control/jobs`.
        arguments: JSON. No secrets: they stand in the queue as they are.
        queueing_lock: of all jobs that say the same word one waits at most.
        lock: of all jobs that say the same word one runs at a time, in the order they came. One
            that is put off, or tried again later, holds up those behind it.
        at: not before this time.
        organization_id: whose job it is; None for that of whoever makes the request, which of the
            worker is the default one.

    Returns:
        Its id as in the API, or None if one with this queueing lock waits already.

    Raises:
        asyncpg.ForeignKeyViolationError: there is no such organization in sight.
    """
    job_id: str | None = await connection.fetchval(
        "SELECT defer_job($1, $2::jsonb, $3, $4, $5, $6)::text",
        task,
        dict(arguments),
        organization_id,
        lock,
        queueing_lock,
        at,
    )
    return job_id


async def begin(db: Database, run: Run) -> BegunRun:
    """Note that a run has begun.

    Raises:
        JobLostError: the job is no longer this run's.
    """
    record = await db.fetchrow(
        f"""
        UPDATE jobs SET started_at = now(), ended_at = NULL, tries = tries + 1
        FROM procrastinate_jobs WHERE queue_id = procrastinate_jobs.id AND {_MINE}
        RETURNING job_id::text, organization_id, done_at IS NOT NULL AS is_done
        """,  # noqa: S608 - a part of the statement
        run.queue_id,
        run.worker_id,
        run.attempt,
    )
    if record is None:
        raise JobLostError
    return BegunRun(**record)


@asynccontextmanager
async def holding(db: Database, run: Run, *, ends_it: bool = False) -> AsyncIterator[Connection]:
    """Hold a transaction that commits only while the job is this run's.

    Nobody takes the job over before it has ended, so that it is to be short.

    Args:
        db: the pool.
        run: whose job.
        ends_it: with it everything is done: should the worker die now, the job is not run again.

    Raises:
        JobLostError: the job is no longer this run's; nothing was done.
    """
    async with db.acquire() as connection, connection.transaction():
        if not await connection.fetchval(
            f"SELECT true FROM procrastinate_jobs WHERE {_MINE} FOR NO KEY UPDATE",  # noqa: S608 - a part of the statement
            run.queue_id,
            run.worker_id,
            run.attempt,
        ):
            raise JobLostError
        yield connection
        if ends_it:
            await connection.execute(
                "UPDATE jobs SET done_at = now() WHERE queue_id = $1", run.queue_id
            )


async def note_file(connection: Connection, run: Run, file_id: str) -> None:
    """Note what a job has made; on the connection of `holding`, so that a lost run says nothing."""
    await connection.execute(
        "UPDATE jobs SET file_id = $2 WHERE queue_id = $1", run.queue_id, file_id
    )


async def note_failure(db: Database, run: Run, error: str, *, counts: bool) -> int:
    """Keep why a run failed, and return how many have that count.

    Raises:
        JobLostError: the job is no longer this run's.
    """
    failures: int | None = await db.fetchval(
        f"""
        UPDATE jobs SET error = $4, failures = failures + $5::int
        FROM procrastinate_jobs WHERE queue_id = procrastinate_jobs.id AND {_MINE}
        RETURNING failures
        """,  # noqa: S608 - a part of the statement
        run.queue_id,
        run.worker_id,
        run.attempt,
        error[:_ERROR_MAX_LENGTH],
        int(counts),
    )
    if failures is None:
        raise JobLostError
    return failures


async def is_done(db: Database, run: Run) -> bool:
    """Tell whether all that the job does is committed, as before a word to stop it came."""
    return bool(
        await db.fetchval("SELECT done_at IS NOT NULL FROM jobs WHERE queue_id = $1", run.queue_id)
    )
