"""Runs `voltaro up`: from the lock on the data directory to the last process gone."""

import asyncio
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cli.up.cluster import Cluster, Options
from cli.up.data import DataDirectory, open_data_directory
from cli.up.errors import UpError
from cli.up.report import show

# Two per station in HAProxy; many shells allow only 1,024 unless asked for more.
_WANTED_OPEN_FILES = 65_536
# A start takes a few seconds; after so long its user wants to know what it waits for.
_PATIENCE_S = 10.0
# Two signals of one stop may arrive: from the terminal or `timeout`, and passed on by `make`.
_IMPATIENT_AFTER_S = 1.0


def run(options: Options) -> int:
    """Run a cluster until it is told to stop, and leave no process.

    Args:
        options: The command line.

    Returns:
        The exit code: 0 after an orderly stop, 1 when the cluster cannot run or go on.
    """
    try:
        with open_data_directory(options.data, reset=options.reset) as data:
            _raise_open_files_limit()
            asyncio.run(_serve(options, data))
    except UpError as error:
        _say(f"voltaro up: {error}")
        return 1
    except OSError as error:
        if error.filename is None:
            raise  # not about a file, so we do not know what to tell the user
        _say(
            f"voltaro up: {error.filename} cannot be used: {error.strerror}. "
            "Look at its permissions and at the room on its disk."
        )
        return 1
    return 0


async def _serve(options: Options, data: DataDirectory) -> None:
    """Start the cluster, report it, and keep it until a signal comes or it cannot go on."""
    started_at = time.monotonic()
    _say(f"Starting the cluster in {data.path}; Ctrl-C stops it.")
    cluster = Cluster(options, data, say=_say)
    stop = asyncio.Event()
    with _stop_on_signals(stop, cluster.kill):
        start = asyncio.create_task(cluster.start())
        stop_requested = asyncio.create_task(stop.wait())
        ends: set[asyncio.Future[Any]] = {stop_requested, cluster.failure}
        try:
            while not await _one_of({start, *ends}, timeout_s=_PATIENCE_S):
                names = ", ".join(cluster.waiting_for)
                _say(f"Still waiting for {names}; what they say is in {data.logs}.")
            if start.done():
                report = start.result()
                if options.json:
                    print(report.as_json(), flush=True)
                else:
                    seconds = time.monotonic() - started_at
                    show(report, station_count=options.stations, seconds=seconds)
                await _one_of(ends)
            if cluster.failure.done():
                raise cluster.failure.result()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            _say("Stopping the cluster.")
            for task in (start, stop_requested):
                task.cancel()
            await asyncio.gather(start, stop_requested, return_exceptions=True)
            await cluster.stop()


async def _one_of(waits: set[asyncio.Future[Any]], *, timeout_s: float | None = None) -> bool:
    """Wait until one of them is done, and say whether one is."""
    done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


@contextmanager
def _stop_on_signals(stop: asyncio.Event, kill: Callable[[], None]) -> Iterator[None]:
    """Let the first signal stop the cluster in order, and a later one at once."""
    loop = asyncio.get_running_loop()
    first_at: list[float] = []

    def on_signal() -> None:
        if not first_at:
            first_at.append(loop.time())
            stop.set()
        elif loop.time() - first_at[0] > _IMPATIENT_AFTER_S:
            kill()

    handled = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` wants it to be ignored
        handled.append(signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of those that ended the tasks of a start."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _raise_open_files_limit() -> None:
    """Let the programs open as many files as this user may, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(line: str) -> None:
    # Nobody may be reading any more (`voltaro up 2>&1 | head`): the cluster goes on without.
    with suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)
