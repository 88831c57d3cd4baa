"""Reports: saved, run when they are due or when asked, and downloaded."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from control.files.storage import open_storage
from control.jobs.notices.reports import remove_expired, report_sweeps, report_tasks
from control.jobs.queue import run_queue
from control.jobs.settings import WorkerSettings
from shared.store.notices import reports
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.eventually import eventually
from tests.support.mail_server import MailServer, mail_server, text_of

REPORTS = "/v1/reports"
BODY: dict[str, Any] = {
    "name": "what was billed",
    "resource": "sessions",
    "filter": {"billable": True},
    "period": "yesterday",
    "time_zone": "Europe/Berlin",
    "format": "csv",
    "columns": ["transaction_id", "ended_at", "energy_wh"],
}
NEVER = "01980000-0000-7000-8000-000000000000"


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


def mailing(mail: MailServer) -> dict[str, Any]:
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": mail.port,
        "smtp_security": "none",
        "mail_from": "Voltaro <voltaro@example.com>",
        "dashboard_url": "https://voltaro.example.com",
    }


@pytest.fixture
def worker(database_url: str, redis_url: str, tmp_path: Path, mail: MailServer) -> WorkerSettings:
    return WorkerSettings(
        **mailing(mail),
        database_url=database_url,
        redis_url=redis_url,
        files_directory=tmp_path / "files",
        queue_retry_s=0.1,
        queue_shutdown_timeout_s=0.1,
    )


@pytest.fixture
async def api(
    make_settings: MakeSettings, worker: WorkerSettings, mail: MailServer
) -> AsyncIterator[Api]:
    settings = make_settings(files_directory=worker.files_directory, **mailing(mail))
    async with running(settings) as served:
        yield served


@asynccontextmanager
async def working(db: Database, settings: WorkerSettings) -> AsyncIterator[None]:
    """Run a worker's queue for as long as the context lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_queue(db, settings, report_tasks(db, settings), stop))
        try:
            yield
        finally:
            stop.set()


async def make(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post(REPORTS, json={**BODY, **changes})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"{REPORTS}/{made['report_id']}"
    return made


async def runs_of(client: httpx.AsyncClient, report: dict[str, Any]) -> list[dict[str, Any]]:
    response = await client.get(f"{REPORTS}/{report['report_id']}/runs")
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def ended(client: httpx.AsyncClient, report: dict[str, Any]) -> dict[str, Any]:
    """Wait for the newest run, and return it."""
    runs = await eventually(
        lambda: runs_of(client, report), lambda runs: bool(runs) and runs[0]["has_content"]
    )
    return runs[0]


def content_of(run: dict[str, Any]) -> str:
    return f"{REPORTS}/{run['report_id']}/runs/{run['run_id']}/content"


async def sessions_of_two_days(db: Database) -> None:
    """Three that ended yesterday, one of them of a stranger to all bills, and one of today."""
    today = datetime.now(ZoneInfo("Europe/Berlin")).replace(hour=0, minute=0, second=0)
    for number, ended_at in enumerate((-60, -1, -30, 1)):
        await db.execute(
            """
            INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                                  ocpp_version, id_token, started_at, ended_at, meter_start_wh,
                                  meter_stop_wh, energy_wh, settled_at)
            VALUES ('CS-1', 1, $1, 'csms', '1.6', $2, $3::timestamptz - interval '1 hour', $3,
                    0, 1000.5, 1000.5, now())
            """,
            f"={number}",
            None if number == 2 else "TOKEN",
            today.astimezone(UTC) + timedelta(minutes=ended_at),
        )


async def test_a_report_has_the_rows_of_its_period_and_is_downloaded(
    api: Api, db: Database, worker: WorkerSettings
) -> None:
    await sessions_of_two_days(db)
    report = await make(api.client)
    assert report["schedule"] is None
    assert report["next_run_at"] is None
    asked = await api.client.post(f"{REPORTS}/{report['report_id']}/runs")
    assert asked.status_code == 202
    assert not asked.json()["has_content"]
    assert_problem(await api.client.get(content_of(asked.json())), 404, "not-found")
    async with working(db, worker):
        run = await ended(api.client, report)
    job = (await api.client.get(f"/v1/jobs/{run['job_id']}")).json()
    assert job["state"] == "succeeded"
    response = await api.client.get(content_of(run))
    assert len(response.content) == run["size_bytes"]
    assert response.headers["content-type"].startswith("text/csv")
    assert '.csv"' in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert len(rows) == run["rows"] == 2
    assert {row["transaction_id"] for row in rows} == {"'=0", "'=1"}
    assert all(row["ended_at_local"][-6:] in {"+01:00", "+02:00"} for row in rows)


@pytest.mark.parametrize("resource", ["meter-values", "ocpp-log", "events", "audit-log"])
async def test_every_resource_can_be_reported(
    api: Api, db: Database, worker: WorkerSettings, resource: str
) -> None:
    report = await make(api.client, resource=resource, filter={}, columns=None, format="parquet")
    await api.client.post(f"{REPORTS}/{report['report_id']}/runs")
    async with working(db, worker):
        run = await ended(api.client, report)
    assert (await api.client.get(content_of(run))).content.startswith(b"PAR1")


async def test_a_due_report_is_run_once_and_then_at_its_next_time(api: Api, db: Database) -> None:
    schedule = {"every": "day", "at": "06:00", "on": None}
    report = await make(api.client, schedule=schedule)
    assert report["schedule"] == schedule
    assert await reports.run_due(db, limit=10) == 0
    # No worker has run for three days.
    await db.execute("UPDATE reports SET next_run_at = next_run_at - interval '4 days'")
    due = await asyncio.gather(reports.run_due(db, limit=10), reports.run_due(db, limit=10))
    assert sorted(due) == [0, 1]
    (run,) = await runs_of(api.client, report)
    due_at = datetime.fromisoformat(run["due_at"])
    assert datetime.now(UTC) - timedelta(days=1, hours=1) < due_at <= datetime.now(UTC)
    following = (await api.client.get(f"{REPORTS}/{report['report_id']}")).json()["next_run_at"]
    assert datetime.fromisoformat(following) > datetime.now(UTC)
    assert datetime.fromisoformat(run["until"]) <= due_at


async def test_what_a_report_made_goes_with_it(
    api: Api, db: Database, worker: WorkerSettings
) -> None:
    report = await make(api.client)
    await api.client.post(f"{REPORTS}/{report['report_id']}/runs")
    async with working(db, worker):
        await ended(api.client, report)
    assert worker.files_directory is not None
    files = worker.files_directory.rglob("reports/*/*")
    assert len(list(files)) == 1
    storage = open_storage(worker)
    assert storage is not None
    assert await remove_expired(db, storage, limit=10) == 0
    response = await api.client.delete(f"{REPORTS}/{report['report_id']}")
    assert response.status_code == 204
    assert await remove_expired(db, storage, limit=10) == 1
    assert not list(worker.files_directory.rglob("reports/*/*"))
    assert not await db.fetchval("SELECT count(*) FROM report_contents")
    assert_problem(await api.client.get(f"{REPORTS}/{report['report_id']}"), 404, "not-found")


async def test_a_report_shows_what_its_organization_sees(
    api: Api, db: Database, worker: WorkerSettings
) -> None:
    body = {"organization_id": "lake", "name": "lake"}
    assert (await api.client.post("/v1/organizations", json=body)).is_success
    await sessions_of_two_days(db)
    await db.execute("UPDATE sessions SET organization_id = 'lake' WHERE transaction_id = '=1'")
    report = await make(api.client, organization_id="lake")
    await api.client.post(f"{REPORTS}/{report['report_id']}/runs")
    async with working(db, worker):
        run = await ended(api.client, report)
    rows = csv.DictReader(io.StringIO((await api.client.get(content_of(run))).text))
    assert [row["transaction_id"] for row in rows] == ["'=1"]


@pytest.mark.parametrize("attached", [True, False])
async def test_a_report_is_mailed_as_a_file_or_where_it_is(
    api: Api, db: Database, worker: WorkerSettings, mail: MailServer, *, attached: bool
) -> None:
    await sessions_of_two_days(db)
    settings = worker.model_copy(update={"report_mail_max_bytes": 5000 if attached else 10})
    report = await make(api.client, recipients=["ada@example.com", "bob@example.com"])
    await api.client.post(f"{REPORTS}/{report['report_id']}/runs")
    async with working(db, settings):
        run = await ended(api.client, report)
        await eventually(partial(_mails, mail), lambda count: count == 2)
    assert {sent["To"] for sent in mail.mails} == {"ada@example.com", "bob@example.com"}
    sent = mail.mails[0]
    assert sent["Subject"].startswith("what was billed: sessions-yesterday-")
    assert sent["Message-ID"].strip().startswith(f"<report.{run['run_id']}.")
    content = (await api.client.get(content_of(run))).content
    files = [bytes(part.get_content(), "utf-8") for part in sent.iter_attachments()]
    assert files == ([content] if attached else [])
    assert (f"https://voltaro.example.com{content_of(run)}" in text_of(sent)) is not attached


async def _mails(mail: MailServer) -> int:
    return len(mail.mails)


async def test_a_recipient_that_is_refused_for_good_ends_its_job_alone(
    api: Api, db: Database, worker: WorkerSettings, mail: MailServer
) -> None:
    mail.recipient_answer = "550 nobody here"
    report = await make(api.client, recipients=["gone@example.com"])
    await api.client.post(f"{REPORTS}/{report['report_id']}/runs")

    async def jobs() -> list[dict[str, Any]]:
        asked = {"task": "report_mail"}
        items: list[dict[str, Any]] = (await api.client.get("/v1/jobs", params=asked)).json()[
            "items"
        ]
        return items

    async with working(db, worker):
        await ended(api.client, report)
        (job,) = await eventually(jobs, lambda found: bool(found) and found[0]["state"] == "failed")
    assert job["tries"] == 1


async def test_who_may_not_read_the_rows_may_not_have_them_reported(api: Api) -> None:
    report = await make(api.client)
    scopes = ["notices:read", "notices:write"]
    key = (await api.client.post("/v1/api-keys", json={"name": "k", "scopes": scopes})).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    run = {"report_id": report["report_id"], "run_id": NEVER}
    for answer in (
        await api.client.post(REPORTS, json=BODY, headers=headers),
        await api.client.post(f"{REPORTS}/{report['report_id']}/runs", headers=headers),
        await api.client.get(content_of(run), headers=headers),
    ):
        assert_problem(answer, 403, "missing-permission")


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": "stations"},
        {"filter": {"started_since": "2025-01-01T00:00:00Z"}},
        {"period": "tomorrow"},
        {"time_zone": "Europe/Nowhere"},
        {"format": "xls"},
        {"columns": ["nothing"]},
        {"columns": []},
        {"schedule": {"every": "day", "at": "06:00", "on": 1}},
        {"schedule": {"every": "week", "at": "06:00"}},
        {"schedule": {"every": "week", "at": "06:00", "on": 8}},
        {"schedule": {"every": "month", "at": "06:00", "on": 29}},
        {"schedule": {"every": "month", "at": "6", "on": 1}},
        {"organization_id": "nobody"},
    ],
)
async def test_what_cannot_be_reported_is_refused(api: Api, changes: dict[str, Any]) -> None:
    response = await api.client.post(REPORTS, json={**BODY, **changes})
    assert_problem(response, 422, "invalid-input")


async def test_without_a_storage_there_are_no_reports(
    make_settings: MakeSettings, db: Database, worker: WorkerSettings
) -> None:
    async with running(make_settings()) as api:
        assert_problem(await api.client.post(REPORTS, json=BODY), 409, "conflict")
    async with running(make_settings(files_directory=worker.files_directory)) as api:
        body = {**BODY, "recipients": ["ada@example.com"]}
        problem = assert_problem(await api.client.post(REPORTS, json=body), 422, "invalid-input")
        assert "no mail server" in problem["detail"]
    settings = worker.model_copy(update={"files_directory": None})
    assert report_tasks(db, settings) == []
    assert report_sweeps(db, settings) == []
