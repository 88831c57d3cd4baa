"""The upkeep of the queue: lost jobs are found, old ones removed, all of them counted."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.upkeep.jobs import JobState, RunAgain
from shared.store.pool import Database

STATES: dict[str, JobState] = {
    "todo": JobState.WAITING,
    "doing": JobState.RUNNING,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "aborted": JobState.CANCELLED,
}
"""By the queue's own words."""

_INTERRUPTED = (
    "its worker died while it ran, and it is not to happen twice: look whether it did what it does,"
    " and retry it if it did not"
)
# A run that holds its job in a transaction (`queue.holding`) still lives: its job is skipped.
_LOST = """
    SELECT procrastinate_jobs.id, task_name, abort_requested, job_id::text, done_at IS NOT NULL
    AS is_done
    FROM procrastinate_jobs
    LEFT JOIN procrastinate_workers ON procrastinate_workers.id = worker_id
    LEFT JOIN jobs ON queue_id = procrastinate_jobs.id
    WHERE status = 'doing' AND task_name = ANY ($2) AND (
        procrastinate_workers.id IS NULL
        OR last_heartbeat < now() - make_interval(secs => $1)
    )
    ORDER BY procrastinate_jobs.id LIMIT $3
    FOR UPDATE OF procrastinate_jobs SKIP LOCKED
"""
_BATCH = 100


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job whose worker died or stood still.

    Attributes:
        job_id: as in the API.
        task: what it does.
        runs_again: whether another worker takes it now.
    """

    job_id: str | None
    task: str
    runs_again: bool


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How full the queue is.

    Attributes:
        states: how many jobs are in each state, those with none included.
        oldest_waiting_s: for how long a job has waited that may run now; 0 if there is none.
    """

    states: dict[JobState, int]
    oldest_waiting_s: float


async def give_back_lost(
    db: Database, *, stalled_after_s: float, tasks: Mapping[str, RunAgain]
) -> list[LostJob]:
    """Put jobs of workers that died or stood still back into the queue, or end them.

    Args:
        db: the pool.
        stalled_after_s: a worker without a heartbeat for so long is dead.
        tasks: those whose jobs are looked at, and whether they are begun anew. Nobody else's: what
            a task of the next release may do twice, a worker of this one does not know.
    """
    lost = []
    async with db.acquire() as connection, connection.transaction():
        for record in await connection.fetch(_LOST, stalled_after_s, [*tasks], _BATCH):
            runs_again = False
            if record["is_done"]:
                end = "succeeded"
            elif record["abort_requested"]:
                end = "aborted"
            elif tasks[record["task_name"]] is RunAgain.NEVER:
                end = "failed"
                await connection.execute(
                    "UPDATE jobs SET error = $2, failures = failures + 1 WHERE queue_id = $1",
                    record["id"],
                    _INTERRUPTED,
                )
            else:
                runs_again = True
                await connection.execute(
                    "SELECT procrastinate_retry_job_v2($1, now(), NULL, NULL, NULL)", record["id"]
                )
                # Workers hear of new jobs, and not of those that come back.
                await connection.execute(
                    "SELECT pg_notify('procrastinate_queue_v1#' || $1, $2)",
                    record["task_name"],
                    f'{{"type": "job_inserted", "job_id": {record["id"]}}}',
                )
            if not runs_again:
                await connection.execute(
                    "SELECT procrastinate_finish_job_v1($1, $2::procrastinate_job_status, false)",
                    record["id"],
                    end,
                )
            await connection.execute(
                "UPDATE jobs SET ended_at = now() WHERE queue_id = $1", record["id"]
            )
            lost.append(LostJob(record["job_id"], record["task_name"], runs_again))
        # One whose job is held waits: to forget it would be to take the job from it.
        await connection.execute(
            """
            DELETE FROM procrastinate_workers
            WHERE last_heartbeat < now() - make_interval(secs => $1) AND NOT EXISTS (
                SELECT FROM procrastinate_jobs
                WHERE worker_id = procrastinate_workers.id AND status = 'doing'
            )
            """,
            stalled_after_s,
        )
    return lost


async def remove_old(db: Database, *, older_than_days: int, limit: int) -> int:
    """Remove jobs that ended long ago; return how many."""
    removed: int = await db.fetchval(
        """
        WITH removed AS (
            DELETE FROM procrastinate_jobs WHERE status NOT IN ('todo', 'doing') AND id IN (
                SELECT queue_id FROM jobs WHERE ended_at < now() - make_interval(days => $1)
                ORDER BY ended_at LIMIT $2
            )
            RETURNING id
        )
        SELECT count(*) FROM removed
        """,
        older_than_days,
        limit,
    )
    return removed


async def count(db: Database) -> QueueCounts:
    """Return how full the queue is."""
    states = dict.fromkeys(JobState, 0)
    for record in await db.fetch(
        "SELECT status::text, count(*) AS jobs FROM procrastinate_jobs GROUP BY status"
    ):
        states[STATES[record["status"]]] += record["jobs"]
    oldest_waiting_s = await db.fetchval(
        """
        SELECT extract(epoch FROM now() - min(coalesce(scheduled_at, queued_at)))::float8
        FROM procrastinate_jobs JOIN jobs ON queue_id = procrastinate_jobs.id
        WHERE status = 'todo' AND coalesce(scheduled_at <= now(), true)
        """
    )
    return QueueCounts(states, max(0.0, oldest_waiting_s or 0.0))
