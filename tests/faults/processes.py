"""Stopping processes as a debugger or a stalled machine does, and letting them go on."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.processes import descendants


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process and all it has started while the context lasts."""
    os.kill(pid, signal.SIGSTOP)  # first, so that it starts no more
    pids = [pid, *(child.pid for child in descendants(pid))]
    try:
        for each in pids:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        yield
    finally:
        for each in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
