"""A small CSMS on a loopback port, made of the `ocpp` package's own ChargePoint."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from ssl import SSLContext
from typing import Any

from ocpp.charge_point import ChargePoint
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call_result as result201
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


def _now() -> str:
    return datetime.now(UTC).isoformat()


class Peer(ChargePoint):  # type: ignore[misc]  # the package has no types
    """The server's side of one connection."""

    def __init__(self, station_id: str, connection: ServerConnection, csms: "Csms") -> None:
        super().__init__(station_id, connection)
        self.connection = connection
        self.csms = csms

    def status_of(self, id_token: str) -> str:
        return "Blocked" if id_token in self.csms.blocked else "Accepted"

    async def _handle_call(self, msg: Any) -> Any:
        self.csms.received.append((self.id, msg.action, msg.payload))
        self.csms.changed.set()
        if msg.action in self.csms.silent_about:
            return None
        return await super()._handle_call(msg)


class Peer16(Peer, ChargePoint16):
    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return result16.BootNotification(
            current_time=_now(), interval=self.csms.heartbeat_interval_s, status="Accepted"
        )

    @on("Heartbeat")
    def heartbeat(self) -> Any:
        return result16.Heartbeat(current_time=_now())

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return result16.StatusNotification()

    @on("Authorize")
    def authorize(self, id_tag: str) -> Any:
        return result16.Authorize(id_tag_info={"status": self.status_of(id_tag)})

    @on("StartTransaction")
    def start_transaction(self, **start: Any) -> Any:
        key = (self.id, start["connector_id"], start["timestamp"])
        transaction_id = self.csms.transactions.setdefault(key, len(self.csms.transactions) + 1)
        return result16.StartTransaction(
            transaction_id=transaction_id, id_tag_info={"status": self.status_of(start["id_tag"])}
        )

    @on("MeterValues")
    def meter_values(self, **_: Any) -> Any:
        return result16.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, **_: Any) -> Any:
        return result16.StopTransaction()


class Peer201(Peer, ChargePoint201):
    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return result201.BootNotification(
            current_time=_now(), interval=self.csms.heartbeat_interval_s, status="Accepted"
        )

    @on("Heartbeat")
    def heartbeat(self) -> Any:
        return result201.Heartbeat(current_time=_now())

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return result201.StatusNotification()

    @on("Authorize")
    def authorize(self, id_token: dict[str, str]) -> Any:
        return result201.Authorize(id_token_info={"status": self.status_of(id_token["id_token"])})

    @on("TransactionEvent")
    def transaction_event(self, id_token: dict[str, str] | None = None, **_: Any) -> Any:
        if id_token is None:
            return result201.TransactionEvent()
        return result201.TransactionEvent(
            id_token_info={"status": self.status_of(id_token["id_token"])}
        )

    @on("NotifyReport")
    def notify_report(self, **_: Any) -> Any:
        return result201.NotifyReport()

    @on("MeterValues")
    def meter_values(self, **_: Any) -> Any:
        return result201.MeterValues()


_PEERS: dict[str | None, type[Peer]] = {"ocpp1.6": Peer16, "ocpp2.0.1": Peer201}


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
        self.scheme = "ws"

    @property
    def url(self) -> str:
        assert self.server is not None
        port = next(iter(self.server.sockets)).getsockname()[1]
        return f"{self.scheme}://127.0.0.1:{port}/ocpp"

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
        kind = _PEERS.get(connection.subprotocol, Peer16)
        peer = kind(connection.request.path.rpartition("/")[2], connection, self)
        self.peers[peer.id] = peer
        try:
            await peer.start()
        except ConnectionClosed:
            self.closes.append(connection.close_code)
            self.changed.set()


@asynccontextmanager
async def running_csms(*subprotocols: str, tls: SSLContext | None = None) -> AsyncIterator[Csms]:
    """Run a CSMS that speaks 1.6, unless others are named."""
    csms = Csms()
    csms.scheme = "ws" if tls is None else "wss"
    spoken = [Subprotocol(each) for each in subprotocols or ["ocpp1.6"]]
    async with serve(
        csms.on_connection,
        "127.0.0.1",
        0,
        subprotocols=spoken,
        select_subprotocol=lambda _, offered: next(
            (each for each in spoken if each in offered), None
        ),
        process_request=csms.on_request,
        compression=None,
        ssl=tls,
    ) as server:
        csms.server = server
        yield csms
