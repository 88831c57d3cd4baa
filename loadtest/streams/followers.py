"""Clients that follow events and note when each came, cheap enough to be thousands."""

import asyncio
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

_OPENED = b"event: stream.opened"
_ENDED = b"event: stream.ended"
_PROBE = re.compile(rb'"probe":(\d+)')
_OPENED_AT_ONCE = 50
_OPEN_TIMEOUT_S = 60.0
_STUCK_RECEIVE_BYTES = 16_384


class Follower(asyncio.Protocol):
    """One client.

    Attributes:
        came_at: of each probe, when it came, by the clock of `time.perf_counter`; in their order.
        probes: which.
        ended: whether the stream has said why it ends.
    """

    def __init__(self, *, stuck: bool) -> None:
        self.probes: list[int] = []
        self.came_at: list[float] = []
        self.ended = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stuck = stuck
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        # uvloop's is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Note what came; one that is stuck takes its beginning and nothing more."""
        now = time.perf_counter()
        text = self._rest + data
        if not self.opened.done() and _OPENED in text:
            self.opened.set_result(None)
            if self._stuck and self._transport is not None:
                self._transport.pause_reading()
        for found in _PROBE.finditer(text):
            self.probes.append(int(found[1]))
            self.came_at.append(now)
        self.ended = self.ended or _ENDED in text
        self._rest = text[text.rfind(b"\n") + 1 :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so to whoever waits for the stream to open."""
        if not self.opened.done():
            self.opened.set_exception(
                exc or ConnectionError(f"no stream was opened: {self._rest[-500:]!r}")
            )

    def read_on(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


async def follow(
    url: str, api_key: str, count: int, *, query: str = "", stuck: bool = False
) -> list[Follower]:
    """Open streams, and return when each has begun.

    Args:
        url: of the API.
        api_key: what opens it.
        count: how many.
        query: of each, such as `type=station.online`.
        stuck: whether they stop reading once they are open.

    Raises:
        OSError: one was refused.
        TimeoutError: it took too long.
    """
    _allow_open_files(count)
    parts = urlsplit(url)
    request = (
        f"GET /v1/events/stream?{query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {api_key}\r\nAccept: text/event-stream\r\n\r\n"
    ).encode()
    turns = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open_one() -> Follower:
        async with turns:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            if stuck:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STUCK_RECEIVE_BYTES)
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, (parts.hostname or "", parts.port or 80))
            transport, follower = await loop.create_connection(
                lambda: Follower(stuck=stuck), sock=connection
            )
            transport.write(request)
            await follower.opened
            return follower

    async with asyncio.timeout(_OPEN_TIMEOUT_S):
        return list(await asyncio.gather(*(open_one() for _ in range(count))))


@contextmanager
def leaving(followers: list[Follower]) -> Iterator[list[Follower]]:
    """Have them leave at the end of the context."""
    try:
        yield followers
    finally:
        for each in followers:
            each.close()


def _allow_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 512
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
