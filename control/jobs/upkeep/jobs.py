"""Finds jobs whose worker died, removes old ones, and counts them."""

from collections.abc import Sequence
from functools import partial

import structlog

from control.jobs.periodic import Job
from control.jobs.settings import WorkerSettings
from control.jobs.tasks import Task
from shared.store import queue_upkeep
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()


def queue_sweeps(db: Database, settings: WorkerSettings, tasks: Sequence[Task]) -> list[Job]:
    """Return what keeps the queue in order, with its intervals."""
    remove = partial(
        queue_upkeep.remove_old,
        db,
        older_than_days=settings.ended_jobs_retention_days,
        limit=settings.ended_jobs_batch,
    )
    return [
        Job(
            "lost_jobs", settings.lost_jobs_interval_s, partial(give_back_lost, db, settings, tasks)
        ),
        Job("ended_jobs", settings.ended_jobs_interval_s, remove),
        Job("queue_counts", settings.queue_counts_interval_s, partial(count_jobs, db)),
    ]


async def give_back_lost(db: Database, settings: WorkerSettings, tasks: Sequence[Task]) -> int:
    """Have jobs of dead workers run again, or end those that must not; return how many."""
    lost = await queue_upkeep.give_back_lost(
        db,
        stalled_after_s=settings.queue_stalled_after_s,
        tasks={task.name: task.run_again for task in tasks},
    )
    for job in lost:
        metrics.jobs_lost.labels(job.task).inc()
        log.warning(
            "the worker of a job died or stood still",
            job_id=job.job_id,
            task=job.task,
            runs_again=job.runs_again,
        )
    return len(lost)


async def count_jobs(db: Database) -> int:
    """Tell the metrics how full the queue is; return 0, as nothing was amiss."""
    counts = await queue_upkeep.count(db)
    for state, jobs in counts.states.items():
        metrics.jobs.labels(state).set(jobs)
    metrics.jobs_oldest_waiting.set(counts.oldest_waiting_s)
    return 0
