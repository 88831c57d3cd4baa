"""Looks at processes from outside, to tell whether any is left."""

import time
from dataclasses import dataclass
from pathlib import Path

# Fields of /proc/PID/stat after the command name, which ends with the last parenthesis; proc(5).
_STATE, _PARENT, _SESSION, _START_TIME = 0, 1, 3, 19


@dataclass(frozen=True)
class ProcessId:
    """A process; its start tells it from a later one with the same pid."""

    pid: int
    start: str


def descendants(pid: int) -> set[ProcessId]:
    """Return every process that `pid` has started, directly or not."""
    children: dict[int, list[ProcessId]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(directory.name))
        if stat is not None:
            child = ProcessId(int(directory.name), stat[_START_TIME])
            children.setdefault(int(stat[_PARENT]), []).append(child)
    found: set[ProcessId] = set()
    parents = [pid]
    while parents:
        for child in children.get(parents.pop(), []):
            found.add(child)
            parents.append(child.pid)
    return found


def session_of(pid: int) -> int:
    """Return the session a process belongs to."""
    stat = _stat(pid)
    assert stat is not None, f"there is no process {pid}"
    return int(stat[_SESSION])


def is_alive(process: ProcessId) -> bool:
    """Say whether a process still runs; one that only waits to be reaped does not."""
    stat = _stat(process.pid)
    return stat is not None and stat[_START_TIME] == process.start and stat[_STATE] not in "ZX"


def survivors(processes: set[ProcessId], *, timeout_s: float) -> dict[int, str]:
    """Wait for processes to end; return those that have not, with their command lines."""
    deadline = time.monotonic() + timeout_s
    while (alive := {each for each in processes if is_alive(each)}) and time.monotonic() < deadline:
        time.sleep(0.02)
    return {each.pid: _command_line(each.pid) for each in alive}


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
