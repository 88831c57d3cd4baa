"""The WebSocket of one station: `websockets`' own, with a shorter way for what is common.

A message that `recv` returns has made a future and a turn of the event loop, and an answer that
`send` takes an asynchronous context: together more than half of what a Heartbeat costs. Here a
message is handed over as soon as its frame has been read, and an answer is written at once.

What is long, or comes together with more, is handed over in a turn of its own: the event loop is
everybody's.
"""

import asyncio
import math
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from time import monotonic, perf_counter
from typing import Any

import structlog
from websockets.exceptions import InvalidMessage
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event, State

from gateway.budget import FEW_BYTES, SHORT_S, Limits, Spent
from gateway.fragments import Fragments
from gateway.long_message_socket import LongMessageSocket
from gateway.long_messages import LongMessages
from gateway.steps import Steps, Unfinished
from gateway.turns import Turns
from shared.domain.stations.stations import Credentials, SecurityProfile
from shared.telemetry import metrics

log = structlog.get_logger()

# Of the kernel, for each direction of a connection. Left to itself, Linux takes in megabytes from a
# station that sends as fast as it can, and as much of answers that it does not read: 0.8 s of a
# processor before it has to stop. Longer messages come in pieces.
_SOCKET_BUFFER_BYTES = 64 * 1024
# So much costs 2 ms at most, whatever it says.
_LARGE_BYTES = 4 * 1024
# What a turn holds beside that: frames may be empty.
_FRAME_BYTES = 64
# Of one read so much is parsed in a turn: an empty frame costs 3 µs as well.
_MAX_PIECE_BYTES = 8 * 1024
# Inflated, this may be a thousand times as much.
_MAX_COMPRESSED_BYTES = 1024

_WHOLE_MESSAGE = (Opcode.TEXT, Opcode.BINARY)
_PART_OF_MESSAGE = (*_WHOLE_MESSAGE, Opcode.CONT)


class StationSocket(LongMessageSocket):
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
    _deliver: Callable[[bytes], Steps[None] | None] | None = None
    _context: Context
    _turns: Turns | None = None
    _spent: Spent | None = None
    _frame_interval_s = 0.0
    _burst_s = 0.0
    # When the bucket is full again, by `perf_counter`; it is empty while that is more than a burst
    # away.
    _full_at_s = 0.0
    _pause: asyncio.TimerHandle | None = None
    _throttled = False
    # What has been read and is not handed over yet; little is read meanwhile.
    _waiting: deque[Event]
    _unparsed: bytearray
    _unfinished: Unfinished | None = None
    _in_turn = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep little for a station that sends more than it reads."""
        self._waiting = deque()
        self._unparsed = bytearray()
        self._fragments = Fragments()
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connected.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
        self.recv_messages.resume = self._go_on

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind, and no cycle that only the garbage collector finds."""
        if self._pause is not None:
            self._pause.cancel()
        # It stays unanswered, and the station sends it again.
        self._waiting.clear()
        self._unparsed.clear()
        self._unfinished = None
        self._end_long()
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

    def limit(self, limits: Limits, turns: Turns, long_messages: LongMessages) -> None:
        """Take no more than that, and what is long or may take long in turns with all others.

        Without this everything is taken, and at once.
        """
        self._spent = Spent(limits)
        self._turns = turns
        self._long_messages = long_messages
        self._frame_interval_s = 1 / limits.frames.per_s
        self._burst_s = limits.frames.burst / limits.frames.per_s

    def deliver_to(
        self, deliver: Callable[[bytes], Steps[None] | None], is_in_work: Callable[[], bool]
    ) -> None:
        """Have messages handed over as they arrive, and in their turn those that have arrived.

        The context (what is bound to each log line) is that of the caller.

        Args:
            deliver: takes a message; must not raise, and cannot wait. What it returns is done in
                further turns, and the next message is handed over after that.
            is_in_work: tells whether a long message that was handed over still is. When that may
                have changed, `look_at_long` is called.
        """
        self._deliver = deliver
        self._is_in_work = is_in_work
        self._context = copy_context()
        arrived = self.recv_messages.frames.queue
        self._waiting.extendleft(reversed(arrived))
        arrived.clear()
        self.recv_messages.maybe_resume()
        self._go_on()

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

    def data_received(self, data: bytes) -> None:
        """Hand over what was read, or have it wait for its turn if it is long."""
        self.read_at_s = monotonic()
        self.read_bytes += len(data)
        if self._waiting or self._unparsed or self._unfinished is not None:
            self._unparsed += data
            self.transport.pause_reading()
            return
        if len(data) > self._piece_bytes() or self._long is not None:
            self._unparsed += data
            self._go_on()
            return
        events = self._parse(data)
        if len(events) > 1 or (events and _size(events[0]) > _LARGE_BYTES):
            self._waiting += events
            self._hand_over(_LARGE_BYTES)
        else:
            for event in events:
                self.process_event(event)
            if not events:
                self._note_length()

    def eof_received(self) -> None:
        """Know that nothing more comes, also of what was not looked at."""
        self._unparsed.clear()
        super().eof_received()

    def _parse(self, data: bytes | bytearray) -> list[Event]:
        """Return the frames that bytes complete, and answer pings and closes, as the library does.

        It does this where it handles them all.
        """
        protocol = self.protocol
        protocol.receive_data(data)
        events = protocol.events_received()
        if protocol.writes:
            try:
                self.send_data()
            except (OSError, RuntimeError) as error:
                self.set_connection_exc(error)
        if (
            self.close_deadline is None
            and self.close_timeout is not None
            and protocol.close_expected()
        ):
            self.close_deadline = self.loop.time() + self.close_timeout
        return events

    def _take_turn(self) -> None:
        """Hand over what waits first: one message, or some that are short."""
        self._in_turn = False
        if self._unfinished is not None:
            self._continue(self._unfinished)
            return
        if not self._waiting and self._unparsed:
            count = self._piece_bytes()
            piece = self._unparsed[:count]
            del self._unparsed[:count]
            self._waiting += self._parse(piece)
            self._note_length()
        left_bytes = max(_LARGE_BYTES, _size(self._waiting[0]) if self._waiting else 0)
        self._hand_over(left_bytes)

    def _piece_bytes(self) -> int:
        return _MAX_COMPRESSED_BYTES if self.protocol.extensions else _MAX_PIECE_BYTES

    def _hand_over(self, left_bytes: int) -> None:
        """Hand over what waits, as long as it is no more than that."""
        waiting = self._waiting
        while waiting and self._pause is None and (size := _size(waiting[0])) <= left_bytes:
            if self._deliver is not None and not self._may_be_handled(waiting[0]):
                break
            left_bytes -= size + _FRAME_BYTES
            self.process_event(waiting.popleft())
            if self._unfinished is not None:
                break
            if self._long is not None:
                self.look_at_long()
        self._go_on()

    def _continue(self, unfinished: Unfinished) -> None:
        """Go on with a message for a turn."""
        if unfinished.go_on():
            self._unfinished = None
            self._charge(unfinished.took_s, unfinished.size_bytes)
            self.look_at_long()
        self._go_on()

    def process_event(self, event: Event) -> None:
        """Hand over a whole message, leave everything else to `websockets`."""
        now_s = perf_counter()
        full_at_s = self._full_at_s
        full_at_s = (full_at_s if full_at_s > now_s else now_s) + self._frame_interval_s  # noqa: FURB136 - a call costs more
        self._full_at_s = full_at_s
        if full_at_s - now_s > self._burst_s and self._pause is None:
            self._pause_reading("frames")
        deliver = self._deliver
        if deliver is None or not isinstance(event, Frame):
            super().process_event(event)
            return
        if event.fin and event.opcode in _WHOLE_MESSAGE:
            message = bytes(event.data)
        elif event.opcode in _PART_OF_MESSAGE:
            whole = self._fragments.add(event)
            if whole is None:
                self._note_length()
                if self._fragments.too_many:
                    self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
                return
            message = whole
        else:
            super().process_event(event)
            return
        self.read_messages += 1
        rest = self._context.run(deliver, message)
        took_s = perf_counter() - now_s
        if rest is not None:
            self._unfinished = Unfinished(
                rest, self._context, size_bytes=len(message), took_s=took_s
            )
            self._go_on()
        elif took_s > SHORT_S or len(message) > FEW_BYTES:
            self._charge(took_s, len(message))

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._waiting.clear()
        self._unparsed.clear()
        self.protocol.fail(code, reason)
        self.send_data()
        self.loop.call_later(self.close_timeout or 0, self.transport.abort)

    def _charge(self, took_s: float, size_bytes: int) -> None:
        """Count a message that was long, or took long."""
        if self._spent is None:
            return
        self._spent.add(size_bytes, took_s)
        if self._pause is None and self._spent.may_send_at_s() > perf_counter():
            self._pause_reading("processor" if took_s > SHORT_S else "bytes")

    def pause_writing(self) -> None:
        """Stop reading, as the answers to what is read could not be sent."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        self._go_on()

    def _pause_reading(self, limit: str) -> None:
        """Read nothing until the station may send again."""
        if self.transport.is_closing():
            return
        metrics.throttles.labels(limit).inc()
        if not self._throttled:
            self._throttled = True
            log.warning(
                "a station sends more than it may, and is read from more slowly",
                station_id=self.credentials.station_id,
                limit=limit,
            )
        self.transport.pause_reading()
        # Longer, and a pong that waits behind it all would come too late.
        longest_s = math.inf if self.ping_timeout is None else self.ping_timeout / 2
        self._end_pause(perf_counter() + longest_s)

    def _end_pause(self, latest_s: float) -> None:
        """Read again, unless what came together with the first frame too many takes longer."""
        may_send_at_s = self._full_at_s - self._burst_s
        if self._spent is not None:
            may_send_at_s = max(may_send_at_s, self._spent.may_send_at_s())
        left_s = min(may_send_at_s, latest_s) - perf_counter()
        self._pause = None
        if left_s > 0:
            self._pause = self.loop.call_later(left_s, self._end_pause, latest_s)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Take what waits, or read again, unless one of those who may stop it wants it stopped."""
        stopped = (
            self._pause is not None
            or self.paused
            or self.recv_messages.paused
            or (self._long is not None and self.is_held_up)
        )
        if stopped or self.transport.is_closing():
            return
        unfinished = self._unfinished is not None
        if not (self._waiting or self._unparsed or unfinished):
            self.transport.resume_reading()
        elif not self._in_turn:
            if len(self._waiting) > 1 or self._unparsed or unfinished:
                self.transport.pause_reading()
            self._in_turn = True
            (self._turns or Turns()).join(self._take_turn)


def _size(event: Event) -> int:
    return len(event.data) if isinstance(event, Frame) else 0


def _do_nothing() -> None:
    """Stand in for what a connection did that is gone."""
