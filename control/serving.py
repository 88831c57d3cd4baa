"""Runs a process from its start to its orderly end, and an ASGI app inside it."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from shared.domain.errors import UnavailableError

log = structlog.get_logger()

Service = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def run_process(service: Service) -> None:
    """Run a service until SIGTERM or SIGINT; exit 0 then.

    Args:
        service: runs until the event it is given is set.

    Raises:
        SystemExit: with 1, after one line in the log, if it could not start.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(service))
    except UnavailableError as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 - a sentence, no traceback
        sys.exit(1)


async def _until_signalled(service: Service) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await service(stop)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: a name or address of this machine.
        port: 0 takes any free one.

    Raises:
        UnavailableError: the port is taken, or the address is not ours.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {host}:{port} ({error.strerror}): "
            "is the port taken, and is the address one of this machine?"
        ) from error


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process, whose one handler also tells the calls that wait."""
        yield


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    stop: asyncio.Event,
    shutdown_timeout_s: float,
    keep_alive_s: int = 5,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve an app until `stop` is set, then let the requests in work finish.

    Args:
        app: what to serve.
        listener: where; closed at the end.
        stop: when to end.
        shutdown_timeout_s: how long requests in work may still take.
        keep_alive_s: how long an idle connection stays open.
        on_stop: called when `stop` is set, to hurry up requests that wait.
    """
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",  # what the app stands on is opened by who calls this
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_keep_alive=keep_alive_s,
            # uvicorn takes whole seconds.
            timeout_graceful_shutdown=max(1, round(shutdown_timeout_s)),
        )
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        await stop.wait()
        on_stop()
        server.should_exit = True
