"""Drives a simulated station over a blocking WebSocket: owns its socket and its clock.

The counterpart of `simulator.driver` for threads. Under locust, whose gevent makes them greenlets,
one process holds thousands of stations.
"""

import threading
import time
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from loadtest.locust.behaviour import Behaviour
from loadtest.locust.calls import CallTimer, TimedCall
from simulator.dialect import Failure
from simulator.events import (
    CallFailed,
    CancelTransfer,
    Dial,
    Event,
    FileInstruction,
    HangUp,
    Send,
    SocketInstruction,
)
from simulator.retry_after import retry_after_s
from simulator.station import Station
from simulator.transfers import UNSUPPORTED

#: How a server says that it goes, and that its stations should come again.
_ORDERLY = frozenset({CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketSettings:
    """How a station holds its WebSocket.

    Attributes:
        open_timeout_s: For TCP, TLS and the WebSocket handshake together.
        ping_timeout_s: A pong later than this counts as a lost connection.
        close_timeout_s: For the closing handshake.
        max_message_bytes: Larger messages end the connection.
    """

    open_timeout_s: float = 20.0
    ping_timeout_s: float = 20.0
    close_timeout_s: float = 5.0
    max_message_bytes: int = 2**20


class Listener(Protocol):
    """Is told what a station meets."""

    def connected(self, latency_s: float) -> None:
        """The handshake succeeded."""

    def not_connected(self, latency_s: float, problem: str) -> None:
        """The handshake failed."""

    def put_off(self, *, again: bool) -> None:
        """The CSMS asked to come later (503 with Retry-After), perhaps again."""

    def disconnected(self, reason: str, *, orderly: bool) -> None:
        """The other side ended the connection, or it broke."""

    def called(self, call: TimedCall, problem: str | None) -> None:
        """A CALL has ended; with a problem, if it did not end well."""

    def happened(self, event: Event) -> None:
        """The station tells something."""


class StationDriver:
    """Drives one station.

    `settle` may be called by another thread than the one in `run`, so both use the station under a
    lock.

    Args:
        station: What is driven.
        behaviour: What happens at it.
        url: OCPP-J endpoint of the CSMS; the station id is appended (OCPP-J 1.6, 3.1.1).
        listener: Is told what happens.
        settings: Time-outs and limits.
    """

    def __init__(
        self,
        station: Station,
        behaviour: Behaviour,
        *,
        url: str,
        listener: Listener,
        settings: WebSocketSettings,
    ) -> None:
        self.station = station
        self._behaviour = behaviour
        self._uri = f"{url.rstrip('/')}/{quote(station.profile.station_id, safe='')}"
        self._listener = listener
        self._settings = settings
        self._lock = threading.Lock()
        self._nudged = threading.Event()
        self._timer = CallTimer()
        self._instructions: list[SocketInstruction] = []
        self._connection: ClientConnection | None = None
        self._settling = False
        self._was_put_off = False
        # Steps of the system clock must not reach the station's timers.
        self._clock_offset_s = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the time for the station: seconds since the Unix epoch, never going back."""
        return self._clock_offset_s + time.monotonic()

    def run(self) -> None:
        """Drive the station until it has settled; an exception from outside ends it at once."""
        with self._lock:
            self.station.power_on(self.now())
        while self._until_dialled():
            connection = self._connect()
            if connection is not None:
                self._serve(connection)

    def settle(self) -> None:
        """Ask the station to end its charges, deliver what it has to, and hang up; do not wait."""
        with self._lock:
            self._settling = True
            self._behaviour.end(self.station, self.now())
            connection = self._connection
            if connection is not None:
                # If it is just being lost, `run` finds that out by itself.
                with suppress(ConnectionClosed):
                    self._send(connection, self._take_instructions())
            done = self.station.link.idle
        self._nudged.set()
        if done and connection is not None:
            connection.close()  # It waits for a message that will not come.

    # Offline

    def _until_dialled(self) -> bool:
        """Let time pass until the station dials; False once it has settled."""
        while True:
            with self._lock:
                if self._settling and self.station.link.idle:
                    return False
                if any(isinstance(each, Dial) for each in self._take_instructions()):
                    return True
            self._nudged.wait(self._pause_s())
            self._nudged.clear()
            with self._lock:
                self._advance()

    def _connect(self) -> ClientConnection | None:
        """Dial; a failure is told to the station, which decides what follows."""
        station, settings = self.station, self._settings
        wanted = Subprotocol(station.dialect.subprotocol)
        began = time.monotonic()
        status, retry_in_s = None, None
        try:
            connection = connect(
                self._uri,
                subprotocols=[wanted],
                additional_headers=self._credentials(),
                compression=None,
                # A station dials its CSMS directly, whatever proxy the shell has set.
                proxy=None,
                open_timeout=settings.open_timeout_s,
                ping_interval=station.settings.websocket_ping_interval_s or None,
                ping_timeout=settings.ping_timeout_s,
                close_timeout=settings.close_timeout_s,
                max_size=settings.max_message_bytes,
                legacy=True,  # Its life is not that of a block.
            )
        except InvalidStatus as error:
            status = error.response.status_code
            problem = f"HTTP {status}"
            header = error.response.headers.get("Retry-After")
            retry_in_s = retry_after_s(header, time.time())
        except (OSError, WebSocketException) as error:
            # TimeoutError is an OSError.
            problem = str(error) or f"no answer within {settings.open_timeout_s:g} s"
        else:
            if connection.subprotocol == wanted:
                self._listener.connected(time.monotonic() - began)
                self._was_put_off = False
                with self._lock:
                    self._connection = connection
                    station.connection_opened(self.now())
                return connection
            problem = f"the CSMS does not speak {wanted}"
            connection.close(CloseCode.PROTOCOL_ERROR, f"{wanted} is needed")
        if status == HTTPStatus.SERVICE_UNAVAILABLE and retry_in_s is not None:
            self._listener.put_off(again=self._was_put_off)
            self._was_put_off = True
        else:
            self._listener.not_connected(time.monotonic() - began, problem)
        with self._lock:
            station.connection_refused(
                self.now(), status=status, reason=problem, retry_after_s=retry_in_s
            )
        return None

    def _credentials(self) -> dict[str, str]:
        """Return the header of HTTP Basic authentication (whitepaper, A00.FR.204)."""
        if self.station.password is None:
            return {}
        pair = self.station.profile.station_id.encode() + b":" + self.station.password
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}

    # Online

    def _serve(self, connection: ClientConnection) -> None:
        """Carry frames until the connection is gone."""
        reason, ours = "closed by the station", True
        try:
            while self._flush(connection):
                try:
                    text = connection.recv(self._pause_s())
                except TimeoutError:
                    with self._lock:
                        self._advance()
                else:
                    with self._lock:
                        self._receive(text)
        except ConnectionClosed as error:
            reason, ours = str(error), self._settling
            if not ours:
                orderly = error.rcvd is not None and error.rcvd.code in _ORDERLY
                self._listener.disconnected(reason, orderly=orderly)
        finally:
            # When killed, too: orderly, but no charge is finished.
            self._connection = None
            connection.close()
        with self._lock:
            lost = self._timer.given_up(time.monotonic())
            if lost is not None and not ours:
                self._listener.called(lost, "the connection was lost before the answer")
            self.station.connection_lost(self.now(), reason)

    def _flush(self, connection: ClientConnection) -> bool:
        """Send what is to be sent; False once the station has hung up."""
        with self._lock:
            if not self._send(connection, self._take_instructions()):
                return False
            return not (self._settling and self.station.link.idle)

    def _send(
        self, connection: ClientConnection, instructions: Iterable[SocketInstruction]
    ) -> bool:
        for instruction in instructions:
            match instruction:
                case Send(text=text):
                    self._timer.sent(text, time.monotonic())
                    connection.send(text)
                case HangUp(abrupt=True):
                    connection.close_socket()
                    return False
                case HangUp(code=code, reason=reason):
                    connection.close(code, reason)
                    return False
        return True

    def _receive(self, message: str | bytes) -> None:
        """Take a message; whether it answered a call well is the station's word, not ours."""
        arrived_at = time.monotonic()
        answered = self._timer.received(message, arrived_at) if isinstance(message, str) else None
        self.station.receive(message, self.now())
        failures = self._collect()
        if answered is not None:
            self._listener.called(answered, failures[0].detail if failures else None)

    def _advance(self) -> None:
        """Let time pass for the station and for those who use it."""
        now = self.now()
        self.station.advance(now)
        self._behaviour.act(self.station, now)
        for failure in self._collect():
            late = self._timer.given_up(time.monotonic())
            if late is not None and failure.failure == Failure.TIMED_OUT:
                self._listener.called(late, f"no answer within {failure.detail}")

    def _pause_s(self) -> float | None:
        """Return how long nothing is to be done, None for ever."""
        with self._lock:
            if self.station.has_outputs:
                return 0.0
            wakes = (self.station.next_wake, self._behaviour.next_at)
            wake_at = min((at for at in wakes if at is not None), default=None)
        return None if wake_at is None else max(0.0, wake_at - self.now())

    def _take_instructions(self) -> list[SocketInstruction]:
        self._collect()
        instructions, self._instructions = self._instructions, []
        return instructions

    def _collect(self) -> list[CallFailed]:
        """Pass the station's events on, keep its instructions, and return the failed calls."""
        failures = []
        while outputs := self.station.take_outputs():
            for output in outputs:
                if isinstance(output, Event):
                    self._listener.happened(output)
                    if isinstance(output, CallFailed):
                        failures.append(output)
                elif isinstance(output, FileInstruction):
                    self._decline(output)
                else:
                    self._instructions.append(output)
        return failures

    def _decline(self, instruction: FileInstruction) -> None:
        """Transfer no files: a load generator has other things to do."""
        if not isinstance(instruction, CancelTransfer):
            self.station.transfer_ended(self.now(), instruction.transfer_id, UNSUPPORTED)
