"""Jobs in the API: seen, retried and cancelled by those whose they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from control.jobs.queue import run_queue
from control.jobs.settings import WorkerSettings
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.store import queue
from shared.store.pool import Database
from shared.store.request_database import RequestDatabase, RequestDatabases, Scope
from tests.integration.control.accounts.belongings import (
    HOST,
    OPERATOR,
    STRANGER,
    make_organizations,
)
from tests.support.eventually import eventually
from tests.support.queue_tasks import TABLES, TellingTasks


@pytest.fixture
async def settings(database_url: str, redis_url: str, db: Database) -> WorkerSettings:
    await db.execute(TABLES)
    return WorkerSettings(
        database_url=database_url,
        redis_url=redis_url,
        queue_retry_s=0.1,
        queue_max_tries=1,
        queue_shutdown_timeout_s=5,
    )


@asynccontextmanager
async def working(db: Database, settings: WorkerSettings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_queue(db, settings, TellingTasks(db, "one").all(), stop))
        try:
            yield
        finally:
            stop.set()


async def defer(db: Database, task: str, **options: Any) -> str:
    async with db.acquire() as connection, connection.transaction():
        job_id = await queue.defer(connection, task, {"what": "paper"}, **options)
    assert job_id is not None
    return job_id


async def shown(client: httpx.AsyncClient, job_id: str, state: str) -> dict[str, Any]:
    """Wait until a job stands so."""

    async def look() -> dict[str, Any]:
        answer: dict[str, Any] = (await client.get(f"/v1/jobs/{job_id}")).json()
        return answer

    return await eventually(look, lambda job: job["state"] == state)


def of_request(db: Database, organization_id: str) -> RequestDatabase:
    """Return the database of a request that changes something."""
    principal = Principal(
        kind=PrincipalKind.API_KEY,
        principal_id="key-1",
        name="Ada's key",
        organization_id=organization_id,
        permissions=frozenset(),
    )
    scope = Scope(principal=principal, request_id="request-1", changes=True)
    return RequestDatabase(db, scope, RequestDatabases(db))


async def test_a_job_that_failed_is_seen_with_its_error_and_retried(
    client: httpx.AsyncClient, db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "fails")
    async with working(db, settings):
        job = await shown(client, job_id, "failed")
    assert "no paper" in job["error"]
    assert (job["task"], job["tries"], job["failures"]) == ("fails", 1, 1)
    assert job["queued_at"] < job["started_at"] < job["ended_at"]
    assert job["requested_by"] is None

    retried = await client.post(f"/v1/jobs/{job_id}/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "waiting")
    assert (retried.json()["failures"], retried.json()["ended_at"]) == (0, None)
    again = await client.post(f"/v1/jobs/{job_id}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "job_not_failed")
    async with working(db, settings):
        assert (await shown(client, job_id, "failed"))["tries"] == 2
    entries = (await client.get("/v1/audit-log", params={"resource": "jobs"})).json()["items"]
    assert [entry["resource_id"] for entry in entries] == [job_id]
    assert set(entries[0]["after"]) == {"retried_at"}


async def test_a_job_whose_like_waits_already_is_not_retried(
    client: httpx.AsyncClient, db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "fails", queueing_lock="report-1")
    async with working(db, settings):
        await shown(client, job_id, "failed")
    await defer(db, "fails", queueing_lock="report-1")
    answer = await client.post(f"/v1/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_waits_already")
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["state"] == "failed"


async def test_a_job_that_waits_is_cancelled_and_never_runs(
    client: httpx.AsyncClient, db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "gives_up")
    for _ in range(2):
        cancelled = await client.post(f"/v1/jobs/{job_id}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["ended_at"] is not None
    async with working(db, settings):
        await shown(client, await defer(db, "gives_up"), "failed")
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["tries"] == 0


async def test_a_job_that_runs_is_stopped(
    client: httpx.AsyncClient, db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "whole")
    async with working(db, settings):
        await eventually(lambda: db.fetchval("SELECT count(*) FROM told"), bool)
        running = (await client.post(f"/v1/jobs/{job_id}/cancel")).json()
        assert running["cancel_requested_at"] is not None
        job = await shown(client, job_id, "cancelled")
    assert job["ended_at"] >= job["cancel_requested_at"]
    assert await db.fetchval("SELECT count(*) FROM told WHERE what = 'did'") == 0


async def test_a_job_that_has_ended_is_not_cancelled(
    client: httpx.AsyncClient, db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "gives_up")
    async with working(db, settings):
        await shown(client, job_id, "failed")
    answer = await client.post(f"/v1/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_ended")


async def test_jobs_are_listed_by_page_and_by_what_they_are(
    client: httpx.AsyncClient, db: Database
) -> None:
    jobs = [await defer(db, task) for task in ("whole", "fails", "whole")]
    await client.post(f"/v1/jobs/{jobs[0]}/cancel")

    async def listed(**params: Any) -> list[str]:
        page = (await client.get("/v1/jobs", params=params)).json()
        return [job["job_id"] for job in page["items"]]

    assert await listed() == jobs[::-1]
    assert await listed(state="waiting") == [jobs[2], jobs[1]]
    assert await listed(state="cancelled", task="whole") == [jobs[0]]
    assert await listed(task="fails") == [jobs[1]]
    assert await listed(sort="job_id") == jobs
    queued_at = (await client.get(f"/v1/jobs/{jobs[1]}")).json()["queued_at"]
    assert await listed(since=queued_at) == [jobs[2], jobs[1]]
    assert await listed(until=queued_at) == [jobs[0]]
    first = (await client.get("/v1/jobs", params={"limit": 2, "total": True})).json()
    assert first["total"]["count"] == 3
    assert await listed(limit=2, cursor=first["next_cursor"]) == [jobs[0]]


async def test_a_request_defers_for_its_own_organizations_and_is_named(
    client: httpx.AsyncClient, db: Database
) -> None:
    keys = await make_organizations(client)
    own = await defer(of_request(db, OPERATOR), "whole")
    below = await defer(of_request(db, OPERATOR), "whole", organization_id=HOST)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await defer(of_request(db, OPERATOR), "whole", organization_id=STRANGER)

    async def seen_by(organization_id: str) -> list[str]:
        page = (await client.get("/v1/jobs", headers=keys[organization_id])).json()
        return [job["job_id"] for job in page["items"]]

    assert await seen_by(OPERATOR) == [below, own]
    assert await seen_by(HOST) == [below]
    assert await seen_by(STRANGER) == []
    for verb in ("cancel", "retry"):
        answer = await client.post(f"/v1/jobs/{own}/{verb}", headers=keys[STRANGER])
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    job = (await client.get(f"/v1/jobs/{own}", headers=keys[OPERATOR])).json()
    assert job["requested_by"] == {
        "kind": "api_key",
        "principal_id": "key-1",
        "name": "Ada's key",
    }
    entries = (
        await client.get("/v1/audit-log", params={"resource": "jobs"}, headers=keys[OPERATOR])
    ).json()["items"]
    assert [(entry["action"], entry["resource_id"]) for entry in entries] == [
        ("queued", below),
        ("queued", own),
    ]
    cancelled = await client.post(f"/v1/jobs/{own}/cancel", headers=keys[OPERATOR])
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")


async def test_what_a_job_made_is_shown_with_it(client: httpx.AsyncClient, db: Database) -> None:
    job_id = await defer(db, "whole")
    file_id = await db.fetchval(
        "INSERT INTO files (purpose, name) VALUES ('log', 'sessions.csv') RETURNING file_id::text"
    )
    await db.execute("UPDATE jobs SET file_id = $1", file_id)
    job = (await client.get(f"/v1/jobs/{job_id}")).json()
    assert job["file_id"] == file_id
    file = await client.get(job["file_url"])
    assert (file.status_code, file.json()["name"]) == (200, "sessions.csv")
