"""Tasks whose jobs tell what they do, and go on when they are told to."""

from collections.abc import Awaitable, Callable

from control.jobs.tasks import GiveUpError, RunningJob, Task
from shared.domain.upkeep.jobs import RunAgain
from shared.store.pool import Database
from tests.support.eventually import eventually

TABLES = """
    CREATE TABLE told (told_id bigserial, job_id text, worker text, what text);
    CREATE TABLE go (what text);
"""
"""What the tasks say, and what they wait for."""


class TellingTasks:
    """Tasks that write down what they do.

    Args:
        db: where they write it.
        worker: which worker they are run by.
    """

    def __init__(self, db: Database, worker: str) -> None:
        self._db = db
        self._worker = worker

    def all(self) -> list[Task]:
        tasks: list[tuple[Callable[[RunningJob], Awaitable[None]], RunAgain]] = [
            (self._whole, RunAgain.WHOLE),
            (self._fenced, RunAgain.FENCED),
            (self._fenced_and_slow_to_end, RunAgain.FENCED),
            (self._never, RunAgain.NEVER),
            (self._fails, RunAgain.WHOLE),
            (self._gives_up, RunAgain.WHOLE),
            (self._loses_postgres, RunAgain.WHOLE),
            (self._fails_when_it_is_done, RunAgain.FENCED),
        ]
        return [
            Task(name=run.__name__.strip("_"), run=run, run_again=run_again)
            for run, run_again in tasks
        ]

    async def _whole(self, job: RunningJob) -> None:
        await self._tell(job, "began")
        await self._told_to_go("go")
        await self._tell(job, "did")

    async def _fenced(self, job: RunningJob) -> None:
        await self._tell(job, "began")
        await self._told_to_go("go")
        async with job.finishing() as connection:
            await connection.execute(_TELL, job.job_id, self._worker, "did")

    async def _fenced_and_slow_to_end(self, job: RunningJob) -> None:
        async with job.finishing() as connection:
            await connection.execute(_TELL, job.job_id, self._worker, "did")
        await self._tell(job, "began")  # as far as the test waits for
        await self._told_to_go("go")

    async def _fails_when_it_is_done(self, job: RunningJob) -> None:
        async with job.finishing() as connection:
            await connection.execute(_TELL, job.job_id, self._worker, "did")
        raise ValueError("nothing is to be done here any more")

    async def _never(self, job: RunningJob) -> None:
        await self._tell(job, "began")
        await self._told_to_go("go")
        await self._tell(job, "did")

    async def _fails(self, job: RunningJob) -> None:
        await self._tell(job, "began")
        raise ValueError(f"no {job.arguments['what']}")

    async def _gives_up(self, job: RunningJob) -> None:
        await self._tell(job, "began")
        raise GiveUpError("there is nothing to export")

    async def _loses_postgres(self, job: RunningJob) -> None:
        await self._tell(job, "began")
        if await self._db.fetchval("SELECT count(*) FROM told") == 1:
            raise ConnectionResetError("the network is down")

    async def _tell(self, job: RunningJob, what: str) -> None:
        await self._db.execute(_TELL, job.job_id, self._worker, what)

    async def _told_to_go(self, what: str) -> None:
        await eventually(
            lambda: self._db.fetchval("SELECT true FROM go WHERE what = $1 LIMIT 1", what),
            bool,
            timeout_s=60,
        )


_TELL = "INSERT INTO told (job_id, worker, what) VALUES ($1, $2, $3)"
