"""Runs a job again and again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from shared.domain.errors import UnavailableError
from shared.store.judgement import is_away, is_locked, took_too_long
from shared.store.pool import Database, is_reachable
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

Item = TypeVar("Item")


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


async def each_by_itself(
    db: Database, job: str, items: Iterable[Item], do: Callable[[Item], Awaitable[bool]]
) -> int:
    """Do something with each of some items; one that fails is logged and keeps none from it.

    Args:
        db: tells whether what failed is that Postgres is away, which is no item's fault.
        job: whose items, in logs and metrics.
        items: each is logged by its `repr`, which must hold no secret.
        do: returns whether something was put right.

    Returns:
        How many were put right.

    Raises:
        UnavailableError: a dependency is away; the next run goes on.
    """
    count = 0
    for item in items:
        try:
            count += await do(item)
        except UnavailableError:
            raise
        except Exception as error:
            await raise_if_away(db, error)
            metrics.sweep_failures.labels(job).inc()
            log.exception("a job failed with one of many", job=job, item=item)
    return count


async def raise_if_away(db: Database, error: Exception) -> None:
    """Raise `error` if it says that Postgres is away: then nothing that was worked on is wrong.

    A statement that took too long is one of what is worked on, as long as Postgres answers others,
    and a lock concerns what it is held on.
    """
    if took_too_long(error):
        if not await is_reachable(db):
            raise error
    elif is_away(error) and not is_locked(error):
        raise error
