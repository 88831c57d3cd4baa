"""A wire to a server that a test can cut and mend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """Forwards TCP connections to a server, as long as it is whole."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.answering = asyncio.Event()
        """Cleared, the server hears what is said to it, and nobody hears its answers."""
        self.answering.set()
        self.end_delay_s = 0.0
        """How much later than its last word the end of the server's stream is heard."""

    @property
    def url(self) -> str:
        """The server's URL by way of this wire."""
        credentials, at, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{credentials}{at}127.0.0.1:{self._port}").geturl()

    async def mend(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            server = await asyncio.open_connection(self._target.hostname, self._target.port)
            with suppress(asyncio.CancelledError, OSError):
                await asyncio.gather(
                    _copy_requests(reader, server[1]), self._copy_answers(server[0], writer)
                )
            server[1].close()
        finally:
            writer.close()
            self._connections.discard(task)

    async def _copy_answers(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        while data := await server.read(65_536):
            await self.answering.wait()
            client.write(data)
            await client.drain()
        if self.end_delay_s:
            await asyncio.sleep(self.end_delay_s)
        client.close()


async def _copy_requests(client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
    while data := await client.read(65_536):
        with suppress(OSError):  # whose end is not heard yet takes what is said, and is silent
            server.write(data)
            await server.drain()
    server.close()


@asynccontextmanager
async def relay(url: str) -> AsyncIterator[Relay]:
    wire = Relay(url)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.cut()
