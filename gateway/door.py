"""The door: looks at a handshake and lets a station in, or says why not."""

import asyncio
import http
import random
from collections.abc import Callable
from datetime import datetime
from math import ceil
from urllib.parse import unquote, urlsplit

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from gateway.admission import FailureLimit, HandshakeRate, Origin, ProxyTrust, address_key
from gateway.authentication import Admitted, Authenticator, Refused, Throttled
from gateway.flapping import FlappingGuard
from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from gateway.station_socket import StationSocket
from gateway.tls import find_common_name
from gateway.unknown_stations import UnknownStations
from shared.domain.device_model import SecurityEventReported
from shared.domain.errors import InvalidInputError
from shared.domain.stations import check_station_id
from shared.store.judgement import is_away
from shared.telemetry import metrics

log = structlog.get_logger()

_PATH_PREFIX = "/ocpp/"
# Spread, so that those who were put off together do not come back together.
_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S = 5, 15
# By so much later than it could, who was put off by the rate comes back: those whom the same moment
# was given at other pods must not meet here.
_RETRY_JITTER = 0.5
# An answer in time: at the handshake's own end the socket would close without one.
_SHARE_FOR_AUTHENTICATION = 0.7


class Door:
    """Decides about handshakes.

    Args:
        settings: limits and time-outs.
        rate: how many handshakes are looked at.
        authenticator: checks who is there.
        addresses: how often an address may fail.
        stations: how often a station id may fail.
        flapping: how often connections of one station may displace each other.
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
        addresses: FailureLimit,
        stations: FailureLimit,
        flapping: FlappingGuard,
        unknown_stations: UnknownStations,
        ingest: Ingest,
        now: Callable[[], datetime],
    ) -> None:
        self._max_header_bytes = settings.max_header_bytes
        self._timeout_s = _SHARE_FOR_AUTHENTICATION * settings.handshake_timeout_s
        self._proxies = ProxyTrust(settings.trusted_networks, settings.client_certificate_header)
        self._rate = rate
        self._authenticator = authenticator
        self._addresses = addresses
        self._stations = stations
        self._flapping = flapping
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

    async def _check(
        self, socket: StationSocket, request: Request, busy: str | None
    ) -> Response | None:
        size = sum(len(name) + len(value) + 4 for name, value in request.headers.raw_items())
        if size > self._max_header_bytes:
            return socket.respond(
                http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the headers have {size} bytes, and may have {self._max_header_bytes}\n",
            )
        path = urlsplit(request.path).path
        if not path.startswith(_PATH_PREFIX):
            return socket.respond(
                http.HTTPStatus.NOT_FOUND, f"stations connect to {_PATH_PREFIX}<station id>\n"
            )
        try:
            station_id = check_station_id(unquote(path.removeprefix(_PATH_PREFIX)))
        except InvalidInputError as error:
            return socket.respond(http.HTTPStatus.BAD_REQUEST, f"{error}\n")
        if busy is not None:
            return _try_again_later(socket, busy)
        if (wait_s := self._rate.take()) is not None:
            return _try_again_later(
                socket, "too many stations are coming in at the same time", wait_s
            )
        return await self._authenticate(socket, station_id, request)

    async def _authenticate(
        self, socket: StationSocket, station_id: str, request: Request
    ) -> Response | None:
        origin = self._find_origin(socket, request)
        address = address_key(origin.address)
        hashed = False

        def note_hashing() -> None:
            nonlocal hashed
            hashed = True

        try:
            async with asyncio.timeout(self._timeout_s):
                verdict = await self._authenticator.authenticate(
                    station_id,
                    request.headers.get("Authorization"),
                    origin,
                    address_retry_after_s=self._addresses.retry_after_s(address),
                    before_hashing=note_hashing,
                )
        except TimeoutError:
            return _try_again_later(socket, "too many stations are coming in at the same time")
        except Exception as error:
            # Whatever it is, a station that is refused with 503 comes back with its messages.
            log.warning(
                "a station could not be authenticated",
                station_id=station_id,
                error=repr(error),
                exc_info=None if is_away(error) else error,
            )
            return _try_again_later(socket, "the database is away")
        finally:
            if not hashed:
                self._rate.give_back_hashing()
        match verdict:
            case Throttled(retry_after_s):
                return _too_many_failures(socket, retry_after_s)
            case Refused():
                self._addresses.failed(address)
                self._stations.failed(station_id)
                self._note(station_id, origin, request, verdict)
                return _unauthorized(socket)
            case Admitted(credentials, security_profile):
                self._stations.succeeded(station_id)
                # Only now, so that nobody else can have a station refused.
                if (wait_s := self._flapping.retry_after_s(station_id)) is not None:
                    return _flapping(socket, wait_s)
                socket.credentials = credentials
                socket.security_profile = security_profile
        return None

    def _find_origin(self, socket: StationSocket, request: Request) -> Origin:
        tls = socket.transport.get_extra_info("ssl_object")
        peer = socket.transport.get_extra_info("peername")  # None if it has gone meanwhile
        return self._proxies.find_origin(
            str(peer[0]) if peer else "",
            request.headers,
            encrypted=tls is not None,
            common_name=find_common_name(tls),
        )

    def _note(self, station_id: str, origin: Origin, request: Request, refused: Refused) -> None:
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
                user_agent=request.headers.get("User-Agent"),
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


def _log_failure(kept: asyncio.Future[str | None]) -> None:
    if not kept.cancelled() and (error := kept.exception()) is not None:
        log.warning("a security event could not be kept", error=repr(error))


def _unauthorized(socket: ServerConnection) -> Response:
    response = socket.respond(
        http.HTTPStatus.UNAUTHORIZED,
        "unknown station, wrong password, or a user name that is not the station id\n",
    )
    response.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
    return response


def _too_many_failures(socket: ServerConnection, retry_after_s: int) -> Response:
    response = socket.respond(
        http.HTTPStatus.TOO_MANY_REQUESTS,
        f"this station or address has failed too often: try again in {retry_after_s} s\n",
    )
    response.headers["Retry-After"] = str(retry_after_s)
    return response


def _flapping(socket: ServerConnection, retry_after_s: int) -> Response:
    response = socket.respond(
        http.HTTPStatus.TOO_MANY_REQUESTS,
        "connections of this station take each other's place too often: look whether two boxes "
        f"carry this identity, and try again in {retry_after_s} s\n",
    )
    response.headers["Retry-After"] = str(retry_after_s)
    return response


def _try_again_later(
    socket: ServerConnection, reason: str, wait_s: float | None = None
) -> Response:
    """Return a refusal; with `wait_s`, it names about that time for the next try."""
    response = socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"try again later: {reason}\n")
    if wait_s is None:
        after_s = random.randint(_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S)  # noqa: S311 - no secret
    else:
        after_s = max(1, ceil(wait_s * random.uniform(1, 1 + _RETRY_JITTER)))  # noqa: S311 - as above
    response.headers["Retry-After"] = str(after_s)
    return response
