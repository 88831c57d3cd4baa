"""The worker's composition root."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from control.jobs.notices.jobs import notice_jobs
from control.jobs.notices.reports import report_sweeps
from control.jobs.notices.webhooks import open_deliverer, webhook_jobs
from control.jobs.periodic import repeat
from control.jobs.queue import run_queue
from control.jobs.queue_tasks import queue_tasks
from control.jobs.settings import WorkerSettings
from control.jobs.sweeps import sweep_jobs
from control.jobs.tasks import Task
from control.jobs.upkeep.jobs import queue_sweeps
from control.management import Dependency, management_app
from control.serving import listen, serve
from shared.bus import client as bus
from shared.bus.event_words import EventWords
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.store import pool

log = structlog.get_logger()


async def run(
    settings: WorkerSettings, stop: asyncio.Event, *, more_tasks: Sequence[Task] = ()
) -> None:
    """Run sweeps and jobs until `stop` is set.

    Args:
        settings: of the worker.
        stop: when to end.
        more_tasks: of the queue, beside `queue_tasks`.

    Raises:
        UnavailableError: Postgres cannot be reached, or the port is taken.
    """
    with listen(settings.management_host, settings.management_port) as listener:
        async with (
            pool.open_database(settings) as db,
            bus.open_redis(settings) as redis,
            open_deliverer(
                db, settings, settings.encryption, stop_within_s=settings.shutdown_timeout_s
            ) as deliverer,
            asyncio.TaskGroup() as tasks,
        ):
            app = management_app(
                Dependency("postgres", partial(pool.is_reachable, db), required=True),
                Dependency("redis", partial(bus.require_writable, redis), required=True),
            )
            words = EventWords(redis, timeout_s=settings.redis_timeout_s)
            registry, sender = OwnershipRegistry(redis), PodRequestSender(redis)
            queue = [*queue_tasks(db, settings), *more_tasks]
            jobs = [
                *sweep_jobs(db, registry, sender, settings),
                *notice_jobs(db, words, registry, sender, settings),
                *queue_sweeps(db, settings, queue),
                *report_sweeps(db, settings),
                *webhook_jobs(db, deliverer, settings),
            ]
            running = [tasks.create_task(repeat(job, jitter=settings.sweep_jitter)) for job in jobs]
            if queue:
                tasks.create_task(run_queue(db, settings, queue, stop))
            log.info(
                "the worker runs",
                jobs=[job.name for job in jobs],
                queue=[task.name for task in queue],
            )
            await serve(
                app,
                listener,
                stop=stop,
                settings=settings,
                shutdown_timeout_s=settings.shutdown_timeout_s,
            )
            for task in running:
                task.cancel()
    log.info("the worker has stopped")
