"""A network whose link can go down without either end being told: no FIN, no RST, no ICMP."""

import asyncio
import ctypes
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

_CLONE_NEWNET = 0x40000000  # setns(2)
# Of the block for tests between networks (RFC 2544), which nobody routes.
_NEAR, _FAR, _PREFIX = "198.18.77.1", "198.18.77.2", 30


class Network(Protocol):
    """A way to a port of this machine."""

    name: str

    async def connect(self, port: int) -> socket.socket:
        """Return a TCP connection to the port."""

    def lose_link(self) -> None:
        """Lose every packet from now on, in both directions."""


class Namespace:
    """A network namespace that is joined to this one by a pair of virtual interfaces."""

    name = "network namespace, link down"

    def __init__(self, namespace: str, interface: str) -> None:
        self._namespace = namespace
        self._interface = interface

    async def connect(self, port: int) -> socket.socket:
        """Return a TCP connection from the namespace to a port that listens on every address."""
        with ThreadPoolExecutor(1) as entered:  # a thread's own, which ends with it
            return await asyncio.wrap_future(entered.submit(self._connect, port))

    def lose_link(self) -> None:
        """Take the link down."""
        _ip("link", "set", self._interface, "down")

    def _connect(self, port: int) -> socket.socket:
        with Path("/run/netns", self._namespace).open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_connection((_NEAR, port), timeout=5)


class SilentRelay:
    """Forwards to a port of this machine; for where no network namespace may be made."""

    name = "relay that drops everything"

    def __init__(self) -> None:
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, port: int) -> socket.socket:
        """Return a connection to the port by way of this relay."""
        ours, theirs = socket.socketpair()
        far = await asyncio.open_connection(sock=theirs)
        near = await asyncio.open_connection("127.0.0.1", port)
        for reader, writer in ((far[0], near[1]), (near[0], far[1])):
            self._writers.append(writer)
            self._tasks.add(asyncio.create_task(self._forward(reader, writer)))
        return ours

    def lose_link(self) -> None:
        """Read on, and forward nothing, not even an end."""
        self._lost.set()

    async def close(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if not self._lost.is_set():
                writer.write(data)
        if not self._lost.is_set():
            writer.close()


@asynccontextmanager
async def far_network() -> AsyncIterator[Network]:
    """Give a network namespace, or what comes closest where that is not permitted."""
    with _namespace() as namespace:
        if namespace is not None:
            yield namespace
            return
    relay = SilentRelay()
    try:
        yield relay
    finally:
        await relay.close()


@contextmanager
def _namespace() -> Iterator[Namespace | None]:
    name = f"voltaro-{os.getpid()}"
    near, far = f"vt{os.getpid()}n", f"vt{os.getpid()}f"
    try:
        try:
            _ip("netns", "add", name)
            _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
            _ip("addr", "add", f"{_NEAR}/{_PREFIX}", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", name, "addr", "add", f"{_FAR}/{_PREFIX}", "dev", far)
            _ip("-n", name, "link", "set", far, "up")
        except (OSError, subprocess.CalledProcessError):
            yield None
        else:
            yield Namespace(name, near)
    finally:
        for command in (("link", "delete", near), ("netns", "delete", name)):
            with suppress(OSError, subprocess.CalledProcessError):
                _ip(*command)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S607 - it is in /sbin or /usr/sbin
