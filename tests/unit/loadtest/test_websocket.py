"""The generator's own WebSocket, against the library that the servers use."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from loadtest.bench.websocket import (
    ConnectionEndedError,
    HandshakeRefusedError,
    StationSocket,
    encode_frame,
    open_socket,
)

TIMEOUT_S = 5.0
_PATHS_REFUSED = "/ocpp/refused"


class Server:
    """Echoes; `closes` makes it close instead, `connections` is who has come."""

    def __init__(self) -> None:
        self.url = ""
        self.closes = False
        self.connections: list[ServerConnection] = []

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for message in connection:
            if self.closes:
                await connection.close(1013, "come back later")
            else:
                await connection.send(message)


def _refuse(connection: ServerConnection, request: Request) -> Response | None:
    if request.path != _PATHS_REFUSED:
        return None
    response = connection.respond(503, "try again later\n")
    response.headers["Retry-After"] = "7"
    return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    handler = Server()
    async with serve(
        handler.handle,
        "127.0.0.1",
        0,
        process_request=_refuse,
        subprotocols=[Subprotocol("ocpp1.6"), Subprotocol("ocpp2.0.1")],
    ) as running:
        handler.url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/ocpp"
        yield handler


async def test_a_handshake_names_station_password_and_version(server: Server) -> None:
    socket = await open_socket(server.url, "CP-1", "secret")
    await socket.ask(b"hello", timeout_s=TIMEOUT_S)
    (connection,) = server.connections
    assert connection.subprotocol == "ocpp1.6"
    assert connection.request is not None
    assert connection.request.path == "/ocpp/CP-1"
    assert connection.request.headers["Authorization"] == "Basic Q1AtMTpzZWNyZXQ="
    await socket.close()


async def test_a_station_may_speak_another_version(server: Server) -> None:
    socket = await open_socket(server.url, "CP-1", subprotocol="ocpp2.0.1")
    await socket.ask(b"hello", timeout_s=TIMEOUT_S)
    (connection,) = server.connections
    assert connection.subprotocol == "ocpp2.0.1"
    await socket.close()


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_messages_of_every_length_come_back_as_they_were_sent(
    server: Server, length: int
) -> None:
    socket = await open_socket(server.url, "CP-1")
    message = b"x" * length
    assert await socket.ask(message, timeout_s=TIMEOUT_S) == message
    await socket.close()


async def test_a_refused_handshake_tells_the_status_and_when_to_come_back(server: Server) -> None:
    with pytest.raises(HandshakeRefusedError) as refusal:
        await open_socket(server.url, "refused")
    assert (refusal.value.status, refusal.value.retry_after_s) == (503, 7.0)


async def test_pings_are_answered(server: Server) -> None:
    socket = await open_socket(server.url, "CP-1")
    await socket.ask(b"hello", timeout_s=TIMEOUT_S)
    async with asyncio.timeout(TIMEOUT_S):
        await (await server.connections[0].ping())
    await socket.close()


async def test_who_waits_for_an_answer_learns_that_the_server_has_closed(server: Server) -> None:
    server.closes = True
    socket = await open_socket(server.url, "CP-1")
    with pytest.raises(ConnectionEndedError, match="CP-1 ended with 1013"):
        await socket.ask(b"hello", timeout_s=TIMEOUT_S)
    with pytest.raises(ConnectionEndedError):
        socket.send(b"more")


async def test_closing_ends_the_connection_in_order(server: Server) -> None:
    socket = await open_socket(server.url, "CP-1")
    await socket.ask(b"hello", timeout_s=TIMEOUT_S)
    await socket.close()
    await socket.close()  # once more does nothing
    await server.connections[0].wait_closed()
    assert server.connections[0].close_code == 1000


async def test_frames_are_found_however_the_bytes_are_cut() -> None:
    messages = [b"a", b"b" * 126, b"", b"c" * 65_536]
    # As a server sends them: not masked.
    stream = b"".join(_unmasked(encode_frame(0x1, message)) for message in messages)
    for size in (1, 2, 3, 7, 1000, len(stream)):
        taken: list[bytes] = []
        socket = StationSocket("CP-1", b"")
        socket.on_message = lambda _, message, taken=taken: taken.append(message)
        socket.data_received(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        for start in range(0, len(stream), size):
            socket.data_received(stream[start : start + size])
        assert taken == messages


async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    taken: list[bytes] = []
    socket = StationSocket("CP-1", b"")
    socket.on_message = lambda _, message: taken.append(message)
    socket.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r")
    socket.data_received(b"\n" + _unmasked(encode_frame(0x1, b"early")))
    assert taken == [b"early"]


def _unmasked(frame: bytes) -> bytes:
    """Return a client's frame as a server would send it: no mask bit, no key."""
    length = frame[1] & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    head = 2 + extended
    return frame[:1] + bytes((length,)) + frame[2:head] + frame[head + 4 :]
