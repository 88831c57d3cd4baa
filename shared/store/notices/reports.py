"""Reports and their runs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.notices.reports import (
    Every,
    Report,
    ReportPeriod,
    ReportResource,
    ReportRun,
    ReportSchedule,
)
from shared.store import organization_scope, queue
from shared.store.conditions import Conditions, Position
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

TASK = "report"
"""The name of the task that runs one."""
MAIL_TASK = "report_mail"
"""And of the one that mails what it has made to one recipient."""
_COLUMNS = """
    report_id::text, organization_id, name, resource, filter, period, time_zone, format, columns,
    recipients, every, at_time, on_day, next_run_at, created_at
"""
_RUN_COLUMNS = """
    run_id::text, report_id::text, job_id::text, due_at, since, until, storage_key, rows,
    size_bytes, ended_at
"""


def _report(record: asyncpg.Record) -> Report:
    columns = dict(record)
    every, at, on = (columns.pop(name) for name in ("every", "at_time", "on_day"))
    columns["resource"] = ReportResource(columns["resource"])
    columns["period"] = ReportPeriod(columns["period"])
    schedule = None if every is None else ReportSchedule(every=Every(every), at=at, on=on)
    return Report(**columns, schedule=schedule)


async def create(
    db: Database,
    *,
    organization_id: str | None,
    name: str,
    resource: ReportResource,
    filter: Mapping[str, Any],  # noqa: A002 - what it is
    period: ReportPeriod,
    time_zone: str,
    format: str,  # noqa: A002 - likewise
    columns: Sequence[str] | None,
    recipients: Sequence[str],
    schedule: ReportSchedule | None,
) -> Report:
    """Keep a report; None as its organization is that of the caller.

    Raises:
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    due = None if schedule is None else schedule.next_after(datetime.now(UTC), ZoneInfo(time_zone))
    record = await db.fetchrow(
        f"""
        INSERT INTO reports (organization_id, name, resource, filter, period, time_zone, format,
                             columns, recipients, every, at_time, on_day, next_run_at)
        VALUES (coalesce($1, own_organization()), $2, $3, $4::jsonb, $5, $6, $7, $8, $9, $10, $11,
                $12, $13)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names
        organization_id,
        name,
        resource,
        dict(filter),
        period,
        time_zone,
        format,
        columns,
        recipients,
        schedule and schedule.every,
        schedule and schedule.at,
        schedule and schedule.on,
        due,
    )
    assert record is not None  # noqa: S101 - an INSERT without a condition returns its row
    return _report(record)


async def get(db: "Database | Connection", report_id: str) -> Report:
    """Return one report.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM reports WHERE report_id = $1",  # noqa: S608 - column names
        report_id,
    )
    if record is None:
        raise _not_found(report_id)
    return _report(record)


async def list_before(
    db: Database,
    *,
    before: str | None,
    limit: int,
    goes_down: bool = True,
    organization_id: str | None = None,
) -> list[Report]:
    """Return up to `limit` reports in the order they were made, from behind `before` on."""
    conditions = Conditions(limit)
    conditions.compare("organization_id =", organization_id)
    behind = None if before is None else Position(before)
    by = conditions.page("reports.report_id", time=None, behind=behind, goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM reports WHERE {conditions} ORDER BY {by} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_report(record) for record in records]


async def count(db: Database, *, up_to: int, organization_id: str | None = None) -> int:
    """Return how many reports there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("organization_id =", organization_id)
    return await count_rows(db, "reports", conditions)


async def delete(db: Database, report_id: str) -> None:
    """Remove a report, its runs and, within a minute or so, what they have made.

    Raises:
        NotFoundError: there is none.
    """
    async with db.acquire() as connection, connection.transaction():
        tag = await connection.execute("DELETE FROM reports WHERE report_id = $1", report_id)
        if tag == "DELETE 0":
            raise _not_found(report_id)
        await connection.execute(
            "UPDATE report_contents SET expires_at = now() WHERE report_id = $1", report_id
        )


async def run_now(db: Database, report_id: str) -> ReportRun:
    """Have a report run, of its period as it is now.

    Raises:
        NotFoundError: there is none.
    """
    async with db.acquire() as connection, connection.transaction():
        return await _defer(connection, await get(connection, report_id), datetime.now(UTC))


async def run_due(db: Database, *, limit: int) -> int:
    """Have reports run whose time has come, each once; return how many.

    One that was due several times, as no worker ran, is run for the last of them.
    """
    async with db.acquire() as connection, connection.transaction():
        records = await connection.fetch(
            f"""
            SELECT {_COLUMNS} FROM reports WHERE next_run_at <= now()
            ORDER BY next_run_at LIMIT $1 FOR UPDATE SKIP LOCKED
            """,  # noqa: S608 - as above
            limit,
        )
        for report in map(_report, records):
            assert report.schedule is not None  # noqa: S101 - it has a time
            assert report.next_run_at is not None  # noqa: S101 - it is past
            zone, due_at, now = ZoneInfo(report.time_zone), report.next_run_at, datetime.now(UTC)
            while (following := report.schedule.next_after(due_at, zone)) <= now:
                due_at = following
            await _defer(connection, report, due_at)
            await connection.execute(
                "UPDATE reports SET next_run_at = $2 WHERE report_id = $1",
                report.report_id,
                following,
            )
    return len(records)


async def _defer(connection: Connection, report: Report, due_at: datetime) -> ReportRun:
    since, until = report.period.bounds(due_at, ZoneInfo(report.time_zone))
    run_id = await connection.fetchval("SELECT uuidv7()::text")
    job_id = await queue.defer(
        connection,
        TASK,
        {"report_id": report.report_id, "run_id": run_id},
        # One at a time of an organization, so that none takes all of the worker.
        lock=f"report of {report.organization_id}",
        organization_id=report.organization_id,
    )
    record = await connection.fetchrow(
        f"""
        INSERT INTO report_runs (run_id, report_id, job_id, due_at, since, until)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_RUN_COLUMNS}
        """,  # noqa: S608 - column names
        run_id,
        report.report_id,
        job_id,
        due_at,
        since,
        until,
    )
    assert record is not None  # noqa: S101 - as above
    return ReportRun(**record)


async def get_run(db: Database, report_id: str, run_id: str) -> ReportRun:
    """Return one run of a report.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {_RUN_COLUMNS} FROM report_runs WHERE report_id = $1 AND run_id = $2",  # noqa: S608 - column names
        report_id,
        run_id,
    )
    if record is None:
        raise NotFoundError(f"report {report_id} has no run {run_id}", code=NotFoundCode.REPORT_RUN)
    return ReportRun(**record)


async def list_runs_before(
    db: Database, report_id: str, *, before: str | None, limit: int, goes_down: bool = True
) -> list[ReportRun]:
    """Return up to `limit` runs of a report in their order, from behind `before` on."""
    conditions = Conditions(limit)
    conditions.compare("report_id =", report_id)
    behind = None if before is None else Position(before)
    by = conditions.page("report_runs.run_id", time=None, behind=behind, goes_down=goes_down)
    records = await db.fetch(
        f"SELECT {_RUN_COLUMNS} FROM report_runs WHERE {conditions} ORDER BY {by} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [ReportRun(**record) for record in records]


async def count_runs(db: Database, report_id: str, *, up_to: int) -> int:
    """Return how many runs of a report there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("report_id =", report_id)
    return await count_rows(db, "report_runs", conditions)


async def begin_content(
    db: Database, report: Report, storage_key: str, *, lasts_at_most_s: float
) -> None:
    """Write down where content is about to stand, and when it is left behind by a dead worker."""
    await db.execute(
        """
        INSERT INTO report_contents (storage_key, organization_id, report_id, expires_at)
        VALUES ($1, $2, $3, now() + make_interval(secs => $4))
        """,
        storage_key,
        report.organization_id,
        report.report_id,
        lasts_at_most_s,
    )


async def finish_run(
    connection: Connection,
    report: Report,
    run_id: str,
    *,
    storage_key: str,
    rows: int,
    size_bytes: int,
    retention_days: int,
) -> None:
    """Keep what a run has made, and have it mailed.

    Of a report that was removed meanwhile nothing is kept.
    """
    tag = await connection.execute(
        """
        UPDATE report_runs SET storage_key = $2, rows = $3, size_bytes = $4, ended_at = now()
        WHERE run_id = $1
        """,
        run_id,
        storage_key,
        rows,
        size_bytes,
    )
    await connection.execute(
        """
        UPDATE report_contents SET expires_at = now() + make_interval(days => $2)
        WHERE storage_key = $1
        """,
        storage_key,
        0 if tag == "UPDATE 0" else retention_days,
    )
    for recipient in report.recipients if tag != "UPDATE 0" else ():
        await queue.defer(
            connection,
            MAIL_TASK,
            {"report_id": report.report_id, "run_id": run_id, "recipient": recipient},
            organization_id=report.organization_id,
        )


async def list_expired(db: Database, *, limit: int) -> list[str]:
    """Return content whose time is over."""
    records = await db.fetch(
        """
        SELECT storage_key FROM report_contents WHERE expires_at <= now()
        ORDER BY expires_at LIMIT $1
        """,
        limit,
    )
    return [record["storage_key"] for record in records]


async def forget_content(db: Database, storage_key: str) -> None:
    """Keep that content is gone."""
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(
            "UPDATE report_runs SET storage_key = NULL WHERE storage_key = $1", storage_key
        )
        await connection.execute("DELETE FROM report_contents WHERE storage_key = $1", storage_key)


def _not_found(report_id: str) -> NotFoundError:
    return NotFoundError(f"there is no report {report_id}", code=NotFoundCode.REPORT)
