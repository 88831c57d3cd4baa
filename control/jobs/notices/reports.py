"""Runs reports: an export into the storage, once for each run."""

import secrets
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from control.exports.saved import PERMISSIONS, RESOURCES, filter_of
from control.exports.streaming import ExportForm, Progress, stream
from control.exports.writers import ExportFormat
from control.files.storage import Storage, open_storage
from control.jobs.periodic import Job, each_by_itself
from control.jobs.settings import WorkerSettings
from control.jobs.tasks import GiveUpError, RunningJob, Task
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.domain.errors import InvalidInputError, NotFoundError
from shared.domain.notices.reports import Report, ReportRun
from shared.domain.upkeep.jobs import RunAgain
from shared.store.notices import reports
from shared.store.pool import Database
from shared.store.request_database import RequestDatabases, Scope

log = structlog.get_logger()

_AT_ONCE = 100


def report_tasks(db: Database, settings: WorkerSettings) -> list[Task]:
    """Return the task that runs a report, if there is a storage for what it makes.

    Raises:
        UnavailableError: the directory cannot be used.
    """
    storage = open_storage(settings)
    if storage is None:
        return []
    return [
        Task(
            name=reports.TASK,
            run=partial(_run, db, storage, settings),
            run_again=RunAgain.FENCED,
            timeout_s=settings.report_timeout_s,
        )
    ]


def report_sweeps(db: Database, settings: WorkerSettings) -> list[Job]:
    """Return what has reports run when they are due, and removes what they made after its time.

    Raises:
        UnavailableError: the directory cannot be used.
    """
    storage = open_storage(settings)
    if storage is None:
        return []
    return [
        Job(
            "due_reports",
            settings.reports_interval_s,
            partial(reports.run_due, db, limit=_AT_ONCE),
        ),
        Job(
            "expired_reports",
            settings.reports_interval_s,
            partial(remove_expired, db, storage, limit=_AT_ONCE),
        ),
    ]


async def remove_expired(db: Database, storage: Storage, *, limit: int) -> int:
    """Remove content whose time is over, and what dead workers have left; return how much.

    Raises:
        UnavailableError: the storage is away; the next run goes on.
    """

    async def remove(storage_key: str) -> bool:
        await storage.delete(storage_key)
        await reports.forget_content(db, storage_key)
        return True

    expired = await reports.list_expired(db, limit=limit)
    return await each_by_itself(db, "expired_reports", expired, remove)


async def _run(db: Database, storage: Storage, settings: WorkerSettings, job: RunningJob) -> None:
    try:
        report = await reports.get(db, str(job.arguments["report_id"]))
        run = await reports.get_run(db, report.report_id, str(job.arguments["run_id"]))
    except NotFoundError as error:
        raise GiveUpError(f"the report was removed meanwhile: {error}") from error
    key = f"reports/{run.run_id}/{secrets.token_hex(8)}"
    await reports.begin_content(
        db,
        report,
        key,
        # Twice the time that a run may take: the worker that writes is gone by then.
        lasts_at_most_s=timedelta(seconds=2 * settings.report_timeout_s).total_seconds(),
    )
    progress = Progress()
    scoped = RequestDatabases(db).of(_scope(report, job))
    try:
        await storage.write(key, _pieces(scoped, report, run, settings, progress))
    except InvalidInputError as error:
        raise GiveUpError(str(error)) from error
    async with job.finishing() as connection:
        await reports.finish_run(
            connection,
            run.run_id,
            storage_key=key,
            rows=progress.rows,
            size_bytes=progress.size_bytes,
            retention_days=settings.report_retention_days,
        )
    log.info(
        "a report was made",
        report_id=report.report_id,
        rows=progress.rows,
        bytes=progress.size_bytes,
    )


def _pieces(
    db: Database, report: Report, run: ReportRun, settings: WorkerSettings, progress: Progress
) -> AsyncGenerator[bytes, None]:
    form = ExportForm(
        format=ExportFormat(report.format),
        columns=None if report.columns is None else tuple(report.columns),
        time_zone=ZoneInfo(report.time_zone),
    )
    return stream(
        db,
        RESOURCES[report.resource],
        filter_of(report.resource, report.filter, run.since, run.until),
        form,
        page_timeout_s=settings.export_page_timeout_s,
        progress=progress,
    )


def _scope(report: Report, job: RunningJob) -> Scope:
    """Return in whose sight a report is made: that of its organization, whoever asked for it."""
    return Scope(
        principal=Principal(
            kind=PrincipalKind.API_KEY,
            principal_id=report.report_id,
            name=report.name,
            organization_id=report.organization_id,
            permissions=frozenset({PERMISSIONS[report.resource]}),
        ),
        request_id=job.job_id,
        changes=False,
    )
