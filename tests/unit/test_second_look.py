import subprocess
import sys
from pathlib import Path

import pytest

# Fails until it has run as often as said.
TESTS = """
from pathlib import Path

def test_it():
    runs = Path("runs")
    runs.write_text(str(int(runs.read_text()) + 1 if runs.exists() else 1))
    assert int(runs.read_text()) >= {needed}

def test_of_many():
    assert not {broken}

def test_of_many_more():
    assert not {broken}

def test_of_still_more():
    assert not {broken}
"""


def look(folder: Path, *, needed: int, broken: bool) -> subprocess.CompletedProcess[str]:
    (folder / "test_unsteady.py").write_text(TESTS.format(needed=needed, broken=broken))
    argv = [sys.executable, "-P", "-m", "tests.second_look", "-q", "-p", "no:xdist"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("needed", "broken", "code", "runs", "words"),
    [
        (1, False, 0, 1, "4 passed"),
        (2, False, 0, 2, "Failed beside the others and passed alone, to be mended:"),
        (3, False, 1, 2, "1 failed"),
        (2, True, 1, 1, "4 failed"),
    ],
    ids=["all well", "unsteady", "broken", "too many"],
)
def test_what_failed_is_run_once_more_alone(
    tmp_path: Path, *, needed: int, broken: bool, code: int, runs: int, words: str
) -> None:
    looked = look(tmp_path, needed=needed, broken=broken)
    assert looked.returncode == code, looked.stdout
    assert (tmp_path / "runs").read_text() == str(runs)
    assert words in looked.stdout
    assert looked.stdout.count("passed alone, to be mended") == (needed == 2 and not broken)
