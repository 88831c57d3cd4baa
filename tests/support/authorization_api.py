"""An operator's authorization API as a test plays it: a real HTTP server that can misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class AuthorizationApi:
    """Answers each POST with `status` and `body` after `delay_s`, and keeps what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"status": "Accepted"}'
    delay_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    in_work: int = 0
    most_in_work: int = 0

    def answer(self, status: str, **more: Any) -> None:
        """Decide so from now on."""
        self.status, self.delay_s = 200, 0.0
        self.body = json.dumps({"status": status, **more}).encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:]
                self.headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines if line)
                }
                content = await reader.readexactly(int(self.headers["content-length"]))
                self.asked.append(json.loads(content))
                self.in_work += 1
                self.most_in_work = max(self.most_in_work, self.in_work)
                await asyncio.sleep(self.delay_s)
                self.in_work -= 1
                writer.write(
                    f"HTTP/1.1 {self.status} Whatever\r\n"
                    f"Content-Length: {len(self.body)}\r\n\r\n".encode()
                    + self.body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def authorization_api() -> AsyncIterator[AuthorizationApi]:
    """Serve on a free port."""
    api = AuthorizationApi()
    connections: set[asyncio.Task[None]] = set()

    def owned(
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await serve(reader, writer)
            except asyncio.CancelledError:
                pass  # by the end of the test, below
            finally:
                connections.discard(task)

        return accept

    server = await asyncio.start_server(owned(api._serve), "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/decide"
    try:
        yield api
    finally:
        server.close()
        for connection in list(connections):
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
