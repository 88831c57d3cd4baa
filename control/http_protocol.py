"""HTTP/1.1 as uvicorn speaks it with h11, and what uvicorn leaves open: bounds and plain refusals.

uvicorn limits neither how long a request head or a body may take, nor how long an answer may wait
for its reader, nor how many connections are open. Each connection here has one time at which it is
looked at, and a sweep once a second looks; a request costs no timer.
"""

import asyncio
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import h11
import structlog
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from control import problems
from control.http_settings import HttpSettings
from control.http_writing import Writing
from control.problems import ProblemType, problem_response
from shared.telemetry import metrics

log = structlog.get_logger()

_PROBLEM_OF_STATUS = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: problems.HEAD_TOO_LARGE,
    HTTPStatus.NOT_IMPLEMENTED: problems.NOT_IMPLEMENTED,
}
# h11 says what is wrong in a sentence of its own, with the line in question behind it now and then.
_REASON_MAX_LENGTH = 100


class _Awaited(Enum):
    """What a connection is waited for."""

    HEAD = "head"
    """A request head, the first one or one that has begun."""
    NEXT = "next"
    """The next request, of which nothing has come."""
    BODY = "body"
    NOTHING = "nothing"
    """The app is at work."""


class Connections:
    """The connections of one server, and who of them is let go when there are too many.

    Args:
        settings: the bounds.
        keep_alive_s: how long a connection may wait between two requests.
        max_open: how many may be open.
    """

    def __init__(self, settings: HttpSettings, *, keep_alive_s: float, max_open: int) -> None:
        self.settings = settings
        self.keep_alive_s = keep_alive_s
        self._max_open = max_open
        self._open: set[BoundedProtocol] = set()
        # By how long they have waited. Those that have never sent a whole request go first: the
        # others are a load balancer's, which may be about to use them.
        self._waiting: dict[BoundedProtocol, None] = {}
        self._idle: dict[BoundedProtocol, None] = {}
        # Answered, and waiting for their clients to close as well: these go before all others.
        self._closing: dict[BoundedProtocol, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: "BoundedProtocol") -> bool:
        """Make room for a new connection; False if all others are at work."""
        self._open.add(connection)
        if len(self._open) <= self._max_open:
            return True
        longest = next(iter(self._closing or self._waiting or self._idle), None)
        if longest is None:
            return False
        longest.give_way()
        return True

    def forget(self, connection: "BoundedProtocol") -> None:
        """Take a connection out that is closed, or about to be."""
        self._open.discard(connection)
        self.note_work(connection)

    def note_waiting(self, connection: "BoundedProtocol", *, proven: bool) -> None:
        """Note that a connection waits for a request head from now on.

        Args:
            connection: which one.
            proven: whether it has sent a whole request before.
        """
        self.note_work(connection)
        (self._idle if proven else self._waiting)[connection] = None

    def note_closing(self, connection: "BoundedProtocol") -> None:
        """Note that a connection is only waited for to be closed."""
        self.note_work(connection)
        self._closing[connection] = None

    def note_work(self, connection: "BoundedProtocol") -> None:
        """Note that a connection does not wait any more."""
        self._waiting.pop(connection, None)
        self._idle.pop(connection, None)
        self._closing.pop(connection, None)

    def sweep(self) -> None:
        """Close what has had its time."""
        now = time.monotonic()
        for connection in list(self._open):
            connection.look(now)


class BoundedConfig(Config):
    """uvicorn's configuration, and the connections that its protocol keeps count of."""

    connections: Connections


class _Parser(h11.Connection):
    """h11, telling its protocol where a request begins and ends, and what is wrong with one."""

    def __init__(self, protocol: "BoundedProtocol", max_head_bytes: int) -> None:
        super().__init__(h11.SERVER, max_head_bytes)
        self.error: h11.RemoteProtocolError | None = None
        self._protocol = protocol

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._protocol.on_head(event)
                _check_framing(event)
            elif isinstance(event, h11.EndOfMessage):
                self._protocol.on_request_complete()
        except h11.RemoteProtocolError as error:
            self.error = error
            raise
        return event


def _check_framing(request: h11.Request) -> None:
    """Refuse a request of which somebody else may see another end than we do (RFC 9112 §6.1)."""
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" not in names:
        return
    if b"content-length" in names:
        raise h11.RemoteProtocolError("it has both Content-Length and Transfer-Encoding")
    if request.http_version < b"1.1":
        raise h11.RemoteProtocolError("Transfer-Encoding came with HTTP/1.0")


class _Transport:
    """A connection's transport, whose `close` lets a client read its answer first.

    Closing a socket with something unread resets it, and a client that still sends the body that
    was refused never sees why (RFC 9112 §9.6). So only our half is closed, until the client closes
    its own or its time is over.

    Args:
        transport: the real one.
        on_linger: called when only our half is closed.
    """

    def __init__(self, transport: asyncio.Transport, on_linger: Callable[[], None]) -> None:
        self._transport = transport
        self._on_linger = on_linger
        self.may_have_more = False
        self.lingers = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a transport has
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.lingers:
            return
        if not self.may_have_more or self._transport.is_closing():
            self._transport.close()
            return
        self.lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._on_linger()


class BoundedProtocol(H11Protocol):
    """One connection."""

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "writing": Writing(self)}, _loop)
        self._all = config.connections
        self._bounds = config.connections.settings
        self._parser = _Parser(self, config.h11_max_incomplete_event_size or 16_384)
        self.conn = self._parser
        self._method = b""
        self._awaited = _Awaited.HEAD
        self._due_at = 0.0
        self._received_bytes = 0
        self._reading_paused = False
        self._unread_since: float | None = None
        self._closing_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it if there are too many."""
        self._closer = _Transport(transport, partial(self._all.note_closing, self))
        super().connection_made(cast("asyncio.Transport", self._closer))
        if self._all.admit(self):
            self._await_head()
            return
        self._refuse(
            problems.TOO_MANY_CONNECTIONS, "all connections are in use: try again in a moment"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._all.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self.transport.is_closing():
            return
        if self._awaited is _Awaited.NEXT:
            self._await_head()
        self._received_bytes += len(data)
        super().data_received(data)

    def on_head(self, request: h11.Request) -> None:
        """Note that a request head is whole."""
        self._method = request.method
        self._closer.may_have_more = True
        self._all.note_work(self)
        self._await_body(time.monotonic())

    def on_request_complete(self) -> None:
        """Note that all of a request is here."""
        self._awaited = _Awaited.NOTHING
        self._closer.may_have_more = False
        if self.conn.our_state is h11.DONE:  # it was answered before its body had come
            self._await_next()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        if self.conn.their_state is h11.DONE:
            self._await_next()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note since when nothing is taken off us."""
        self._unread_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that something was."""
        self._unread_since = None
        super().resume_writing()

    def shutdown(self) -> None:
        """End with the server."""
        if self._closer.lingers:
            self._abort()
        else:
            super().shutdown()

    def give_way(self) -> None:
        """Close a connection that waits for a request, for another one."""
        self._count("crowded-out")
        self._abort()

    def look(self, now: float) -> None:
        """Close the connection if its time is over.

        Args:
            now: of the monotonic clock, in seconds.
        """
        self._look_at_what_is_unread(now)
        if self._awaited is _Awaited.BODY and self.flow.read_paused:
            self._reading_paused = True
        if now < self._due_at or self.transport.is_closing():
            return
        match self._awaited:
            case _Awaited.HEAD:
                self._count("head-timeout")
                if self._received_bytes == 0:
                    self.transport.close()  # a 408 would meet a request that was never sent
                else:
                    self._refuse(
                        problems.REQUEST_TIMEOUT,
                        f"no whole request head came in {self._bounds.http_head_timeout_s:g} s",
                    )
            case _Awaited.NEXT:
                self.transport.close()
            case _Awaited.BODY:
                self._look_at_body(now)

    def _look_at_what_is_unread(self, now: float) -> None:
        """Cut off a client that does not read its answer, or that we are quite done with."""
        if self._unread_since is not None and (
            now - self._unread_since >= self._bounds.http_write_timeout_s
        ):
            self._count("answer-not-read")
            self._abort()
        elif self.transport.is_closing():
            if self._closing_since is None:
                self._closing_since = now
            elif now - self._closing_since >= self._bounds.http_head_timeout_s:
                self._abort()

    def _look_at_body(self, now: float) -> None:
        expected = self._bounds.http_body_timeout_s * self._bounds.http_body_min_bytes_per_s
        if self._reading_paused or self._received_bytes >= expected:
            self._await_body(now)
            return
        self._count("body-timeout")
        self._refuse(
            problems.REQUEST_TIMEOUT,
            f"the body came too slowly: {self._received_bytes} bytes in "
            f"{self._bounds.http_body_timeout_s:g} s",
        )

    def _await_head(self) -> None:
        self._awaited = _Awaited.HEAD
        self._received_bytes = 0
        self._due_at = time.monotonic() + self._bounds.http_head_timeout_s
        self._all.note_waiting(self, proven=self.cycle is not None)

    def _await_next(self) -> None:
        self._awaited = _Awaited.NEXT
        self._due_at = time.monotonic() + self._all.keep_alive_s
        self._all.note_waiting(self, proven=True)

    def _await_body(self, now: float) -> None:
        self._awaited = _Awaited.BODY
        self._received_bytes = 0
        self._reading_paused = False
        self._due_at = now + self._bounds.http_body_timeout_s

    # uvicorn has no public name for these two.

    def _unsupported_upgrade_warning(self) -> None:
        self._count("upgrade")
        log.info(
            "an upgrade was asked for and ignored: stations connect to a gateway, not to the API",
            client=self.client[0] if self.client else None,
            upgrade=(self._get_upgrade() or b"").decode("ascii", "replace")[:_REASON_MAX_LENGTH],
        )

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close: nobody knows where the next request begins."""
        error = self._parser.error
        self._count("malformed")
        self._closer.may_have_more = True
        self._refuse(
            _PROBLEM_OF_STATUS.get(
                HTTPStatus(error.error_status_hint if error else HTTPStatus.BAD_REQUEST),
                problems.MALFORMED_REQUEST,
            ),
            f"this is no HTTP request: {str(error or msg)[:_REASON_MAX_LENGTH]}",
        )

    def _refuse(self, problem: ProblemType, detail: str) -> None:
        """Close the connection, with an answer if none has begun."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = problem_response(problem, detail, headers={"Connection": "close"})
            head = h11.Response(
                status_code=answer.status_code,
                headers=[*self.server_state.default_headers, *answer.raw_headers],
                reason=STATUS_PHRASES[answer.status_code],
            )
            body = b"" if self._method == b"HEAD" else bytes(answer.body)
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # Whoever works on it finds its caller gone.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _abort(self) -> None:
        self._all.forget(self)
        self.transport.abort()

    def _count(self, reason: str) -> None:
        metrics.http_refused_connections.labels(reason).inc()
