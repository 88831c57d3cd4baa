"""What a task of the queue may be called."""

import pytest

from control.jobs.tasks import RunningJob, Task
from shared.domain.upkeep.jobs import RunAgain


async def do(_: RunningJob) -> None:
    """Do nothing."""


@pytest.mark.parametrize("name", ["", "a" * 41, "ä" * 21])
def test_a_task_whose_workers_could_not_hear_of_its_jobs_is_refused(name: str) -> None:
    # Postgres takes 63 bytes as the name of a channel, and procrastinate puts 23 before it.
    with pytest.raises(ValueError, match="40 bytes"):
        Task(name=name, run=do, run_again=RunAgain.WHOLE)


def test_a_task_may_have_a_name_of_forty_bytes() -> None:
    assert Task(name="a" * 40, run=do, run_again=RunAgain.WHOLE).max_tries is None
