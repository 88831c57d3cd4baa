"""What the jobs of the queue do, one task each; `sweeps.py` has what is done unasked."""

from control.jobs.notices.reports import report_tasks
from control.jobs.settings import WorkerSettings
from control.jobs.tasks import Task
from shared.store.pool import Database


def queue_tasks(db: Database, settings: WorkerSettings) -> list[Task]:
    """Return every task that this worker knows; jobs of others are left to workers that do."""
    return [*report_tasks(db, settings)]
