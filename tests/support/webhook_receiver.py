"""A receiver of webhooks as a test plays it: a real HTTP server that checks, and can misbehave."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Answer:
    """What a request is answered with, and after how long."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    endless: bool = False
    """Bytes without an end follow."""
    raw: bytes | None = None
    """These instead, and then the connection is broken off."""


OK = Answer()


@dataclass(frozen=True)
class Received:
    """One request: its event, what it was answered with, and when it came."""

    webhook_id: str
    event: dict[str, Any]
    headers: dict[str, str]
    status: int
    at_s: float
    body: bytes

    @property
    def station_id(self) -> str | None:
        station_id = self.event["station_id"]
        assert station_id is None or isinstance(station_id, str)
        return station_id


@dataclass
class Receiver:
    """Answers each request as `decide` says, and keeps what it was sent.

    A request whose signature is wrong fails the test, as soon as that looks at `received`.
    """

    port: int = 0
    secrets: list[str] = field(default_factory=list)
    decide: Callable[[dict[str, Any]], Answer] = lambda _: OK
    requests: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    connections: int = 0
    in_work: int = 0
    most_in_work: int = 0
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/hooks"

    @property
    def received(self) -> list[Received]:
        assert not self.refused
        return self.requests

    @property
    def taken(self) -> list[str]:
        """The ids of what was answered with success, in the order in which it came first."""
        return list(dict.fromkeys(each.webhook_id for each in self.received if each.status < 300))

    async def start(self) -> None:
        """Listen, on the port that it had before if it had one."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break off everything, and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the other side has left, or the test stops the server
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.in_work += 1
        self.most_in_work = max(self.most_in_work, self.in_work)
        try:
            return await self._answer(headers, body, writer)
        finally:
            self.in_work -= 1

    async def _answer(
        self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, headers)
            except Exception as error:  # noqa: BLE001 - told by `received`
                self.refused.append(f"{headers['webhook-id']}: {error}")
        event = json.loads(body)
        answer = self.decide(event)
        received = Received(
            webhook_id=headers["webhook-id"],
            event=event,
            headers=headers,
            status=answer.status,
            at_s=time.monotonic(),
            body=body,
        )
        # As it came: what is answered too late was taken all the same.
        self.requests.append(received)
        await asyncio.sleep(answer.delay_s)
        if answer.raw is not None:
            writer.write(answer.raw)
            await writer.drain()
            return False
        told = {"Content-Length": str(len(answer.body)), **answer.headers}
        if answer.endless:
            told["Content-Length"] = "1000000000"
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"HTTP/1.1 {answer.status} Whatever\r\n{head}\r\n".encode() + answer.body)
        await writer.drain()
        while answer.endless:
            writer.write(b"x" * 65536)
            await writer.drain()
        return True


@asynccontextmanager
async def webhook_receiver() -> AsyncIterator[Receiver]:
    """Serve on a free port."""
    receiver = Receiver()
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
