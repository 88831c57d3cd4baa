"""One program under supervision: started, watched, restarted, stopped."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cli.up.errors import UpError
from cli.up.logs import last_lines, open_log
from cli.up.program import Program

#: Waits before the restarts of a program that does not stay up. One failure more and it is given
#: up: what fails five times in a row fails for a reason that restarting does not mend.
RESTART_DELAYS_S = (0.2, 0.5, 1.0, 2.0)
# A program that has served for so long can start, so its failures are counted anew: somebody kills
# it, and it is brought back however often they do.
_STABLE_AFTER_S = 1.0
_READY_POLL_INTERVAL_S = 0.05


class Child:
    """A program that is to run until it is told to stop. Its one task owns its process."""

    def __init__(
        self,
        program: Program,
        log_file: Path,
        *,
        say: Callable[[str], None],
        restarted: Callable[[], None],
    ) -> None:
        """Prepare a child; `keep_running` starts it.

        Args:
            program: What to run.
            log_file: Takes its output.
            say: Takes one line about a death, a return, or a stop by force.
            restarted: Called when the program serves again under another pid.
        """
        self.ready = asyncio.Event()
        self._program = program
        self._log_file = log_file
        self._say = say
        self._restarted = restarted
        self._stop = asyncio.Event()
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The pid while it runs, else None."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    def request_stop(self) -> None:
        """Ask for an orderly stop; `keep_running` returns when it is done."""
        self._stop.set()

    def kill(self) -> None:
        """End the process and what it has started, without asking."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def keep_running(self) -> None:
        """Run the program, again whenever it dies, until a stop is requested.

        Raises:
            UpError: It failed too often in a row.
        """
        stop = asyncio.create_task(self._stop.wait())
        try:
            failures = 0
            while not stop.done():
                was_stable = await self._run_once(stop, is_restart=failures > 0)
                if stop.done():
                    return
                failures = 1 if was_stable else failures + 1
                await self._back_off(failures, stop)
        finally:
            stop.cancel()

    async def _run_once(self, stop: "asyncio.Task[bool]", *, is_restart: bool) -> bool:
        """Run the program until it ends or is to stop, and say whether it served for a while."""
        self._process = await spawn(self._program, self._log_file)
        end = asyncio.create_task(self._process.wait())
        served_s = 0.0
        if await self._becomes_ready(self._process.pid, end, stop):
            clock = asyncio.get_running_loop().time
            ready_at = clock()
            self.ready.set()
            if is_restart:
                self._say(f"{self._program.name} serves again (pid {self._process.pid}).")
                self._restarted()
            await asyncio.wait({end, stop}, return_when=asyncio.FIRST_COMPLETED)
            served_s = clock() - ready_at
        elif not end.done() and not stop.done():
            self._say(
                f"{self._program.name} (pid {self._process.pid}) is not ready after "
                f"{self._program.ready_timeout_s:g} s and is killed."
            )
            self.kill()
        if not end.done() and stop.done():
            await self._end_in_order(self._process, end)
        await end
        return served_s >= _STABLE_AFTER_S

    async def _becomes_ready(
        self, pid: int, end: "asyncio.Task[int]", stop: "asyncio.Task[bool]"
    ) -> bool:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._program.ready_timeout_s
        while not end.done() and not stop.done() and clock() < deadline:
            if await asyncio.to_thread(self._program.is_ready, pid):
                return True
            await asyncio.wait(
                {end, stop}, timeout=_READY_POLL_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED
            )
        return False

    async def _end_in_order(self, process: Process, end: "asyncio.Task[int]") -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self._program.stop_signal)
        await asyncio.wait({end}, timeout=self._program.stop_timeout_s)
        if not end.done():
            self._say(
                f"{self._program.name} (pid {process.pid}) did not stop within "
                f"{self._program.stop_timeout_s:g} s and is killed."
            )
            self.kill()

    async def _back_off(self, failures: int, stop: "asyncio.Task[bool]") -> None:
        if self._process is None or self._process.returncode is None:
            raise RuntimeError(f"{self._program.name} is to be restarted, but has not ended")
        ending = describe_end(self._process.returncode)
        if failures > len(RESTART_DELAYS_S):
            raise UpError(
                f"{self._program.name} {ending}, {failures} times in a row. "
                f"The end of {self._log_file}:\n{last_lines(self._log_file)}"
            )
        delay_s = RESTART_DELAYS_S[failures - 1]
        self._say(
            f"{self._program.name} (pid {self._process.pid}) {ending} and is started again in "
            f"{delay_s:g} s. Its log: {self._log_file}"
        )
        await asyncio.wait({stop}, timeout=delay_s)


async def spawn(program: Program, log_file: Path) -> Process:
    """Start a program in a session of its own, so that Ctrl-C in the terminal does not reach it."""
    with open_log(log_file) as log:
        return await asyncio.create_subprocess_exec(
            *program.command(),
            env=program.env,
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            start_new_session=True,
        )


def describe_end(returncode: int) -> str:
    """Say how a process ended, from its return code as `subprocess` gives it."""
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"
