import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cli.up import child as child_module
from cli.up.errors import UpError
from cli.up.program import Program
from cli.up.supervisor import Supervisor
from tests.support.eventually import eventually
from tests.support.processes import descendants, session_of, survivors


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "RESTART_DELAYS_S", (0.01, 0.02))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def restarts() -> list[None]:
    return []


@pytest.fixture
async def supervisor(
    tmp_path: Path, said: list[str], restarts: list[None]
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, say=said.append, restarted=lambda: restarts.append(None))
    yield supervisor
    supervisor.kill()
    await supervisor.close()


def shell(
    script: str,
    *,
    name: str = "program",
    is_ready: Callable[[int], bool] = lambda _pid: True,
    stop_timeout_s: float = 10.0,
    ready_timeout_s: float = 10.0,
) -> Program:
    return Program(
        name=name,
        argv=("/bin/sh", "-c", script),
        env={"PATH": os.defpath},
        is_ready=is_ready,
        stop_timeout_s=stop_timeout_s,
        ready_timeout_s=ready_timeout_s,
    )


async def test_start_returns_when_the_program_is_ready(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    sign = tmp_path / "ready"
    await supervisor.start(
        shell(f"sleep 0.2; touch {sign}; exec sleep 60", is_ready=lambda _pid: sign.exists())
    )
    assert sign.exists()
    assert supervisor.pids.keys() == {"program"}


async def test_a_program_gets_its_environment_and_nothing_else(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    await supervisor.run_to_end(shell("echo port=$PGPORT."))
    assert (tmp_path / "program.log").read_text(encoding="utf-8") == "port=.\n"


async def test_a_program_leads_a_session_of_its_own(supervisor: Supervisor) -> None:
    await supervisor.start(shell("exec sleep 60"))
    pid = supervisor.pids["program"]
    assert session_of(pid) == pid


async def test_what_dies_is_started_again(
    supervisor: Supervisor, said: list[str], restarts: list[None]
) -> None:
    await supervisor.start(shell("exec sleep 60"))
    first = supervisor.pids["program"]
    os.kill(first, signal.SIGKILL)

    async def pid() -> int | None:
        return supervisor.pids.get("program")

    second = await eventually(pid, lambda now: now not in {None, first})

    async def restart_count() -> int:
        return len(restarts)

    await eventually(restart_count, lambda count: count == 1)
    assert said[0].startswith(
        f"program (pid {first}) was ended by SIGKILL and is started again in 0.01 s."
    )
    assert said[1] == f"program serves again (pid {second})."


async def test_what_never_stays_up_is_given_up_with_its_last_words(
    supervisor: Supervisor, said: list[str]
) -> None:
    program = shell("echo trouble; exit 3", is_ready=lambda _pid: False)
    with pytest.raises(UpError) as failure:
        await supervisor.start(program)
    assert str(failure.value).startswith("program ended with exit code 3, 3 times in a row.")
    assert str(failure.value).endswith("trouble\ntrouble\ntrouble")
    assert len(said) == 2
    assert supervisor.failure.result() is failure.value


async def test_a_program_that_crashes_after_it_was_ready_is_given_up_as_well(
    supervisor: Supervisor,
) -> None:
    await supervisor.start(shell("sleep 0.1; exit 1"))
    async with asyncio.timeout(10):
        assert "3 times in a row" in str(await supervisor.failure)


async def test_serving_for_a_while_forgives_earlier_failures(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(child_module, "_STABLE_AFTER_S", 0.05)
    await supervisor.start(shell("sleep 0.1; exit 1"))
    async with asyncio.timeout(10):
        while len(said) < 10:  # noqa: ASYNC110 - a plain list is all there is to look at
            await asyncio.sleep(0.01)
    assert not supervisor.failure.done()


async def test_what_is_not_ready_in_time_counts_as_failed(
    supervisor: Supervisor, said: list[str]
) -> None:
    program = shell("exec sleep 60", is_ready=lambda _pid: False, ready_timeout_s=0.1)
    with pytest.raises(UpError, match="was ended by SIGKILL, 3 times"):
        await supervisor.start(program)
    assert "is not ready after 0.1 s and is killed" in said[0]


async def test_stop_lets_a_program_finish(supervisor: Supervisor, tmp_path: Path) -> None:
    program = shell("trap 'echo finished; exit 0' TERM; echo started; while :; do sleep 0.01; done")
    log = tmp_path / "program.log"
    await supervisor.start(program)
    await eventually(lambda: asyncio.to_thread(log.read_text), lambda text: "started" in text)
    await supervisor.stop(["program"])
    assert log.read_text(encoding="utf-8") == "started\nfinished\n"
    assert supervisor.pids == {}


async def test_what_does_not_stop_in_time_is_killed_with_what_it_started(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    program = shell(
        "trap '' TERM; echo started; sleep 60 & while :; do sleep 0.01; done", stop_timeout_s=0.1
    )
    log = tmp_path / "program.log"
    await supervisor.start(program)
    await eventually(lambda: asyncio.to_thread(log.read_text), lambda text: "started" in text)
    processes = descendants(supervisor.pids["program"])
    assert len(processes) >= 1
    await supervisor.stop(["program"])
    assert survivors(processes, timeout_s=1) == {}
    assert "did not stop within 0.1 s and is killed" in said[0]


async def test_stop_does_not_wait_for_the_next_attempt(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(child_module, "RESTART_DELAYS_S", (60.0,))
    await supervisor.start(shell("sleep 0.1; exit 1"))
    async with asyncio.timeout(5):
        while not said:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        await supervisor.stop(["program"])


async def test_a_failing_one_time_program_tells_its_last_words(supervisor: Supervisor) -> None:
    with pytest.raises(UpError, match=r"program ended with exit code 1\. .*\n.*no such table"):
        await supervisor.run_to_end(shell("echo no such table; exit 1"))


async def test_the_log_of_the_last_run_is_kept_beside(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    await supervisor.run_to_end(shell("echo first"))
    await supervisor.run_to_end(shell("echo second"))
    assert (tmp_path / "program.log").read_text(encoding="utf-8") == "second\n"
    assert (tmp_path / "program.log.1").read_text(encoding="utf-8") == "first\n"
