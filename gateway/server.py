"""The door: handshakes, and the connections that came of them."""

import asyncio
import http
import secrets
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.authentication import Authenticator
from gateway.connection import StationConnection
from gateway.handlers import ConnectedStation, Services
from gateway.ocpp16 import PROTOCOL as OCPP16
from gateway.ocpp201 import PROTOCOL as OCPP201
from gateway.ownership import Claims
from gateway.routing import Protocol
from gateway.settings import GatewaySettings
from shared.bus.streams import CloseConnection, PodRequestSender
from shared.domain.errors import InvalidInputError, UnavailableError
from shared.domain.stations import (
    Connection,
    Credentials,
    RegistrationStatus,
    SecurityProfile,
    check_station_id,
)
from shared.telemetry import metrics

log = structlog.get_logger()

PROTOCOLS: dict[str, Protocol] = {protocol.subprotocol: protocol for protocol in (OCPP201, OCPP16)}
"""Every version by its subprotocol, the best one first."""

_PATH_PREFIX = "/ocpp/"
_RETRY_AFTER_S = 5
_PING_OLD_TIMEOUT_S = 5.0
_CLOSE_AT_ONCE = 100
_SHARE_FOR_AUTHENTICATION = 0.7


class StationSocket(ServerConnection):
    """A WebSocket whose handshake found out who is there."""

    credentials: Credentials


class OcppServer:
    """Lets stations in and holds their connections.

    Args:
        settings: addresses, limits and time-outs.
        pod_id: who we are.
        authenticator: checks who is there.
        services: what handlers may use.
        claims: claims stations for connections, and lets go of them.
        sender: asks other pods to close what is theirs no more.
    """

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        pod_id: str,
        authenticator: Authenticator,
        services: Services,
        claims: Claims,
        sender: PodRequestSender,
    ) -> None:
        self._settings = settings
        self._pod_id = pod_id
        self._authenticator = authenticator
        self._services = services
        self._claims = claims
        self._sender = sender
        self._connections: dict[str, StationConnection] = {}
        self._open_sockets = 0
        self._draining = False
        self._closing: set[asyncio.Task[None]] = set()

    def get(self, station_id: str) -> StationConnection | None:
        """Return the connection this pod holds of a station."""
        return self._connections.get(station_id)

    def all(self) -> list[StationConnection]:
        """Return every connection this pod holds."""
        return list(self._connections.values())

    def serve(self) -> Server:
        """Return the server, to be entered as an asynchronous context."""
        settings = self._settings
        return serve(
            self._handle,
            settings.ocpp_host,
            settings.ocpp_port,
            process_request=self._process_request,  # type: ignore[arg-type]  # ours are StationSockets
            select_subprotocol=_select_subprotocol,
            create_connection=StationSocket,
            # Only for who asks (2.0.1 requires that), with a window of 2 KiB: memory is the limit
            # of how many stations a pod holds. `max_size` bounds what comes out of it.
            compression=None,
            extensions=[
                ServerPerMessageDeflateFactory(
                    server_max_window_bits=11,
                    client_max_window_bits=11,
                    compress_settings={"memLevel": 4},
                )
            ],
            server_header=None,
            open_timeout=settings.handshake_timeout_s,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            close_timeout=settings.close_timeout_s,
            max_size=settings.max_message_bytes,
        )

    async def drain(self) -> None:
        """Let nobody in any more, answer what was read, and close every connection.

        Stations are told 1012 (service restart) and come back to another pod.
        """
        self._draining = True
        slots = asyncio.Semaphore(_CLOSE_AT_ONCE)

        async def drain(connection: StationConnection) -> None:
            async with slots:
                await connection.drain(CloseCode.SERVICE_RESTART, "this pod is stopping")

        await asyncio.gather(*map(drain, self.all()))

    def close_all(self, code: int, reason: str) -> None:
        """Close every connection without waiting for it."""
        for connection in self.all():
            self._close_soon(connection, code, reason)

    async def announce(self, connection: StationConnection) -> None:
        """Announce in Redis that we own a station, and close what this makes stale.

        Raises:
            UnavailableError: Redis did not answer; the lease keeper tries again.
        """
        ownership = connection.station.ownership
        if self._connections.get(ownership.station_id) is not connection:
            return
        claim = await self._claims.announce(ownership)
        connection.announced = True
        if self._connections.get(ownership.station_id) is not connection:
            # It ended meanwhile, and its release may have come before the claim.
            await self._claims.withdraw(ownership)
        elif not claim.claimed:
            metrics.claims_lost.inc()
            self._close_soon(
                connection, CloseCode.POLICY_VIOLATION, "a newer connection has replaced this one"
            )
        elif claim.other_pod_id not in (None, self._pod_id):
            await self._sender.send(
                claim.other_pod_id, CloseConnection(ownership.station_id, ownership.epoch - 1)
            )

    async def _process_request(self, socket: StationSocket, request: Request) -> Response | None:
        response = await self._check(socket, request)
        status = response.status_code if response else http.HTTPStatus.SWITCHING_PROTOCOLS
        metrics.handshakes.labels(str(int(status))).inc()
        return response

    async def _check(self, socket: StationSocket, request: Request) -> Response | None:
        """Return why this station may not come in, or None if it may."""
        path = urlsplit(request.path).path
        if not path.startswith(_PATH_PREFIX):
            return socket.respond(
                http.HTTPStatus.NOT_FOUND, f"stations connect to {_PATH_PREFIX}<station id>\n"
            )
        try:
            station_id = check_station_id(unquote(path.removeprefix(_PATH_PREFIX)))
        except InvalidInputError as error:
            return socket.respond(http.HTTPStatus.BAD_REQUEST, f"{error}\n")
        if reason := self._busy():
            return _try_again_later(socket, reason)
        return await self._authenticate(socket, station_id, request)

    async def _authenticate(
        self, socket: StationSocket, station_id: str, request: Request
    ) -> Response | None:
        # An answer in time: at the handshake's own end the socket would close without one.
        timeout_s = _SHARE_FOR_AUTHENTICATION * self._settings.handshake_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                credentials = await self._authenticator.authenticate(
                    station_id, request.headers.get("Authorization")
                )
        except TimeoutError:
            return _try_again_later(socket, "too many stations are coming in at the same time")
        except Exception:
            # Whatever it is, a station that is refused with 503 comes back with its messages.
            log.exception("a station could not be authenticated", station_id=station_id)
            return _try_again_later(socket, "the database is away")
        if credentials is None:
            response = socket.respond(
                http.HTTPStatus.UNAUTHORIZED,
                "unknown station, wrong password, or a user name that is not the station id\n",
            )
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
            return response
        socket.credentials = credentials
        return None

    def _busy(self) -> str | None:
        if self._draining:
            return "this pod is stopping"
        if not self._services.ingest.available:
            return "the database is away"
        if self._open_sockets >= self._settings.max_connections:
            return "this pod holds as many stations as it may"
        return None

    async def _handle(self, socket: ServerConnection) -> None:
        """Live one connection through, from the end of its handshake."""
        if not isinstance(socket, StationSocket):
            raise TypeError("the server makes StationSockets")
        self._open_sockets += 1
        try:
            await self._handle_station(socket)
        finally:
            self._open_sockets -= 1

    async def _handle_station(self, socket: StationSocket) -> None:
        protocol = PROTOCOLS.get(socket.subprotocol or "")
        if protocol is None:
            # The handshake ends well and without a subprotocol (2.0.1 part 4 §3.2).
            offer = ", ".join(PROTOCOLS)
            await socket.close(CloseCode.PROTOCOL_ERROR, f"no common subprotocol: offer {offer}")
            return
        if await self._is_displacing_unproven(socket.credentials):
            await socket.close(
                CloseCode.POLICY_VIOLATION, "this station is connected, and you bring no password"
            )
            return
        connection = await self._claim(socket, protocol)
        if connection is None:
            return
        ownership = connection.station.ownership
        bound = structlog.contextvars.bound_contextvars(station_id=ownership.station_id)
        gauge = metrics.connections.labels(protocol.version)
        with bound, gauge.track_inprogress():
            try:
                await self._announce_or_later(connection)
                await connection.run()
            finally:
                await self._release(connection)
        metrics.disconnects.labels(str(socket.close_code or 1006)).inc()

    async def _claim(self, socket: StationSocket, protocol: Protocol) -> StationConnection | None:
        credentials = socket.credentials
        ownership = await self._claims.claim(
            Connection(
                station_id=credentials.station_id,
                connection_id=secrets.token_hex(8),
                pod_id=self._pod_id,
                ocpp_version=protocol.version,
            )
        )
        before = self._connections.get(credentials.station_id)
        if ownership is None or (before and before.station.ownership.epoch > ownership.epoch):
            await socket.close(
                CloseCode.POLICY_VIOLATION, "the station was deleted, or connected once more"
            )
            return None
        accepted = (
            credentials.has_booted
            and credentials.registration_status is RegistrationStatus.ACCEPTED
        )
        station = ConnectedStation(credentials, ownership, accepted)
        connection = StationConnection(
            socket,
            protocol,
            station,
            protocol.handlers(station, self._services),
            max_queued_calls=self._settings.max_queued_calls,
        )
        self._connections[credentials.station_id] = connection
        if before is not None:
            self._close_soon(
                before, CloseCode.POLICY_VIOLATION, "a newer connection has replaced this one"
            )
        return connection

    async def _is_displacing_unproven(self, credentials: Credentials) -> bool:
        """Newest wins, but only who has proven who it is displaces a connection that is alive."""
        before = self._connections.get(credentials.station_id)
        return (
            before is not None
            and credentials.security_profile is SecurityProfile.UNSECURED
            and await before.is_alive(_PING_OLD_TIMEOUT_S)
        )

    async def _announce_or_later(self, connection: StationConnection) -> None:
        try:
            await self.announce(connection)
        except UnavailableError as error:
            log.warning("a station could not be announced; this is tried again", error=str(error))

    async def _release(self, connection: StationConnection) -> None:
        ownership = connection.station.ownership
        if self._connections.get(ownership.station_id) is connection:
            del self._connections[ownership.station_id]
        # Both are fenced by the epoch, so that it does not matter how late they come.
        try:
            await self._claims.release(ownership)
        except Exception as error:  # noqa: BLE001 - the connection is gone whatever happens here
            log.warning("a station could not be released", error=str(error))

    def _close_soon(self, connection: StationConnection, code: int, reason: str) -> None:
        task = asyncio.create_task(connection.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    for subprotocol in PROTOCOLS:
        if subprotocol in offered:
            return Subprotocol(subprotocol)
    return None


def _try_again_later(socket: ServerConnection, reason: str) -> Response:
    response = socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"try again later: {reason}\n")
    response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response
