"""A small CSMS on a loopback port, made of the `ocpp` package's own ChargePoint."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import AuthorizationStatus, RegistrationStatus
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


def _now() -> str:
    return datetime.now(UTC).isoformat()


class Peer(ChargePoint):
    """The server's side of one connection."""

    def __init__(self, station_id: str, connection: ServerConnection, csms: "Csms") -> None:
        super().__init__(station_id, connection)
        self.connection = connection
        self.csms = csms

    @on("BootNotification")
    def boot(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification(
            current_time=_now(),
            interval=self.csms.heartbeat_interval_s,
            status=RegistrationStatus.accepted,
        )

    @on("Heartbeat")
    def heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=_now())

    @on("StatusNotification")
    def status(self, **_: Any) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, id_tag: str) -> call_result.Authorize:
        return call_result.Authorize(id_tag_info=self._info(id_tag))

    @on("StartTransaction")
    def start_transaction(self, **start: Any) -> call_result.StartTransaction:
        key = (self.id, start["connector_id"], start["timestamp"])
        transaction_id = self.csms.transactions.setdefault(key, len(self.csms.transactions) + 1)
        return call_result.StartTransaction(
            transaction_id=transaction_id, id_tag_info=self._info(start["id_tag"])
        )

    @on("MeterValues")
    def meter_values(self, **_: Any) -> call_result.MeterValues:
        return call_result.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, **_: Any) -> call_result.StopTransaction:
        return call_result.StopTransaction()

    def _info(self, id_tag: str) -> IdTagInfo:
        known = id_tag not in self.csms.blocked
        status = AuthorizationStatus.accepted if known else AuthorizationStatus.blocked
        return IdTagInfo(status=status)

    async def _handle_call(self, msg: Any) -> Any:
        self.csms.received.append((self.id, msg.action, msg.payload))
        self.csms.changed.set()
        if msg.action in self.csms.silent_about:
            return None
        return await super()._handle_call(msg)


class Csms:
    """What the server knows, and how it is to behave."""

    def __init__(self) -> None:
        self.heartbeat_interval_s = 60
        self.password: str | None = None
        self.blocked: set[str] = set()
        self.silent_about: set[str] = set()
        self.refuse: Callable[[ServerConnection], Response | None] = lambda _: None
        #: Cleared, handshakes hang.
        self.open = asyncio.Event()
        self.open.set()
        self.changed = asyncio.Event()
        self.handshakes = 0
        self.closes: list[int | None] = []
        #: (station, action, payload) of every CALL.
        self.received: list[tuple[str, str, dict[str, Any]]] = []
        self.transactions: dict[tuple[str, int, str], int] = {}
        self.peers: dict[str, Peer] = {}
        self.server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        port = next(iter(self.server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/ocpp"

    def payloads(self, action: str) -> list[dict[str, Any]]:
        return [payload for _, each, payload in self.received if each == action]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what has been received and closed."""
        async with asyncio.timeout(5):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        await self.open.wait()
        if (response := self.refuse(connection)) is not None:
            return response
        if self.password is not None:
            scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
            expected = f"{request.path.rpartition('/')[2]}:{self.password}"
            if scheme != "Basic" or b64decode(pair).decode() != expected:
                return connection.respond(HTTPStatus.UNAUTHORIZED, "who are you?\n")
        return None

    async def on_connection(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        peer = Peer(connection.request.path.rpartition("/")[2], connection, self)
        self.peers[peer.id] = peer
        try:
            await peer.start()
        except ConnectionClosed:
            self.closes.append(connection.close_code)
            self.changed.set()


@asynccontextmanager
async def running_csms(*, subprotocol: str = "ocpp1.6") -> AsyncIterator[Csms]:
    csms = Csms()
    async with serve(
        csms.on_connection,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(subprotocol)],
        select_subprotocol=lambda _, offered: subprotocol if subprotocol in offered else None,
        process_request=csms.on_request,
        compression=None,
    ) as server:
        csms.server = server
        yield csms
