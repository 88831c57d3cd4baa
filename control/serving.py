"""Runs a process from its start to its orderly end, and an ASGI app inside it."""

import asyncio
import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from control.http_protocol import BoundedConfig, BoundedProtocol, Connections
from control.http_settings import HttpSettings
from shared.domain.errors import UnavailableError

log = structlog.get_logger()

_TICKS_PER_S = 10  # of uvicorn's server
_OTHER_OPEN_FILES = 128  # Postgres, Redis, the storage, what is being accepted, and spare

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
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {host}:{port} ({error.strerror}): "
            "is the port taken, and is the address one of this machine?"
        ) from error
    # Its connections have it too. asyncio sets it only on sockets that name their protocol, and
    # these do not; without it an answer's body waits 40 ms for the receipt of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    def __init__(self, config: BoundedConfig) -> None:
        super().__init__(config)
        self._connections = config.connections

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process, whose one handler also tells the calls that wait."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Look at every connection once a second."""
        if counter % _TICKS_PER_S == 0:
            self._connections.sweep()
        return await super().on_tick(counter)


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    stop: asyncio.Event,
    settings: HttpSettings,
    shutdown_timeout_s: float,
    keep_alive_s: int = 5,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve an app until `stop` is set, then let the requests in work finish.

    Args:
        app: what to serve.
        listener: where; closed at the end.
        stop: when to end.
        settings: bounds of connections.
        shutdown_timeout_s: how long requests in work may still take.
        keep_alive_s: how long an idle connection stays open.
        on_stop: called when `stop` is set, to hurry up requests that wait.
    """
    config = BoundedConfig(
        app,
        http=BoundedProtocol,
        lifespan="off",  # what the app stands on is opened by who calls this
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        # By default uvicorn believes whoever connects from this machine: we ask a setting.
        proxy_headers=False,
        timeout_keep_alive=keep_alive_s,
        # uvicorn takes whole seconds.
        timeout_graceful_shutdown=max(1, round(shutdown_timeout_s)),
    )
    config.connections = Connections(
        settings, keep_alive_s=keep_alive_s, max_open=_room_for(settings.http_max_connections)
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        await stop.wait()
        on_stop()
        server.should_exit = True


def _room_for(connections: int) -> int:
    """Return how many connections may be open, after raising the limit of open files if needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_OPEN_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning(
            "fewer connections than VOLTARO_HTTP_MAX_CONNECTIONS can be open: "
            "raise the limit of open files (ulimit -n)",
            wanted=connections,
            possible=allowed - _OTHER_OPEN_FILES,
        )
    return max(1, allowed - _OTHER_OPEN_FILES)
