"""Workers that are killed with jobs in their hands: every job is finished, none twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from cli.up.ports import free_ports
from shared.store import queue
from shared.store.pool import Database
from tests.support.eventually import eventually
from tests.support.queue_tasks import TABLES

_HEARTBEAT_S, _STALLED_AFTER_S = 0.5, 2.0
# What is promised of the defaults, under which a dead worker is found ten times later.
_WITHIN_S = 60.0


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "VOLTARO_DATABASE_URL": database_url,
        "VOLTARO_REDIS_URL": redis_url,
        "VOLTARO_MANAGEMENT_HOST": "127.0.0.1",
        "VOLTARO_QUEUE_CONCURRENCY": "20",
        "VOLTARO_QUEUE_HEARTBEAT_INTERVAL_S": str(_HEARTBEAT_S),
        "VOLTARO_QUEUE_STALLED_AFTER_S": str(_STALLED_AFTER_S),
        "VOLTARO_LOST_JOBS_INTERVAL_S": "0.5",
        "VOLTARO_QUEUE_SHUTDOWN_TIMEOUT_S": "0.5",
        "VOLTARO_DATABASE_POOL_SIZE": "10",
    }


@asynccontextmanager
async def worker(
    environment: dict[str, str], name: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker as a process of its own."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c"),
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "import runpy; runpy.run_module('tests.support.queue_worker', run_name='__main__')",
        str(Path.cwd()),
        name,
        env={**environment, "VOLTARO_MANAGEMENT_PORT": str(port)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def living(db: Database, count: int) -> None:
    """Wait until so many workers are known."""
    await eventually(
        lambda: db.fetchval("SELECT count(*) FROM procrastinate_workers"),
        lambda workers: workers == count,
        timeout_s=60,
    )


async def defer_all(db: Database, tasks: list[str]) -> dict[str, list[str]]:
    jobs: dict[str, list[str]] = {}
    async with db.acquire() as connection, connection.transaction():
        for task in tasks:
            job_id = await queue.defer(connection, task, {})
            assert job_id is not None
            jobs.setdefault(task, []).append(job_id)
    return jobs


async def told(db: Database) -> list[tuple[str, str, str]]:
    records = await db.fetch("SELECT job_id, worker, what FROM told ORDER BY told_id")
    return [(each["job_id"], each["worker"], each["what"]) for each in records]


async def states(db: Database) -> dict[str, tuple[str, int, str | None]]:
    records = await db.fetch(
        """
        SELECT job_id::text, status::text, tries, error FROM jobs
        JOIN procrastinate_jobs ON id = queue_id
        """
    )
    return {each["job_id"]: (each["status"], each["tries"], each["error"]) for each in records}


async def all_ended(db: Database) -> dict[str, tuple[str, int, str | None]]:
    return await eventually(
        lambda: states(db),
        lambda jobs: all(status not in {"todo", "doing"} for status, _, _ in jobs.values()),
        timeout_s=60,
    )


async def test_jobs_of_a_killed_worker_are_finished_by_another_and_none_twice(
    db: Database, environment: dict[str, str]
) -> None:
    await db.execute(TABLES)
    tasks = ["whole", "fenced", "fenced_and_slow_to_end", "never"]
    async with worker(environment, "killed") as killed:
        jobs = await defer_all(db, 3 * tasks)
        await eventually(
            lambda: told(db),
            lambda said: sum(what == "began" for _, _, what in said) == 12,
            timeout_s=60,
        )
        async with worker(environment, "other") as other:
            await living(db, 2)
            killed.kill()
            await killed.wait()
            killed_at = monotonic()
            await db.execute("INSERT INTO go VALUES ('go')")
            ended = await all_ended(db)
            took_s = monotonic() - killed_at
            assert other.returncode is None
    print(f"\n12 jobs of a killed worker have ended after {took_s:.1f} s")  # noqa: T201 - a figure
    assert killed.returncode == -signal.SIGKILL
    said = await told(db)

    def done(job_id: str) -> list[str]:
        return [worker for job, worker, what in said if job == job_id and what == "did"]

    for job_id in (*jobs["whole"], *jobs["fenced"]):
        assert ended[job_id][:2] == ("succeeded", 2)
        assert done(job_id) == ["other"]
    for job_id in jobs["fenced_and_slow_to_end"]:
        # What it does was committed with the word that it is done.
        assert ended[job_id][:2] == ("succeeded", 1)
        assert done(job_id) == ["killed"]
    for job_id in jobs["never"]:
        status, tries, error = ended[job_id]
        assert (status, tries, done(job_id)) == ("failed", 1, [])
        assert "not to happen twice" in (error or "")
    assert took_s < _WITHIN_S


async def test_a_worker_that_stood_still_finds_its_jobs_gone(
    db: Database, environment: dict[str, str]
) -> None:
    await db.execute(TABLES)
    async with worker(environment, "still") as still:
        jobs = await defer_all(db, ["fenced"] * 3)
        await eventually(lambda: told(db), lambda said: len(said) == 3, timeout_s=60)
        async with worker(environment, "other"):
            still.send_signal(signal.SIGSTOP)
            await eventually(lambda: told(db), lambda said: len(said) == 6, timeout_s=60)
            # Both run each of them now, and go on at once.
            await db.execute("INSERT INTO go VALUES ('go')")
            still.send_signal(signal.SIGCONT)
            ended = await all_ended(db)
            # It works on under another id.
            await living(db, 2)
    said = await told(db)
    for job_id in jobs["fenced"]:
        assert ended[job_id][0] == "succeeded"
        assert [what for job, _, what in said if job == job_id].count("did") == 1


async def test_many_workers_share_the_jobs(db: Database, environment: dict[str, str]) -> None:
    await db.execute(TABLES)
    few = {**environment, "VOLTARO_QUEUE_CONCURRENCY": "2"}
    async with worker(few, "one"), worker(few, "two"), worker(few, "three"):
        await living(db, 3)
        jobs = await defer_all(db, ["fenced"] * 60)
        # Each has both its hands full: no more than six run, whoever has come first.
        await eventually(lambda: told(db), lambda said: len(said) == 6, timeout_s=60)
        assert len({name for _, name, _ in await told(db)}) == 3
        await db.execute("INSERT INTO go VALUES ('go')")
        ended = await all_ended(db)
    assert {ended[job_id][:2] for job_id in jobs["fenced"]} == {("succeeded", 1)}
    done: dict[str, Any] = {}
    for job_id, name, what in await told(db):
        if what == "did":
            done.setdefault(job_id, []).append(name)
    assert all(len(names) == 1 for names in done.values())
    assert len(done) == 60


async def test_a_worker_that_is_asked_to_stop_gives_its_jobs_back_and_ends(
    db: Database, environment: dict[str, str]
) -> None:
    await db.execute(TABLES)
    async with worker(environment, "one") as stopped:
        jobs = await defer_all(db, ["whole", "never"])
        await eventually(lambda: told(db), lambda said: len(said) == 2, timeout_s=60)
        stopped.terminate()
        assert await asyncio.wait_for(stopped.wait(), 30) == 0
    now = await states(db)
    assert now[jobs["whole"][0]][:2] == ("todo", 1)
    assert now[jobs["never"][0]][:2] == ("failed", 1)
    assert await db.fetchval("SELECT count(*) FROM procrastinate_workers") == 0
