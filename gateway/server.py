"""The listener of a pod, and the connections that came of it; `door` decides who comes in."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway import quirks
from gateway.budget import Limits, Rate
from gateway.connection import StationConnection
from gateway.disconnection import disconnection, report_if_too_long
from gateway.door import Door
from gateway.exchange_log import ExchangeLog
from gateway.fence import Fence
from gateway.flapping import FlappingGuard
from gateway.handlers import ConnectedStation, Services
from gateway.long_messages import LongMessages
from gateway.ocpp16 import PROTOCOL as OCPP16
from gateway.ocpp201 import PROTOCOL as OCPP201
from gateway.ocpp_log import OcppLog
from gateway.ownership import Claims
from gateway.patience import patient_timeout
from gateway.quirks import QuirkCounter
from gateway.refused_calls import RefusedCalls
from gateway.routing import Protocol
from gateway.settings import GatewaySettings
from gateway.station_socket import StationSocket
from gateway.tls import server_context
from gateway.turns import Turns
from shared.bus.streams import CloseConnection, PodRequestSender
from shared.domain.errors import UnavailableError
from shared.domain.stations.stations import Connection, RegistrationStatus
from shared.store.judgement import is_away
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

PROTOCOLS: dict[str, Protocol] = {protocol.subprotocol: protocol for protocol in (OCPP201, OCPP16)}
"""Every version by its subprotocol, the best one first."""

_SHARE_FOR_CLOSING = 0.75


class OcppServer:
    """Lets stations in and holds their connections.

    Args:
        settings: addresses, limits and time-outs.
        pod_id: who we are.
        door: decides about handshakes.
        quirks: counts how stations deviate.
        services: what handlers may use.
        claims: claims stations for connections, and lets go of them.
        sender: asks other pods to close what is theirs no more.
        flapping: told of connections that take another one's place.
        fence: closed while nobody knows which stations are still ours.
        ocpp_log: takes what goes over the wire.
    """

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        pod_id: str,
        door: Door,
        quirks: QuirkCounter,
        services: Services,
        claims: Claims,
        sender: PodRequestSender,
        flapping: FlappingGuard,
        fence: Fence,
        ocpp_log: OcppLog,
    ) -> None:
        self._settings = settings
        self._pod_id = pod_id
        self._door = door
        self._quirks = quirks
        self._services = services
        self._claims = claims
        self._sender = sender
        self._flapping = flapping
        self._fence = fence
        self._ocpp_log = ocpp_log
        self._limits = Limits(
            Rate(settings.station_frames_per_s, settings.station_frames_burst),
            Rate(settings.station_bytes_per_s, settings.station_bytes_burst),
            Rate(settings.station_processor_share, settings.station_processor_burst_s),
        )
        self._turns = Turns()
        self._long_messages = LongMessages(
            long_bytes=settings.max_message_bytes,
            max_unfinished=settings.max_unfinished_long_messages,
            max_in_work=settings.max_long_messages_in_work,
            timeout_s=settings.long_message_timeout_s,
        )
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
            create_connection=self._make_socket,  # type: ignore[arg-type]  # as good as a class
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
            max_size=settings.longest_message_bytes,
            ssl=server_context(settings),
            backlog=settings.listen_backlog,
        )

    async def drain(self) -> None:
        """Let nobody in any more, answer what was read, and close every connection.

        Stations are told 1012 (service restart) and come back to another pod, which is why they are
        sent away at a rate that it can take.
        """
        self._draining = True
        connections = self.all()
        settings = self._settings
        per_s = max(
            settings.drain_connections_per_s,
            len(connections) / (_SHARE_FOR_CLOSING * settings.drain_timeout_s),
        )
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for number, connection in enumerate(connections):
                due_in_s = began + number / per_s - asyncio.get_running_loop().time()
                if due_in_s > 0:
                    await asyncio.sleep(due_in_s)
                tasks.create_task(_drain(connection))

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
        while not claim.claimed and await self._rise(connection, above=claim.other_epoch):
            ownership = connection.station.ownership
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
            self._flapping.displaced(ownership.station_id)
            await self._sender.send(
                claim.other_pod_id, CloseConnection(ownership.station_id, ownership.epoch - 1)
            )

    async def _rise(self, connection: StationConnection, *, above: int | None) -> bool:
        """Raise a connection above an epoch that Redis knows; False if it is not the newest.

        Raises:
            UnavailableError: Postgres is away.
        """
        ownership = connection.station.ownership
        try:
            raised = await self._claims.rise(ownership, above=above or ownership.epoch)
        except Exception as error:
            if not is_away(error):
                raise
            raise UnavailableError(
                f"nobody can tell whether a connection of station {ownership.station_id!r} is its "
                f"newest: Postgres is away ({describe_error(error)})"
            ) from error
        if raised is None:
            return False
        log.warning(
            "Redis knew a higher epoch than Postgres, which has been restored: it is raised",
            station_id=ownership.station_id,
            epoch=raised.epoch,
        )
        connection.station.ownership = raised
        return True

    def _make_socket(self, *args: Any, **options: Any) -> StationSocket:  # noqa: ANN401 - the library's
        socket = StationSocket(*args, **options)
        socket.on_unreadable = self._door.note_unreadable
        socket.long_message_timeout_s = self._settings.long_message_timeout_s
        return socket

    async def _process_request(self, socket: StationSocket, request: Request) -> Response | None:
        return await self._door.process_request(socket, request, busy=self._busy())

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
        socket.limit(self._limits, self._turns, self._long_messages)
        protocol = PROTOCOLS.get(socket.subprotocol or "")
        if protocol is None:
            # The handshake ends well and without a subprotocol (2.0.1 part 4 §3.2).
            offer = ", ".join(PROTOCOLS)
            await socket.close(CloseCode.PROTOCOL_ERROR, f"no common subprotocol: offer {offer}")
            return
        connection = await self._claim(socket, protocol)
        if connection is None:
            return
        ownership = connection.station.ownership
        bound = structlog.contextvars.bound_contextvars(station_id=ownership.station_id)
        gauge = metrics.connections.labels(protocol.version)
        with bound, gauge.track_inprogress():
            try:
                if self._draining:  # since its handshake: `drain` has not seen it
                    await _drain(connection)
                else:
                    await self._announce_or_later(connection)
                    await connection.run()
                    report_if_too_long(self._services.reports, ownership.station_id, socket)
            finally:
                await self._release(connection, socket)
        metrics.disconnects.labels(str(socket.close_code or 1006)).inc()

    async def _claim(self, socket: StationSocket, protocol: Protocol) -> StationConnection | None:
        credentials = socket.credentials
        try:
            # No longer than an answer may take: the socket is open, and the station waits.
            async with patient_timeout(self._settings.ingest_hold_s):
                ownership = await self._claims.claim(
                    Connection(
                        station_id=credentials.station_id,
                        connection_id=secrets.token_hex(8),
                        pod_id=self._pod_id,
                        ocpp_version=protocol.version,
                        security_profile=socket.security_profile,
                        address=socket.address,
                        proven_hash=socket.proven_hash,
                    )
                )
                before = self._connections.get(credentials.station_id)
                while ownership and before and before.station.ownership.epoch >= ownership.epoch:
                    # Either it has connected once more, or Postgres was restored.
                    above = before.station.ownership.epoch
                    ownership = await self._claims.rise(ownership, above=above)
                    before = self._connections.get(credentials.station_id)
        except Exception as error:
            log.warning(
                "a station could not be claimed",
                station_id=credentials.station_id,
                error=describe_error(error),
                exc_info=None if is_away(error) else error,
            )
            await socket.close(CloseCode.TRY_AGAIN_LATER, "the database is away")
            return None
        if ownership is None:
            await socket.close(
                CloseCode.POLICY_VIOLATION, "the station was deleted, or connected once more"
            )
            return None
        accepted = (
            credentials.has_booted
            and credentials.registration_status is RegistrationStatus.ACCEPTED
        )
        station = ConnectedStation(credentials, ownership, accepted)
        quirk_log = self._quirks.of_connection(ownership, protocol.version)
        quirks.current.set(quirk_log)  # this task is the connection's own
        connection = StationConnection(
            socket,
            protocol,
            station,
            protocol.handlers(station, self._services),
            exchange_log=ExchangeLog(
                self._ocpp_log, station_id=credentials.station_id, version=protocol.version
            ),
            refused=RefusedCalls(
                self._services.ingest.submit,
                self._services.quotas,
                station_id=credentials.station_id,
                ocpp_version=protocol.version,
            ),
            max_message_bytes=self._settings.max_message_bytes,
            max_queued_calls=self._settings.max_queued_calls,
            fence=self._fence,
            quirks=quirk_log,
            tolerant=self._settings.tolerate_deviations,
        )
        self._connections[credentials.station_id] = connection
        if before is not None:
            self._flapping.displaced(credentials.station_id)
            self._close_soon(
                before, CloseCode.POLICY_VIOLATION, "a newer connection has replaced this one"
            )
        return connection

    async def _announce_or_later(self, connection: StationConnection) -> None:
        try:
            await self.announce(connection)
        except UnavailableError as error:
            log.warning("a station could not be announced; this is tried again", error=str(error))

    async def _release(self, connection: StationConnection, socket: StationSocket) -> None:
        ownership = connection.station.ownership
        if self._connections.get(ownership.station_id) is connection:
            del self._connections[ownership.station_id]
        # Both are fenced by the epoch, so that it does not matter how late they come.
        try:
            await self._claims.release(disconnection(connection, socket))
        except Exception as error:  # noqa: BLE001 - the connection is gone whatever happens here
            log.warning("a station could not be released", error=str(error))

    def _close_soon(self, connection: StationConnection, code: int, reason: str) -> None:
        task = asyncio.create_task(connection.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _drain(connection: StationConnection) -> None:
    await connection.drain(CloseCode.SERVICE_RESTART, "this pod is stopping")


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    for subprotocol in PROTOCOLS:
        if subprotocol in offered:
            return Subprotocol(subprotocol)
    return None
