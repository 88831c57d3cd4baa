"""HTTP written by hand on a socket, for what no client library would send."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The name of the problem that this is, after checking that it is one."""
        assert self.headers["content-type"] == "application/problem+json"
        document = json.loads(self.body)
        assert document["status"] == self.status
        assert document["detail"]
        name: str = document["type"].removeprefix("urn:voltaro:problem:")
        return name


class RawHttp:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, *, method: str = "GET", timeout_s: float = 10) -> Answer:
        async with asyncio.timeout(timeout_s):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("ascii")
            status, *lines = head.split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
            body = await self._reader.readexactly(length)
        return Answer(int(status.split()[1]), headers, body)

    async def rest(self, *, timeout_s: float = 10) -> bytes:
        """Return what still comes until the server closes the connection."""
        async with asyncio.timeout(timeout_s):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    def stop_reading(self) -> None:
        transport: Any = self._writer.transport
        transport.pause_reading()

    def close(self) -> None:
        self._writer.transport.abort()


async def connect(url: str) -> RawHttp:
    parts = urlsplit(url)
    return RawHttp(*await asyncio.open_connection(parts.hostname, parts.port))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RawHttp]:
    connection = await connect(url)
    try:
        yield connection
    finally:
        connection.close()
