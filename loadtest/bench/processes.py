"""What processes have used, as the kernel accounts for it."""

import os
from contextlib import suppress

import psutil


def cpu_s(pid: int) -> float:
    """Return the processor time of one process in seconds."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def family_cpu_s(pid: int) -> float:
    """Return the processor time of a process and of all it has started, ended ones included.

    Postgres is such a family: a postmaster and one process per connection.
    """
    parent = psutil.Process(pid)
    while True:
        members = {parent, *parent.children(recursive=True)}
        total = 0.0
        for member in members:
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        # One that ended in between would be counted twice or not at all.
        if {parent, *parent.children(recursive=True)} == members:
            return total


class Bystanders:
    """What other programs use while this process and those it has started measure something."""

    def __init__(self) -> None:
        self._before = self._now()

    def share(self) -> float:
        """Return their share of all processors since this object was made."""
        busy_s, total_s, ours_s = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )
        return max(0.0, busy_s - ours_s) / total_s

    @staticmethod
    def _now() -> tuple[float, float, float]:
        ours_s = family_cpu_s(os.getpid())
        times = psutil.cpu_times()
        # `guest` is in `user` as well; nothing waits for a disk at the cost of a processor.
        total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total_s - times.idle - getattr(times, "iowait", 0.0), total_s, ours_s


def unique_memory_bytes(pid: int) -> int:
    """Return the memory that belongs to one process alone (USS)."""
    return int(psutil.Process(pid).memory_full_info().uss)
