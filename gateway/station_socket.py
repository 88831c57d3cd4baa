"""The WebSocket of one station: `websockets`' own, with a shorter way for what is common.

A message that `recv` returns has made a future and a turn of the event loop, and an answer that
`send` takes an asynchronous context: together more than half of what a Heartbeat costs. Here a
message is handed over as soon as its frame has been read, and an answer is written at once.
"""

import asyncio
import math
import socket
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidMessage
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event, State

from shared.domain.stations import Credentials, SecurityProfile
from shared.telemetry import metrics

log = structlog.get_logger()

_TURN_S = 0.05
# Of the kernel, for each direction of a connection. Left to itself, Linux takes in megabytes from a
# station that sends as fast as it can, and as much of answers that it does not read: 0.8 s of a
# processor before it has to stop. Longer messages come in pieces.
_SOCKET_BUFFER_BYTES = 64 * 1024

PING_TIMEOUT_REASON = "keepalive ping timeout"
"""Reason in the close frame that nobody may read."""

_WHOLE_MESSAGE = (Opcode.TEXT, Opcode.BINARY)


@dataclass(frozen=True, slots=True)
class FrameRate:
    """How many frames of a connection are taken: a token bucket.

    `per_s` are taken in a second in the long run, `burst` at once after a calm.
    """

    per_s: float
    burst: int


class StationSocket(ServerConnection):
    """A WebSocket whose handshake found out who is there.

    A station that does not read its answers is not read from either, until it does. One that sends
    more than it may is not read from until it may again: what it sent waits in the kernel and then
    at the station, so that nothing is lost, and others do not wait for it.
    """

    credentials: Credentials
    security_profile: SecurityProfile
    # Where a proven identity came from, and the hash of the password that proved it.
    address: str | None = None
    proven_hash: str | None = None
    # Told of a socket that sent no HTTP request.
    on_unreadable: Callable[["StationSocket"], None] | None = None
    _deliver: Callable[[bytes], None] | None = None
    _context: Context
    _frame_interval_s = 0.0
    _burst_s = 0.0
    # When the bucket is full again; it is empty while that is more than a burst away.
    _full_at_s = 0.0
    _pause: asyncio.TimerHandle | None = None
    _throttled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep little for a station that sends more than it reads."""
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connected.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
        self.recv_messages.resume = self._resume_reading

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind, and no cycle that only the garbage collector finds."""
        if self._pause is not None:
            self._pause.cancel()
        super().connection_lost(exc)
        self.recv_messages.resume = _do_nothing

    async def handshake(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the library's
        """Perform the opening handshake; the library closes without a word what is no HTTP."""
        try:
            await super().handshake(*args, **options)
        finally:
            unreadable, self.on_unreadable = self.on_unreadable, None
            error = self.protocol.handshake_exc
            # One that was closed before it said anything is a look whether we are here.
            if (
                unreadable is not None
                and isinstance(error, InvalidMessage)
                and not isinstance(error.__cause__, EOFError)
            ):
                unreadable(self)

    def limit(self, rate: FrameRate) -> None:
        """Take no more frames than that, of any kind; without this all are taken."""
        self._frame_interval_s = 1 / rate.per_s
        self._burst_s = rate.burst / rate.per_s

    def deliver_to(self, deliver: Callable[[bytes], None]) -> None:
        """Have messages handed over as they arrive.

        What has arrived before, and what arrives in fragments, is still for `recv`, and so is what
        comes behind it, so that the order stays. The context (what is bound to each log line) is
        that of the caller.

        Args:
            deliver: takes a message; must not raise, and cannot wait.
        """
        self._deliver = deliver
        self._context = copy_context()

    def write(self, message: bytes) -> bool:
        """Send UTF-8 text without waiting, unless the connection is closing.

        Returns:
            Whether it was sent.
        """
        if self.protocol.state is not State.OPEN:
            return False
        self.protocol.send_text(message)
        try:
            self.send_data()
        except (OSError, RuntimeError) as error:  # uvloop raises the latter for a lost connection
            self.set_connection_exc(error)
            self.transport.abort()
            return False
        return True

    async def close(
        self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = ""
    ) -> None:
        """Close within `close_timeout`, also if the station does not read.

        The library bounds only what comes after the close frame has been sent.
        """
        too_late = self.loop.call_later(self.close_timeout or 0, self.transport.abort)
        try:
            await super().close(code, reason)
        finally:
            too_late.cancel()

    async def keepalive(self) -> None:
        """Ping, and end a connection when no answer comes; until cancelled.

        Nobody is there then: the close handshake that the library makes would take another
        `close_timeout`, and with a station that does not read, the ping itself would never be sent.
        """
        latency_s = 0.0
        while self.ping_interval is not None:
            await asyncio.sleep(self.ping_interval - latency_s)
            began_s = self.loop.time()
            if not await self._is_answering():
                if self.protocol.state is State.OPEN:
                    self.protocol.fail(CloseCode.INTERNAL_ERROR, PING_TIMEOUT_REASON)
                    self.send_data()
                self.transport.abort()
                return
            latency_s = min(self.loop.time() - began_s, self.ping_interval)

    async def _is_answering(self) -> bool:
        try:
            async with asyncio.timeout(self.ping_timeout):
                pong = asyncio.ensure_future(await self.ping())
        except TimeoutError:
            return False
        # An answer that came while this process stood still lies in the socket when the time is
        # over: it is read in the next turn of the event loop.
        await asyncio.wait([pong], timeout=self.ping_timeout)
        if not pong.done():
            await asyncio.wait([pong], timeout=_TURN_S)
        return pong.done()

    def process_event(self, event: Event) -> None:
        """Hand over a whole message, leave everything else to `websockets`."""
        now_s = self.loop.time()
        full_at_s = self._full_at_s
        full_at_s = (full_at_s if full_at_s > now_s else now_s) + self._frame_interval_s  # noqa: FURB136 - a call costs more
        self._full_at_s = full_at_s
        if full_at_s - now_s > self._burst_s and self._pause is None:
            self._pause_reading()
        if (
            self._deliver is not None
            and isinstance(event, Frame)
            and event.fin
            and event.opcode in _WHOLE_MESSAGE
            and not self.recv_messages.frames
        ):
            self._context.run(self._deliver, bytes(event.data))
        else:
            super().process_event(event)

    def pause_writing(self) -> None:
        """Stop reading, as the answers to what is read could not be sent."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        self._resume_reading()

    def _pause_reading(self) -> None:
        """Read nothing until the station may send again."""
        if self.transport.is_closing():
            return
        metrics.throttles.inc()
        if not self._throttled:
            self._throttled = True
            log.warning(
                "a station sends more than it may, and is read from more slowly",
                station_id=self.credentials.station_id,
                allowed_per_s=round(1 / self._frame_interval_s, 1),
            )
        self.transport.pause_reading()
        # Longer, and a pong that waits behind it all would come too late.
        longest_s = math.inf if self.ping_timeout is None else self.ping_timeout / 2
        self._end_pause(self.loop.time() + longest_s)

    def _end_pause(self, latest_s: float) -> None:
        """Read again, unless what came together with the first frame too many takes longer."""
        may_send_at_s = min(self._full_at_s - self._burst_s, latest_s)
        self._pause = None
        if may_send_at_s > self.loop.time():
            self._pause = self.loop.call_at(may_send_at_s, self._end_pause, latest_s)
        else:
            self._resume_reading()

    def _resume_reading(self) -> None:
        """Read again, unless one of the three who may stop it still wants it stopped."""
        stopped = self._pause is not None or self.paused or self.recv_messages.paused
        if not stopped and not self.transport.is_closing():
            self.transport.resume_reading()


def _do_nothing() -> None:
    """Stand in for what a connection did that is gone."""
