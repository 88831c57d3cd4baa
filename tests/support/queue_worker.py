"""A worker as a process of its own, with tasks that tell what they do: to be killed.

Started with the worker's settings in the environment; its first argument is what it calls itself.
"""

import asyncio
import sys

from control.jobs.app import run
from control.jobs.settings import WorkerSettings
from control.serving import run_process
from shared.store.pool import open_database
from shared.telemetry.logging import configure_logging
from tests.support.queue_tasks import TellingTasks


async def _run(stop: asyncio.Event) -> None:
    settings = WorkerSettings()  # type: ignore[call-arg]  # from the environment
    async with open_database(settings) as db:
        await run(settings, stop, more_tasks=TellingTasks(db, sys.argv[1]).all())


if __name__ == "__main__":
    configure_logging(WorkerSettings(), service="worker")  # type: ignore[call-arg]  # likewise
    run_process(_run)
