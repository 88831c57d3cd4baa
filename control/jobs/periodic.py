"""Runs a job again and again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from shared.domain.errors import UnavailableError
from shared.store.judgement import is_away
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again.

    Args:
        name: in logs and metrics.
        interval_s: from the end of one run to the start of the next.
        run: does it, and returns how many things it put right.
    """

    name: str
    interval_s: float
    run: Callable[[], Awaitable[int]]


async def repeat(job: Job, *, jitter: float) -> None:
    """Run a job until cancelled. A run that fails is logged, counted and tried again.

    Args:
        job: what to do.
        jitter: each interval is longer or shorter by up to this part.
    """
    while True:
        await run_once(job)
        factor = random.uniform(1 - jitter, 1 + jitter)  # noqa: S311 - no secret
        await asyncio.sleep(job.interval_s * factor)


async def run_once(job: Job) -> None:
    """Run a job and note what came of it; nothing that goes wrong leaves here."""
    try:
        count = await job.run()
    except Exception as error:  # one job's trouble must not end the others
        metrics.sweep_failures.labels(job.name).inc()
        if isinstance(error, UnavailableError) or is_away(error):
            log.warning("a job waits for a dependency", job=job.name, error=describe_error(error))
        else:
            log.exception("a job failed", job=job.name)
    else:
        metrics.sweeps.labels(job.name).inc(count)
