"""A program the local cluster runs: how to start it, when it is ready, how to stop it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_TETHER = Path(__file__).with_name("tether.py")


@dataclass(frozen=True, kw_only=True)
class Program:
    """One server or service, before it is started.

    Attributes:
        name: Its name in messages, in `pids` and of its log file.
        argv: The command line.
        env: The whole environment; nothing is inherited.
        is_ready: Says of the process with the given pid whether it serves. Called again and again
            while the program starts, so it must answer within about a second and not raise.
        stop_signal: Asks for an orderly stop.
        stop_timeout_s: How long an orderly stop may take before SIGKILL, in seconds.
        orphan_signal: What the kernel sends when the process that started it dies.
        ready_timeout_s: How long it may take to become ready, in seconds.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    is_ready: Callable[[int], bool] = field(repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL
    ready_timeout_s: float = 60.0

    def command(self) -> tuple[str, ...]:
        """Return the command line that ties the program to the process calling this."""
        return tethered(self.argv, self.orphan_signal)


def tethered(argv: Sequence[str], orphan_signal: signal.Signals) -> tuple[str, ...]:
    """Return the command line that ties a program to the process calling this.

    Args:
        argv: The program's own command line.
        orphan_signal: What the kernel sends it when this process dies.
    """
    tether = (sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()))
    return (*tether, str(int(orphan_signal)), *argv)


def launch(program: Program, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C in the terminal does not reach it.

    Args:
        program: What to start.
        log: Takes its standard output and standard error.

    Returns:
        The process; its pid stays the program's own, as every step in between is an exec.
    """
    return subprocess.Popen(
        program.command(),
        env=program.env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def server_environment() -> dict[str, str]:
    """Return a small environment for servers that are not ours.

    A `PGPORT` or an `LC_ALL` in the user's shell must not change how they behave.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
