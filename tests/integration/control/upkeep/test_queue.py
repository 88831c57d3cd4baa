"""The queue of jobs on the real Postgres: when jobs run, when again, and when not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from control.jobs.queue import run_queue
from control.jobs.settings import WorkerSettings
from control.jobs.tasks import RunningJob, Task
from control.jobs.upkeep.jobs import count_jobs, give_back_lost
from shared.domain.upkeep.jobs import Run, RunAgain
from shared.store import queue, queue_upkeep
from shared.store.pool import Database, open_database
from tests.support.eventually import eventually
from tests.support.queue_tasks import TABLES, TellingTasks
from tests.support.relay import relay


@pytest.fixture
def settings(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(
        database_url=database_url,
        redis_url=redis_url,
        queue_retry_s=0.2,
        queue_max_tries=2,
        queue_shutdown_timeout_s=0.1,
        queue_heartbeat_interval_s=0.2,
        queue_stalled_after_s=1,
    )


@pytest.fixture
async def db(settings: WorkerSettings) -> AsyncIterator[Database]:
    async with open_database(settings) as database:
        await database.execute(TABLES)
        yield database


@asynccontextmanager
async def working(db: Database, settings: WorkerSettings, name: str = "one") -> AsyncIterator[None]:
    """Run a worker's queue for as long as the context lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_queue(db, settings, TellingTasks(db, name).all(), stop))
        try:
            yield
        finally:
            stop.set()


async def defer(db: Database, task: str, **options: Any) -> str:
    async with db.acquire() as connection, connection.transaction():
        job_id = await queue.defer(connection, task, {"what": "paper"}, **options)
    assert job_id is not None
    return job_id


async def job_of(db: Database, job_id: str) -> dict[str, Any]:
    record = await db.fetchrow(
        """
        SELECT status::text AS status, jobs.*, scheduled_at FROM jobs
        JOIN procrastinate_jobs ON id = queue_id WHERE job_id = $1
        """,
        job_id,
    )
    assert record is not None
    return dict(record)


async def ended(db: Database, job_id: str, timeout_s: float = 10) -> dict[str, Any]:
    return await eventually(
        lambda: job_of(db, job_id),
        lambda job: job["status"] not in {"todo", "doing"},
        timeout_s=timeout_s,
    )


async def told(db: Database, count: int, what: str = "began") -> list[str]:
    """Wait until something was said so often, and return by whose jobs."""

    async def look() -> list[str]:
        records = await db.fetch("SELECT job_id FROM told WHERE what = $1 ORDER BY told_id", what)
        return [each["job_id"] for each in records]

    return await eventually(look, lambda said: len(said) >= count)


async def go(db: Database) -> None:
    await db.execute("INSERT INTO go VALUES ('go')")


async def test_a_job_runs_once_its_cause_is_committed(
    db: Database, settings: WorkerSettings
) -> None:
    await go(db)
    async with working(db, settings):
        async with db.acquire() as connection, connection.transaction():
            job_id = await queue.defer(connection, "whole", {})
            await asyncio.sleep(0.1)
            assert await db.fetchval("SELECT count(*) FROM told") == 0
        assert job_id is not None
        job = await ended(db, job_id)
    assert (job["status"], job["tries"], job["failures"]) == ("succeeded", 1, 0)
    assert job["queued_at"] < job["started_at"] < job["ended_at"]
    assert job["organization_id"] == "default"


async def test_a_deferral_that_is_rolled_back_leaves_nothing(db: Database) -> None:
    async with db.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await queue.defer(connection, "whole", {})
        await transaction.rollback()
    assert await db.fetchval("SELECT count(*) FROM jobs") == 0
    assert await db.fetchval("SELECT count(*) FROM procrastinate_jobs") == 0
    assert await db.fetchval("SELECT count(*) FROM procrastinate_events") == 0


async def test_of_one_queueing_lock_one_job_waits_and_the_transaction_goes_on(
    db: Database,
) -> None:
    first = await defer(db, "whole", queueing_lock="report-1")
    async with db.acquire() as connection, connection.transaction():
        assert await queue.defer(connection, "whole", {}, queueing_lock="report-1") is None
        other = await queue.defer(connection, "whole", {}, queueing_lock="report-2")
    waiting = await db.fetch("SELECT job_id::text FROM jobs ORDER BY job_id")
    assert [each["job_id"] for each in waiting] == [first, other]


async def test_of_one_lock_one_job_runs_at_a_time(db: Database, settings: WorkerSettings) -> None:
    jobs = [await defer(db, "whole", lock="station-1") for _ in range(2)]
    other = await defer(db, "whole", lock="station-2")
    async with working(db, settings), working(db, settings, "two"):
        assert set(await told(db, 2)) == {jobs[0], other}
        assert (await job_of(db, jobs[1]))["status"] == "todo"
        await go(db)
        assert (await told(db, 3))[2] == jobs[1]
        for job_id in (*jobs, other):
            assert (await ended(db, job_id))["status"] == "succeeded"


async def test_a_job_is_put_off_to_its_time(db: Database, settings: WorkerSettings) -> None:
    await go(db)
    at = datetime.now(UTC) + timedelta(hours=1)
    job_id = await defer(db, "whole", at=at)
    async with working(db, settings):
        assert (await ended(db, await defer(db, "whole")))["status"] == "succeeded"
        job = await job_of(db, job_id)
    assert (job["status"], job["scheduled_at"], job["tries"]) == ("todo", at, 0)


async def test_a_job_of_a_task_that_a_worker_does_not_know_is_left_to_others(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "of_the_next_release")
    await go(db)
    async with working(db, settings):
        await ended(db, await defer(db, "whole"))
        assert (await job_of(db, job_id))["status"] == "todo"


async def test_a_job_that_fails_is_tried_again_and_its_error_kept(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "fails")
    async with working(db, settings):
        job = await ended(db, job_id)
    assert (job["status"], job["tries"], job["failures"]) == ("failed", 2, 2)
    assert "no paper" in job["error"]


async def test_a_job_that_cannot_succeed_is_not_tried_again(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "gives_up")
    async with working(db, settings):
        job = await ended(db, job_id)
    assert (job["status"], job["tries"]) == ("failed", 1)
    assert job["error"] == "there is nothing to export"


async def test_what_is_done_is_not_done_again_though_its_run_failed(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "fails_when_it_is_done")
    async with working(db, settings):
        job = await ended(db, job_id)
    assert (job["status"], job["tries"]) == ("succeeded", 2)
    assert await told(db, 1, "did") == [job_id]


async def test_a_dependency_that_is_away_is_no_failure_of_a_job(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "loses_postgres")
    async with working(db, settings.model_copy(update={"queue_max_tries": 1})):
        job = await ended(db, job_id)
    assert (job["status"], job["tries"], job["failures"]) == ("succeeded", 2, 0)


async def test_a_job_that_takes_too_long_has_failed(db: Database, settings: WorkerSettings) -> None:
    async def wait(_: RunningJob) -> None:
        await asyncio.Event().wait()

    slow = Task(name="slow", run=wait, run_again=RunAgain.WHOLE, timeout_s=0.05, max_tries=1)
    job_id = await defer(db, "slow")
    stop = asyncio.Event()
    running = asyncio.create_task(run_queue(db, settings, [slow], stop))
    job = await ended(db, job_id)
    stop.set()
    await running
    assert (job["status"], job["error"]) == ("failed", "it took longer than 0.05 s")


async def test_a_worker_that_stops_gives_back_what_it_runs(
    db: Database, settings: WorkerSettings
) -> None:
    again, never = await defer(db, "whole"), await defer(db, "never")
    async with working(db, settings):
        await told(db, 2)
    assert (await job_of(db, again))["status"] == "todo"
    job = await job_of(db, never)
    assert job["status"] == "failed"
    assert "not to happen twice" in job["error"]
    assert await db.fetchval("SELECT count(*) FROM procrastinate_workers") == 0
    await go(db)
    async with working(db, settings, "two"):
        job = await ended(db, again)
    assert (job["status"], job["tries"], job["failures"]) == ("succeeded", 2, 0)


async def test_a_job_that_is_about_to_end_is_waited_for_and_stays_the_workers_own(
    db: Database, settings: WorkerSettings
) -> None:
    patient = settings.model_copy(update={"queue_shutdown_timeout_s": 30.0})
    job_id = await defer(db, "whole")
    stop = asyncio.Event()
    tasks = TellingTasks(db, "one").all()
    running = asyncio.create_task(run_queue(db, patient, tasks, stop))
    await told(db, 1)
    stop.set()
    # Longer than a worker may be silent.
    await eventually(
        lambda: db.fetchval("SELECT now() - max(at) > '1.5 s' FROM procrastinate_events"), bool
    )
    assert await give_back_lost(db, patient, tasks) == 0
    await go(db)
    await running
    job = await job_of(db, job_id)
    assert (job["status"], job["tries"]) == ("succeeded", 1)


async def take(db: Database, task: str) -> Run:
    """Take a job as a worker does, and say no more."""
    worker = await db.fetchval("SELECT worker_id FROM procrastinate_register_worker_v1()")
    job = await db.fetchrow(
        "SELECT id, attempts FROM procrastinate_fetch_job_v2(ARRAY[$1]::varchar[], $2)",
        task,
        worker,
    )
    assert job is not None
    return Run(job["id"], worker, job["attempts"])


async def stand_still(db: Database, run: Run) -> None:
    await db.execute(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour' WHERE id = $1",
        run.worker_id,
    )


async def test_a_run_that_was_taken_over_changes_nothing(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "fenced")
    run = await take(db, "fenced")
    await queue.begin(db, run)
    tasks = TellingTasks(db, "one").all()
    assert await give_back_lost(db, settings, tasks) == 0
    await stand_still(db, run)
    assert await give_back_lost(db, settings, tasks) == 1
    other = await take(db, "fenced")
    for late in (
        queue.begin(db, run),
        queue.note_failure(db, run, "late", counts=True),
    ):
        with pytest.raises(queue.JobLostError):
            await late
    with pytest.raises(queue.JobLostError):
        async with queue.holding(db, run, ends_it=True) as connection:
            await connection.execute("INSERT INTO told (what) VALUES ('twice')")
    job = await job_of(db, job_id)
    assert (job["status"], job["done_at"], job["error"]) == ("doing", None, None)
    async with queue.holding(db, other, ends_it=True):
        pass
    assert (await job_of(db, job_id))["done_at"] is not None


async def test_nobody_takes_a_job_over_while_its_run_holds_it(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "fenced")
    run = await take(db, "fenced")
    tasks = TellingTasks(db, "one").all()
    async with queue.holding(db, run, ends_it=True):
        await stand_still(db, run)
        assert await give_back_lost(db, settings, tasks) == 0
    assert await give_back_lost(db, settings, tasks) == 1
    assert (await job_of(db, job_id))["status"] == "succeeded"


async def test_a_lost_job_of_a_task_that_a_worker_does_not_know_is_left_to_others(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "of_the_next_release")
    await stand_still(db, await take(db, "of_the_next_release"))
    assert await give_back_lost(db, settings, TellingTasks(db, "one").all()) == 0
    assert (await job_of(db, job_id))["status"] == "doing"


async def test_a_worker_that_stood_still_begins_anew_and_ends_no_job_of_another(
    db: Database, settings: WorkerSettings
) -> None:
    job_id = await defer(db, "whole")
    quick = settings.model_copy(update={"queue_heartbeat_interval_s": 0.1})
    async with working(db, quick):
        await told(db, 1)
        before = await db.fetchval("SELECT worker_id FROM procrastinate_jobs")
        await stand_still(db, Run(0, before, 0))
        # Before its next heartbeat.
        await give_back_lost(db, quick, TellingTasks(db, "one").all())
        again = await eventually(
            lambda: db.fetchval("SELECT worker_id FROM procrastinate_jobs"),
            lambda worker: worker not in {None, before},
        )
        assert again != before
        await go(db)
        job = await ended(db, job_id)
    assert (job["status"], job["tries"]) == ("succeeded", 2)


async def test_an_outage_of_the_queue_costs_no_job_and_no_worker(
    db: Database, settings: WorkerSettings
) -> None:
    patient = settings.model_copy(
        update={"queue_stalled_after_s": 20.0, "database_connect_timeout_s": 1.0}
    )
    async with relay(settings.database_url) as wire:
        # Behind a pooler the queue has a URL of its own, which is used for all of it.
        direct = patient.model_copy(update={"queue_database_url": wire.url})
        job_id = await defer(db, "whole")
        async with working(db, direct):
            await told(db, 1)
            before = await db.fetchval("SELECT worker_id FROM procrastinate_jobs")
            await wire.cut()
            with structlog.testing.capture_logs() as logs:

                async def said() -> set[str]:
                    return {line["event"] for line in logs}

                await go(db)
                await told(db, 1, "did")
                waiting = await defer(db, "whole")
                await eventually(
                    said,
                    lambda lines: (
                        {"the end of a job cannot be written", "the queue of jobs is away"} <= lines
                    ),
                    timeout_s=30,
                )
            assert (await job_of(db, job_id))["status"] == "doing"
            await wire.mend()
            assert (await ended(db, job_id, 30))["tries"] == 1
            assert (await ended(db, waiting, 30))["status"] == "succeeded"
            workers = await db.fetch("SELECT id FROM procrastinate_workers")
            assert [each["id"] for each in workers] == [before]


async def test_old_jobs_are_removed_and_others_stay(db: Database) -> None:
    old, young, waiting = [await defer(db, "whole") for _ in range(3)]
    await db.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    await db.execute("UPDATE jobs SET ended_at = now() - interval '15 days' WHERE job_id = $1", old)
    await db.execute("UPDATE jobs SET ended_at = now() WHERE job_id = $1", young)
    await db.execute(
        "UPDATE procrastinate_jobs SET status = 'todo' WHERE id ="
        " (SELECT queue_id FROM jobs WHERE job_id = $1)",
        waiting,
    )
    assert await queue_upkeep.remove_old(db, older_than_days=14, limit=10) == 1
    left = await db.fetch("SELECT job_id::text FROM jobs ORDER BY job_id")
    assert [each["job_id"] for each in left] == [young, waiting]


async def test_jobs_are_counted(db: Database) -> None:
    await defer(db, "whole")
    await defer(db, "whole", at=datetime.now(UTC) + timedelta(hours=1))
    await take(db, "whole")
    await defer(db, "whole")
    await db.execute("UPDATE jobs SET queued_at = now() - interval '1 minute'")
    counts = await queue_upkeep.count(db)
    assert counts.states == {
        "waiting": 2, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0
    }  # fmt: skip
    assert 59 < counts.oldest_waiting_s < 70
    assert await count_jobs(db) == 0
    assert REGISTRY.get_sample_value("voltaro_jobs", {"state": "waiting"}) == 2
    assert (REGISTRY.get_sample_value("voltaro_jobs_oldest_waiting_seconds") or 0) > 59
