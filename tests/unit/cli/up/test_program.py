import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.up.program import Program, launch, server_environment
from tests.support.processes import descendants, survivors

TETHER = Path(__file__).parents[4] / "cli" / "up" / "tether.py"


def program(*argv: str) -> Program:
    return Program(name="program", argv=argv, env={"PATH": os.defpath}, is_ready=lambda _pid: True)


def test_the_pid_is_the_programs_own(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = launch(program("/bin/sh", "-c", "echo $$"), log)
    assert process.wait(10) == 0
    assert (tmp_path / "log").read_text(encoding="utf-8") == f"{process.pid}\n"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = launch(program("/no/such/program"), log)
    assert process.wait(10) == 1
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert said == "/no/such/program cannot be started: No such file or directory\n"


@pytest.mark.parametrize("orphan_signal", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_dies_with_a_killed_parent(orphan_signal: signal.Signals) -> None:
    script = (
        "import os, signal, sys, time\n"
        "from cli.up.program import Program, launch\n"
        "child = Program(name='c', argv=('/bin/sh', '-c', 'echo up; exec sleep 60'), "
        "env={}, is_ready=lambda pid: True, orphan_signal=signal.Signals(int(sys.argv[1])))\n"
        "launch(child, sys.stdout.buffer)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        (sys.executable, "-c", script, str(int(orphan_signal))), stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        children = descendants(parent.pid)
        assert len(children) == 1
        parent.kill()
        assert survivors(children, timeout_s=5) == {}


def test_a_program_whose_parent_is_gone_already_is_not_started() -> None:
    not_the_parent = 1
    result = subprocess.run(
        (sys.executable, "-I", "-S", str(TETHER), str(not_the_parent), "9", "/bin/echo", "run"),
        capture_output=True,
        check=True,
    )
    assert result.stdout == b""


def test_servers_do_not_see_the_users_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    assert server_environment().keys() == {"PATH", "LC_ALL", "TZ"}
    assert server_environment()["LC_ALL"] == "C"
