"""A station's WebSocket as cheap as it can be had, so that the generator is not what is measured.

It speaks what the benchmark needs of RFC 6455 and no more: one handshake, whole text messages,
pings answered, the closing handshake. Messages are masked with a key of zeros: servers unmask them
like any others, and here nothing has to be computed.
"""

import asyncio
import base64
import secrets
import struct
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

_END_OF_HEADERS = b"\r\n\r\n"
_HTTP_PORT = 80
_SWITCHING_PROTOCOLS = 101
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_FIN = 0x80
_NO_MASK = b"\0\0\0\0"
_SHORT_MAX = 125
_EXTENDED_16, _EXTENDED_64 = 126, 127
_UINT16_MAX = 0xFFFF


class HandshakeRefusedError(Exception):
    """The server answered the handshake with something else than 101.

    Args:
        status: of the HTTP response.
        retry_after_s: what its header Retry-After says, or 0.
    """

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        super().__init__(f"the handshake was answered with {status}")
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionEndedError(Exception):
    """The connection ended while an answer was awaited."""


class StationSocket(asyncio.Protocol):
    """One connection, made by `open_socket`.

    `on_message` gets every message of the server as bytes, `on_end` is called when the connection
    ends, whoever ends it; both are to be set by who drives the socket. `sent_at_s` is room for the
    driver's clock.
    """

    __slots__ = (
        "_buffer",
        "_ended",
        "_opened",
        "_request",
        "_transport",
        "close_code",
        "on_end",
        "on_message",
        "sent_at_s",
        "station_id",
    )

    def __init__(self, station_id: str, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.station_id = station_id
        self.on_message: Callable[[StationSocket, bytes], None] = _ignore
        self.on_end: Callable[[StationSocket], None] = _ignore_end
        self.sent_at_s = 0.0
        self.close_code: int | None = None
        self._request = request
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] | None = loop.create_future()
        self._ended: asyncio.Future[None] | None = None

    async def opened(self) -> None:
        """Wait for the end of the handshake.

        Raises:
            HandshakeRefusedError: the server did not want us.
            ConnectionEndedError: the connection ended first.
        """
        if self._opened is not None:
            await self._opened
            self._opened = None

    def send(self, message: bytes) -> None:
        """Send a text message."""
        self._write(_TEXT, message)

    async def ask(self, message: bytes, *, timeout_s: float) -> bytes:
        """Send a message and return the next one of the server.

        Raises:
            ConnectionEndedError: the connection ended first.
            TimeoutError: nothing came.
        """
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def take(_: StationSocket, message: bytes) -> None:
            if not answer.done():
                answer.set_result(message)

        def end(socket: StationSocket) -> None:
            if not answer.done():
                answer.set_exception(ConnectionEndedError(socket.describe_end()))

        before = self.on_message, self.on_end
        self.on_message, self.on_end = take, end
        try:
            self.send(message)
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            self.on_message, self.on_end = before

    async def close(self) -> None:
        """End the connection at once, and wait until it is gone."""
        if self._transport is None:
            return
        self._ended = asyncio.get_running_loop().create_future()
        self.on_end = _ignore_end
        self._write(_CLOSE, struct.pack("!H", 1000))
        self._transport.close()
        await self._ended

    def ignore(self) -> None:
        """Take no interest in what comes; pings are answered all the same."""
        self.on_message, self.on_end = _ignore, _ignore_end

    def describe_end(self) -> str:
        """Say who this was and how its connection ended."""
        how = (
            "without a closing handshake" if self.close_code is None else f"with {self.close_code}"
        )
        return f"the connection of station {self.station_id} ended {how}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake's request."""
        self._transport = cast("asyncio.Transport", transport)  # TCP has no other
        self._transport.write(self._request)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        """Take what the server sent."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._opened is not None and not self._opened.done():
            end = data.find(_END_OF_HEADERS)
            if end < 0:
                self._buffer = data
                return
            self._finish_handshake(self._opened, data[:end])
            data = data[end + len(_END_OF_HEADERS) :]
        self._take_frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        del exc  # a reset and an end of file are alike here: nothing more comes
        self._transport = None
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(ConnectionEndedError(self.describe_end()))
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        self.on_end(self)

    def _finish_handshake(self, opened: "asyncio.Future[None]", head: bytes) -> None:
        status_line, *lines = head.decode("latin-1").split("\r\n")
        status = int(status_line.split(" ", 2)[1])
        if status == _SWITCHING_PROTOCOLS:
            opened.set_result(None)
            return
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        opened.set_exception(HandshakeRefusedError(status, float(headers.get("retry-after", 0))))

    def _take_frames(self, data: bytes) -> None:
        start = 0
        while True:
            frame = _find_frame(data, start)
            if frame is None:
                break
            opcode, payload_start, end = frame
            payload = data[payload_start:end]
            if opcode == _TEXT:
                self.on_message(self, payload)
            elif opcode == _PING:
                self._write(_PONG, payload)
            elif opcode == _CLOSE:
                self.close_code = struct.unpack("!H", payload[:2])[0] if payload else None
                self._write(_CLOSE, payload[:2])
                if self._transport is not None:
                    self._transport.close()
            start = end
        self._buffer = data[start:]

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._transport is None:
            raise ConnectionEndedError(self.describe_end())
        self._transport.write(encode_frame(opcode, payload))


async def open_socket(
    url: str,
    station_id: str,
    password: str | None = None,
    *,
    subprotocol: str = "ocpp1.6",
    timeout_s: float = 60.0,
) -> StationSocket:
    """Connect as a station to `url`, which ends in `/ocpp`.

    Raises:
        HandshakeRefusedError: the server did not want us.
        ConnectionEndedError: the connection ended first.
        TimeoutError: the handshake took too long.
    """
    where = urlsplit(url)
    host, port = where.hostname or "", where.port or _HTTP_PORT
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    lines = [
        f"GET {where.path}/{station_id} HTTP/1.1",
        f"Host: {where.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {subprotocol}",
    ]
    if password is not None:
        token = base64.b64encode(f"{station_id}:{password}".encode()).decode()
        lines.append(f"Authorization: Basic {token}")
    request = "\r\n".join((*lines, "", "")).encode()
    async with asyncio.timeout(timeout_s):
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda: StationSocket(station_id, request), host, port
        )
        await socket.opened()
    return socket


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame that is a whole message (RFC 6455 §5.2)."""
    length = len(payload)
    if length <= _SHORT_MAX:
        head = bytes((_FIN | opcode, 0x80 | length))
    elif length <= _UINT16_MAX:
        head = struct.pack("!BBH", _FIN | opcode, 0x80 | _EXTENDED_16, length)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, 0x80 | _EXTENDED_64, length)
    return head + _NO_MASK + payload


def _find_frame(data: bytes, start: int) -> tuple[int, int, int] | None:
    """Return opcode, begin and end of the payload of the frame at `start`, if it is all there."""
    size = len(data) - start
    if size < 2:  # noqa: PLR2004 - the shortest head
        return None
    first, length = data[start], data[start + 1]
    if not first & _FIN:
        raise NotImplementedError("a message came in several frames; no server here sends such")
    payload = start + 2
    if length == _EXTENDED_16:
        payload += 2
        length = int.from_bytes(data[start + 2 : payload])
    elif length == _EXTENDED_64:
        payload += 8
        length = int.from_bytes(data[start + 2 : payload])
    end = payload + length
    # Read from a head that is cut off, the length is wrong; but then `payload` is out of reach too.
    if payload > len(data) or end > len(data):
        return None
    return first & 0x0F, payload, end


def _ignore(_: StationSocket, __: bytes) -> None:
    """Take no interest in a message."""


def _ignore_end(_: StationSocket) -> None:
    """Take no interest in the end."""
