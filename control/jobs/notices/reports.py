"""Runs reports, an export into the storage, and mails what they have made."""

import hashlib
import secrets
from collections.abc import AsyncGenerator
from datetime import timedelta
from email.utils import parseaddr
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from control.exports.saved import PERMISSIONS, RESOURCES, filter_of
from control.exports.streaming import ExportForm, Progress, stream
from control.exports.writers import MEDIA_TYPES, ExportFormat
from control.files.storage import Storage, open_storage
from control.jobs.periodic import Job, each_by_itself
from control.jobs.settings import WorkerSettings
from control.jobs.tasks import GiveUpError, RunningJob, Task
from control.mail import NOT_SENT, Attachment, Mailer, is_for_good
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.domain.errors import InvalidInputError, NotFoundError
from shared.domain.notices.reports import Report, ReportRun
from shared.domain.upkeep.jobs import RunAgain
from shared.store.notices import reports
from shared.store.pool import Database
from shared.store.request_database import RequestDatabases, Scope
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_AT_ONCE = 100
_MAIL_TIMEOUT_S = 120.0


def report_tasks(db: Database, settings: WorkerSettings) -> list[Task]:
    """Return what runs a report and mails it, if there is a storage for what it makes.

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
        ),
        Task(
            name=reports.MAIL_TASK,
            run=partial(_mail, db, storage, settings, Mailer(settings)),
            # Who gets it twice gets the same Message-ID, which most programs show once.
            run_again=RunAgain.WHOLE,
            timeout_s=_MAIL_TIMEOUT_S,
        ),
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
    report, run = await _find(db, job)
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
            report,
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


async def _find(db: Database, job: RunningJob) -> tuple[Report, ReportRun]:
    try:
        report = await reports.get(db, str(job.arguments["report_id"]))
        return report, await reports.get_run(db, report.report_id, str(job.arguments["run_id"]))
    except NotFoundError as error:
        raise GiveUpError(f"the report was removed meanwhile: {error}") from error


async def _mail(
    db: Database, storage: Storage, settings: WorkerSettings, mailer: Mailer, job: RunningJob
) -> None:
    report, run = await _find(db, job)
    if run.storage_key is None or run.size_bytes is None:
        raise GiveUpError(f"what run {run.run_id} made is kept no longer")
    attachment = None
    if run.size_bytes <= settings.report_mail_max_bytes:
        pieces = await storage.read(run.storage_key, 0, run.size_bytes)
        attachment = Attachment(
            report.file_name(run),
            MEDIA_TYPES[ExportFormat(report.format)],
            b"".join([piece async for piece in pieces]),
        )
    recipient = str(job.arguments["recipient"])
    try:
        await mailer.send(
            to=recipient,
            subject=f"{report.name}: {report.file_name(run)}",
            text=_text(report, run, settings, attached=attachment is not None),
            headers={"Message-ID": _message_id(run, recipient, settings)},
            attachment=attachment,
        )
    except NOT_SENT as error:
        if is_for_good(error):
            raise GiveUpError(describe_error(error)) from error
        raise


def _text(report: Report, run: ReportRun, settings: WorkerSettings, *, attached: bool) -> str:
    zone = ZoneInfo(report.time_zone)
    since, until = (at.astimezone(zone).isoformat() for at in (run.since, run.until))
    url = f"{settings.dashboard_url}/v1/reports/{run.report_id}/runs/{run.run_id}/content"
    where = (
        "The file is attached."
        if attached
        else (f"The file is too large for a mail. Who may read it downloads it here:\n\n{url}")
    )
    return (
        f"The report {report.name!r} tells of {report.resource} from {since} until {until}.\n"
        f"It has {run.rows} rows and {run.size_bytes} bytes.\n\n{where}\n"
    )


def _message_id(run: ReportRun, recipient: str, settings: WorkerSettings) -> str:
    """Return the same for the same mail, however often it is sent (RFC 5322 §3.6.4)."""
    domain = parseaddr(settings.mail_from or "")[1].rpartition("@")[2] or "localhost"
    to = hashlib.sha256(recipient.encode()).hexdigest()[:16]
    return f"<report.{run.run_id}.{to}@{domain}>"


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
