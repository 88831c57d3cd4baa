"""The processes of one cluster: started, kept running, stopped in order."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from cli.up.child import Child, describe_end, spawn
from cli.up.errors import UpError
from cli.up.logs import bound, last_lines, rotate
from cli.up.program import Program

_LOG_CHECK_INTERVAL_S = 5.0


class Supervisor:
    """Owns every process of a cluster; `close` leaves none."""

    def __init__(
        self, logs: Path, *, say: Callable[[str], None], restarted: Callable[[], None]
    ) -> None:
        """Supervise nothing yet. Needs a running event loop.

        Args:
            logs: Directory of the log files.
            say: Takes one line about a program that died, came back, or was killed.
            restarted: Called when a program serves again under another pid.
        """
        #: Resolved with the reason once a program is given up: the cluster cannot go on.
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._logs = logs
        self._say = say
        self._restarted = restarted
        self._children: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._log_check = asyncio.create_task(self._keep_logs_bounded())
        self._log_check.add_done_callback(self._on_end)

    @property
    def pids(self) -> dict[str, int]:
        """The pid of every program that runs now, by name."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    @property
    def waiting_for(self) -> list[str]:
        """The names of those that were started and have not been ready yet."""
        return [name for name, child in self._children.items() if not child.ready.is_set()]

    async def start(self, program: Program) -> None:
        """Start a program, keep it running from now on, and return once it is ready.

        Raises:
            UpError: It does not start, however often it is tried.
        """
        log_file = self._new_log(program)
        child = Child(program, log_file, say=self._say, restarted=self._restarted)
        task = asyncio.create_task(child.keep_running())
        task.add_done_callback(self._on_end)
        self._children[program.name] = child
        self._tasks[program.name] = task
        ready = asyncio.create_task(child.ready.wait())
        try:
            await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if task.done():
            task.result()

    async def run_to_end(self, program: Program) -> None:
        """Run a program that does its work and ends.

        Raises:
            UpError: It failed.
        """
        log_file = self._new_log(program)
        process = await spawn(program, log_file)
        try:
            returncode = await process.wait()
        finally:
            if process.returncode is None:  # cancelled
                process.kill()
                await process.wait()
        if returncode != 0:
            raise UpError(
                f"{program.name} {describe_end(returncode)}. "
                f"The end of {log_file}:\n{last_lines(log_file)}"
            )

    async def stop(self, names: Iterable[str]) -> None:
        """Stop those of the named programs that were started, at the same time."""
        tasks = []
        for name in names:
            if name in self._children:
                self._children[name].request_stop()
                tasks.append(self._tasks[name])
        if tasks:
            await asyncio.wait(tasks)

    def kill(self) -> None:
        """End every program at once, without asking; `stop` or `close` then finish quickly."""
        for child in self._children.values():
            child.request_stop()
            child.kill()

    async def close(self) -> None:
        """Stop whatever still runs."""
        await self.stop(tuple(self._children))
        self._log_check.cancel()

    def _new_log(self, program: Program) -> Path:
        log_file = self._logs / f"{program.name}.log"
        rotate(log_file)
        return log_file

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self.failure.done():
            self.failure.set_result(error)

    async def _keep_logs_bounded(self) -> None:
        while True:
            await asyncio.sleep(_LOG_CHECK_INTERVAL_S)
            for log_file in self._logs.glob("*.log"):
                try:
                    await asyncio.to_thread(bound, log_file)
                except OSError as error:  # most likely the disk is full
                    self._say(f"{log_file} cannot be shortened: {error.strerror}.")
