"""The door: looks at a handshake and lets a station in, or says why not."""

import asyncio
import http
from collections.abc import Awaitable, Callable
from datetime import datetime
from math import ceil
from urllib.parse import unquote, urlsplit

import structlog
from websockets.http11 import Request, Response

from gateway import refusals
from gateway.admission import HandshakeFailures, HandshakeRate, Origin, ProxyTrust, address_key
from gateway.authentication import (
    Admitted,
    Authenticator,
    Presented,
    Refused,
    Throttled,
    read_password,
)
from gateway.flapping import FlappingGuard
from gateway.ingest import Ingest
from gateway.liveness import Rival
from gateway.settings import GatewaySettings
from gateway.station_socket import StationSocket
from gateway.tls import find_client_certificate
from gateway.unknown_stations import UnknownStations
from shared.domain.errors import InvalidInputError, UnavailableError
from shared.domain.stations.device_model import SecurityEventReported
from shared.domain.stations.stations import SecurityProfile, check_station_id
from shared.store.judgement import is_away
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_FOLDER = "ocpp"
_WHERE = f"stations connect to /{_FOLDER}/<station id>"
# An answer in time: at the handshake's own end the socket would close without one.
_SHARE_FOR_AUTHENTICATION = 0.7
# Of what is left then, the rest is for looking up.
_SHARE_FOR_ASKING = 0.8


class _UnreadableError(Exception):
    """A handshake that cannot be read; the message says why, `status` is what it gets."""

    def __init__(self, message: str, status: http.HTTPStatus = http.HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class Door:
    """Decides about handshakes.

    Args:
        settings: limits and time-outs.
        rate: how many handshakes are looked at.
        authenticator: checks who is there.
        failures: who has failed how often.
        flapping: how often connections of one station may displace each other.
        find_rival: finds the connection that a station without a password has, within so many
            seconds.
        unknown_stations: where those are noted that nobody registered.
        ingest: keeps security events.
        now: the clock.
    """

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        rate: HandshakeRate,
        authenticator: Authenticator,
        failures: HandshakeFailures,
        flapping: FlappingGuard,
        find_rival: Callable[[str, float], Awaitable[Rival | None]],
        unknown_stations: UnknownStations,
        ingest: Ingest,
        now: Callable[[], datetime],
    ) -> None:
        self._max_header_bytes = settings.max_header_bytes
        self._timeout_s = _SHARE_FOR_AUTHENTICATION * settings.handshake_timeout_s
        self._proxies = ProxyTrust(
            settings.trusted_networks,
            common_name_header=settings.client_certificate_header,
            fingerprint_header=settings.client_certificate_fingerprint_header,
        )
        self._allowed_origins = settings.allowed_origins
        self._rate = rate
        self._authenticator = authenticator
        self._failures = failures
        self._flapping = flapping
        self._find_rival = find_rival
        self._unknown_stations = unknown_stations
        self._ingest = ingest
        self._now = now

    async def process_request(
        self, socket: StationSocket, request: Request, *, busy: str | None
    ) -> Response | None:
        """Return why this station may not come in, or None if it may.

        Args:
            socket: told who is there, if it may.
            request: the handshake.
            busy: why nobody may come in at present.
        """
        response = await self._check(socket, request, busy)
        status = response.status_code if response else http.HTTPStatus.SWITCHING_PROTOCOLS
        metrics.handshakes.labels(str(int(status))).inc()
        return response

    def note_unreadable(self, socket: StationSocket) -> None:
        """Count a socket that sent no HTTP request, and was closed without an answer."""
        address = _peer(socket)
        self._failures.failed(address_key(address))
        metrics.handshakes.labels(str(int(http.HTTPStatus.BAD_REQUEST))).inc()
        log.info("a handshake could not be read", address=address, reason="it is no HTTP request")

    async def _check(
        self, socket: StationSocket, request: Request, busy: str | None
    ) -> Response | None:
        origin = self._find_origin(socket, request)
        address = address_key(origin.address)
        try:
            self._check_size(request)
            presented = _read(request, origin)
        except _UnreadableError as error:
            return self._unreadable(socket, origin, error)
        if busy is not None:
            return refusals.try_again_later(socket, busy)
        if not self._authenticator.remembers(presented) and (
            wait_s := self._failures.retry_after_s(address, presented.station_id)
        ):
            return self._throttled(socket, address, wait_s)
        if (wait_later_s := self._rate.take()) is not None:
            return refusals.try_again_later(
                socket, "too many stations are coming in at the same time", wait_later_s
            )
        return await self._authenticate(socket, presented, request)

    async def _authenticate(
        self, socket: StationSocket, presented: Presented, request: Request
    ) -> Response | None:
        station_id, address = presented.station_id, address_key(presented.origin.address)
        answer_by_s = socket.loop.time() + self._timeout_s
        hashes = 0

        def note_hashing() -> None:
            nonlocal hashes
            hashes += 1

        try:
            async with asyncio.timeout_at(answer_by_s):
                verdict = await self._authenticator.authenticate(
                    presented, before_hashing=note_hashing
                )
        except TimeoutError:
            return refusals.try_again_later(
                socket, "too many stations are coming in at the same time"
            )
        except Exception as error:
            # Whatever it is, a station that is refused with 503 comes back with its messages.
            away = is_away(error)
            log.warning(
                "a station could not be authenticated",
                station_id=station_id,
                error=describe_error(error),
                exc_info=None if away else error,
            )
            reason = "the database is away" if away else "this pod cannot tell who is there"
            return refusals.try_again_later(socket, reason)
        finally:
            self._rate.settle_hashing(hashes)
        match verdict:
            case Throttled(retry_after_s):
                return self._throttled(socket, address, retry_after_s)
            case Refused():
                self._failures.failed(address, station_id, guessed=verdict.guessed)
                self._note(presented, request, verdict)
                return refusals.unauthorized(socket)
            case Admitted():
                self._failures.succeeded(address, station_id)
                return await self._admit(socket, verdict, request, address, answer_by_s)

    async def _admit(
        self,
        socket: StationSocket,
        admitted: Admitted,
        request: Request,
        address: str,
        answer_by_s: float,
    ) -> Response | None:
        """Let a station in, unless it would take the place of another that has more of a right."""
        station_id = admitted.credentials.station_id
        # Only now, so that nobody else can have a station refused.
        if (wait_s := self._flapping.retry_after_s(station_id)) is not None:
            return refusals.flapping(socket, wait_s)
        if admitted.security_profile is SecurityProfile.UNSECURED:
            if not self._allowed_origins.issuperset(request.headers.get_all("Origin")):
                self._failures.failed(address, station_id)
                log.info("a browser was refused", station_id=station_id, address=address)
                return refusals.browser(socket)
            left_s = answer_by_s - socket.loop.time()
            if (refusal := await self._refuse_rival(socket, station_id, left_s)) is not None:
                return refusal
        else:
            socket.address = address
        socket.credentials = admitted.credentials
        socket.security_profile = admitted.security_profile
        socket.proven_hash = admitted.proven_hash
        return None

    async def _refuse_rival(
        self, socket: StationSocket, station_id: str, within_s: float
    ) -> Response | None:
        """Refuse who has not proven who it is while another connection of the station may live."""
        try:
            async with asyncio.timeout(within_s):
                rival = await self._find_rival(station_id, _SHARE_FOR_ASKING * within_s)
        except Exception as error:
            known = is_away(error) or isinstance(error, UnavailableError)
            reason = "nobody can tell now whether this station is connected to another pod"
            log.warning(
                reason,
                station_id=station_id,
                error=describe_error(error),
                exc_info=None if known else error,
            )
            return refusals.try_again_later(socket, reason)
        if rival is None:
            return None
        if rival.lease_left_s is None:
            return socket.respond(
                http.HTTPStatus.CONFLICT,
                "this station is connected, and you bring no password to prove that you are it\n",
            )
        return refusals.try_again_later(
            socket,
            "the pod that this station was connected to does not answer; if it is gone, you are "
            f"let in when its lease is over, in {ceil(rival.lease_left_s)} s",
            rival.lease_left_s,
            jitter=0,
        )

    def _throttled(self, socket: StationSocket, address: str, wait_s: int) -> Response:
        """Refuse who has failed too often; to go on all the same counts as well."""
        self._failures.failed(address)
        return refusals.too_many_failures(socket, wait_s)

    def _unreadable(
        self, socket: StationSocket, origin: Origin, error: _UnreadableError
    ) -> Response:
        if error.status is http.HTTPStatus.BAD_REQUEST:
            address = address_key(origin.address)
            if (wait_s := self._failures.retry_after_s(address)) is not None:
                return self._throttled(socket, address, wait_s)
            self._failures.failed(address)
            log.info("a handshake could not be read", address=origin.address, reason=str(error))
        return socket.respond(error.status, f"{error}\n")

    def _check_size(self, request: Request) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in request.headers.raw_items())
        if size > self._max_header_bytes:
            raise _UnreadableError(
                f"the headers have {size} bytes, and may have {self._max_header_bytes}",
                http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            )

    def _find_origin(self, socket: StationSocket, request: Request) -> Origin:
        tls = socket.transport.get_extra_info("ssl_object")
        return self._proxies.find_origin(
            _peer(socket),
            request.headers,
            encrypted=tls is not None,
            client_certificate=find_client_certificate(tls),
        )

    def _note(self, presented: Presented, request: Request, refused: Refused) -> None:
        station_id, origin = presented.station_id, presented.origin
        log.info(
            "a station was refused",
            station_id=station_id,
            address=origin.address,
            reason=refused.reason,
        )
        if not refused.known:
            offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
            self._unknown_stations.note(
                station_id,
                address=origin.address,
                user_agent=next(iter(request.headers.get_all("User-Agent")), None),
                subprotocols=[name.strip() for name in offered.split(",") if name.strip()],
            )
        elif refused.security_event is not None:
            # Not awaited: how long an answer takes must not tell what came of it.
            kept = self._ingest.submit(
                SecurityEventReported(
                    station_id=station_id,
                    type=refused.security_event,
                    occurred_at=self._now(),
                    tech_info=f"{refused.reason}, from {origin.address}"[:255],
                )
            )
            kept.add_done_callback(_log_failure)


def _peer(socket: StationSocket) -> str:
    peer = socket.transport.get_extra_info("peername")  # None if it has gone meanwhile
    return str(peer[0]) if peer else ""


def _log_failure(kept: asyncio.Future[str | None]) -> None:
    if not kept.cancelled() and (error := kept.exception()) is not None:
        log.warning("a security event could not be kept", error=describe_error(error))


def _read(request: Request, origin: Origin) -> Presented:
    """Return what a handshake brings.

    Raises:
        _UnreadableError: it cannot be read.
    """
    for name in ("Authorization", "Origin"):
        if len(request.headers.get_all(name)) > 1:
            raise _UnreadableError(f"a handshake has one {name} header, and not several")
    station_id = _read_station_id(request.path)
    authorization = next(iter(request.headers.get_all("Authorization")), None)
    return Presented(station_id, read_password(station_id, authorization), origin)


def _read_station_id(target: str) -> str:
    """Read the id in /ocpp/{station_id}; several slashes are one: many base URLs end in one.

    Raises:
        _UnreadableError: it has no such form.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        raise _UnreadableError(f"the path cannot be read: {_WHERE}") from None
    # //ocpp/CP-1 is a path here, although it looks like a host's name and a path.
    path = parts.path if parts.scheme else f"{parts.netloc}{parts.path}"
    folder, slash, station_id = path.lstrip("/").partition("/")
    if folder != _FOLDER or not slash:
        raise _UnreadableError(_WHERE, http.HTTPStatus.NOT_FOUND)
    try:
        return check_station_id(unquote(station_id.lstrip("/")))
    except InvalidInputError as error:
        raise _UnreadableError(str(error)) from None
