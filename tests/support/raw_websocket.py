"""A WebSocket client that may break every rule: bytes out, frames in."""

import asyncio
import base64
import secrets
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.frames import Opcode

from tests.support.stations import basic_auth

_LENGTH_16, _LENGTH_64 = 126, 127


class RawWebSocket:
    """One connection after its handshake; `response` is the server's answer to that."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: str
    ) -> None:
        self.response = response
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def send_until_closed(self, frames: Iterable[bytes]) -> None:
        """Send frames for as long as the server takes them."""
        try:
            for frame in frames:
                await self.send(frame)
                # As long as little waits, `drain` does not wait at all, and whoever shares the
                # event loop, such as the server, would stand still for seconds.
                await asyncio.sleep(0)
        except ConnectionError:
            pass

    async def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and data."""
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length in {_LENGTH_16, _LENGTH_64}:
            length = int.from_bytes(await self._reader.readexactly(2 if length < 127 else 8))
        return first & 0x0F, await self._reader.readexactly(length)

    def abort(self) -> None:
        """Leave without a word."""
        self._writer.transport.abort()

    async def close_code(self) -> int:
        """Return the code that the server closes with, whatever it says before."""
        while True:
            opcode, data = await self.receive()
            if opcode == Opcode.CLOSE:
                return int.from_bytes(data[:2])


def frame(
    data: bytes,
    *,
    opcode: Opcode = Opcode.TEXT,
    fin: bool = True,
    rsv1: bool = False,
    masked: bool = True,
) -> bytes:
    """Return one frame as a client sends it, right or wrong."""
    first = fin << 7 | rsv1 << 6 | opcode
    mask_bit = masked << 7
    if len(data) < _LENGTH_16:
        header = bytes([first, mask_bit | len(data)])
    elif len(data) < 2**16:
        header = bytes([first, mask_bit | _LENGTH_16]) + len(data).to_bytes(2)
    else:
        header = bytes([first, mask_bit | _LENGTH_64]) + len(data).to_bytes(8)
    return header + (bytes(4) if masked else b"") + data  # a mask of zeros changes nothing


def deflated(data: bytes, window_bits: int = 11) -> bytes:
    """Return a message as permessage-deflate has it (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-window_bits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@asynccontextmanager
async def raw_websocket(
    url: str, station_id: str = "CP-1", *, extensions: str | None = None
) -> AsyncIterator[RawWebSocket]:
    """Connect as a registered station to `url`, which ends in `/ocpp`."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    headers = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "ocpp1.6",
        **basic_auth(station_id),
    }
    if extensions is not None:
        headers["Sec-WebSocket-Extensions"] = extensions
    lines = [f"GET {parts.path}/{station_id} HTTP/1.1", *map(": ".join, headers.items()), "", ""]
    try:
        writer.write("\r\n".join(lines).encode())
        response = (await reader.readuntil(b"\r\n\r\n")).decode()
        yield RawWebSocket(reader, writer, response)
    finally:
        writer.close()
