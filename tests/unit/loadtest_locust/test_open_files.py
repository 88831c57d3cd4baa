"""The limit of open files is raised as far as it must be, and no further than it may be."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from loadtest.locust.open_files import make_room
soft, hard, stations = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(make_room(stations), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "stations", "answer"),
    [
        (500, 2000, 10, "True 500 2000"),
        (500, 2000, 100, "True 600 2000"),
        (500, 2000, 1000, "False 2000 2000"),
    ],
)
def test_room_is_made(soft: int, hard: int, stations: int, answer: str) -> None:
    # In a process of its own, as a limit that was lowered stays low.
    arguments = [str(each) for each in (soft, hard, stations)]
    result = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == answer
