"""A small HTTP server on a loopback port that gives files and takes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class FileServer:
    """Answers each method and path as told, and keeps what was uploaded."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    received: list[tuple[str, bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *headers = head.splitlines()
        lengths = [each.split(":")[1] for each in headers if each.lower().startswith("content-len")]
        body = await reader.readexactly(int(lengths[0])) if lengths else b""
        target = request.rpartition(" ")[0]
        self.received.append((target, body))
        status, content = self.answers.get(target, (404, b""))
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        writer.write(content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def file_server() -> AsyncIterator[FileServer]:
    """Run a server that knows no file yet: set its `answers`, such as `"GET /a": (200, b"x")`."""
    files = FileServer()
    async with await asyncio.start_server(files.serve, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        files.url = f"http://{host}:{port}"
        yield files
