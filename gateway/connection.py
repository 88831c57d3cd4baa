"""One station's connection: reads frames, answers CALLs in order, sends one CALL of ours at a time.

The two directions do not wait for each other: while a handler waits for a commit, the answer to a
command of ours is read, and the other way round.
"""

import asyncio
import time
from collections import deque
from typing import Any

import structlog
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from gateway import rpc
from gateway.answer_frames import CallError, CallResult, MalformedAnswer
from gateway.answers import Answer, encode_result, refuse, refuse_unaccepted
from gateway.boot_requests import BootRequests
from gateway.errors import StoreAwayError
from gateway.exchange_log import ExchangeLog
from gateway.fence import Fence
from gateway.handlers import ConnectedStation, Handlers
from gateway.lengths import TRANSACTION_ACTIONS
from gateway.leniency import Deviation
from gateway.outgoing_calls import OutgoingCalls
from gateway.quirks import QuirkLog
from gateway.refused_calls import RefusedCall, RefusedCalls
from gateway.routing import AnsweredCall, Protocol
from gateway.security_reports import report_not_utf8
from gateway.station_socket import StationSocket
from gateway.steps import Steps, finish
from shared.domain.commands import Command
from shared.domain.stations.ocpp_log import NoAnswer
from shared.domain.stations.quirks import QuirkKind
from shared.store.facts import Fact
from shared.telemetry import metrics

log = structlog.get_logger()

_BOOT_NOTIFICATION = "BootNotification"


class StationConnection:
    """The connection of one station from its claim to its end.

    Args:
        websocket: after a successful handshake.
        protocol: the version that both speak.
        station: who it is.
        handlers: what answers it.
        exchange_log: takes what goes over the wire.
        refused: keeps what it says of transactions and is refused.
        max_message_bytes: how long a message may be that tells of no transaction.
        max_queued_calls: CALLs that may wait for their answer; one more closes the connection.
        fence: closed while nobody knows whether the station is still ours.
        quirks: where it is noted how the station deviates.
        tolerant: what deviates from the schemas and is harmless is mended.
    """

    __slots__ = (
        "_answerer",
        "_boot_requests",
        "_calls",
        "_closer",
        "_fence",
        "_handlers",
        "_held",
        "_inbox",
        "_log",
        "_max_message_bytes",
        "_max_queued_calls",
        "_note",
        "_peer",
        "_quirks",
        "_refused",
        "_stopping",
        "_websocket",
        "announced",
        "call",
        "heard_at_s",
        "protocol",
        "queued_commands",
        "station",
    )

    def __init__(
        self,
        websocket: StationSocket,
        protocol: Protocol,
        station: ConnectedStation,
        handlers: Handlers,
        *,
        exchange_log: ExchangeLog,
        refused: RefusedCalls,
        max_message_bytes: int,
        max_queued_calls: int,
        fence: Fence,
        quirks: QuirkLog,
        tolerant: bool,
    ) -> None:
        self.protocol = protocol
        self.station = station
        self.announced = False
        """Whether Redis knows that we own the station."""
        self.heard_at_s = time.monotonic()
        """When the station's last message came, by `time.monotonic`."""
        self.queued_commands: deque[Any] | None = None
        """What `CommandRunner` has for this station; None while it has nothing."""
        self._websocket = websocket
        self._handlers = handlers
        self._log = exchange_log
        self._refused = refused
        self._max_queued_calls = max_queued_calls
        self._max_message_bytes = max_message_bytes
        self._fence = fence
        self._held: list[bytes] = []
        self._quirks = quirks
        self._note = quirks.note if tolerant else None
        self._peer = rpc.Peer(protocol, self._note, max_bytes=max_message_bytes)
        self._inbox: deque[tuple[rpc.Call | RefusedCall, float]] = deque()
        self._answerer: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._calls = OutgoingCalls(
            websocket, protocol, station, self._peer, exchange_log=exchange_log, fence=fence
        )
        self.call = self._calls.call
        """Send a CALL and wait for its answer."""
        self._boot_requests: BootRequests | None = None
        self._stopping = False

    async def run(self) -> None:
        """Read until the connection ends, whoever ends it."""
        self._websocket.deliver_to(self._receive, self._has_long_message)
        try:
            await self._websocket.wait_closed()
        finally:
            if self._answerer is not None and not self._stopping:
                self._answerer.cancel()
            self._stopping = True  # nothing starts any more that nobody would wait for
            if self._answerer is not None:
                await asyncio.wait([self._answerer])
            if self._closer is not None:
                await asyncio.wait([self._closer])
            self._calls.lose()
            if self._boot_requests is not None:
                await self._boot_requests.stop()
            for call, received_at_s in self._inbox:
                self._log.from_station(call, NoAnswer.NOT_ANSWERED, None, received_at_s)

    def resume(self) -> None:
        """Take up what came while the fence was closed."""
        held, self._held = self._held, []
        for data in held:
            rest = self._receive(data)
            if rest is not None:
                finish(rest)
        if held:
            self._websocket.look_at_long()

    def give_up(self) -> None:
        """Say no more, as the station speaks through a newer connection."""
        self._close_soon(CloseCode.POLICY_VIOLATION, "a newer connection has replaced this one")

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; does nothing if it is closed."""
        await self._websocket.close(code, reason)

    async def drain(self, code: int, reason: str) -> None:
        """Read no more, answer what has been read, and close."""
        self._stopping = True
        if self._answerer is not None:
            await asyncio.wait([self._answerer])
        await self.close(code, reason)

    async def is_alive(self, timeout_s: float) -> bool:
        """Find out with a ping whether somebody is still there."""
        try:
            return await self._websocket.is_alive(timeout_s)
        except ConnectionClosed:
            return False

    async def encode_command(self, command: Command) -> tuple[str, dict[str, Any]]:
        """Return action and payload of a command in this connection's version.

        Raises:
            CannotBeSaidError: it has no words for it.
        """
        command = await self._handlers.complete(command)
        return self.protocol.encode_command(self._handlers, command)

    def validate_answer(self, action: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Return a CALLRESULT of the station, mended if it needs that and may be.

        Raises:
            CallRefusedError: it does not fit its schema.
        """
        return self.protocol.validate_answer(action, answer, self._note)

    def read_answer(self, action: str, call: AnsweredCall) -> list[Fact]:
        """Return the facts that the station's answer to a CALL of ours tells.

        Raises:
            CallRefusedError: it says what cannot be.
        """
        return self.protocol.read_answer(self._handlers, action, call)

    def _receive(self, data: bytes) -> Steps[None] | None:
        """Take a message; what is returned is still to be done, before the next one."""
        if self._stopping or self._closer is not None:
            return None  # it stays unanswered, and the station sends it again
        now_s = time.monotonic()
        if now_s > self._fence.passable_until_s and self._fence.is_closed():
            self._hold(data)
            return None
        try:
            event = self._peer.receive(data)
        except UnicodeDecodeError:
            report_not_utf8(self._handlers.services.reports, self.station.station_id)
            self._close_soon(CloseCode.INVALID_DATA, "a text message has to be UTF-8")
            return None
        self.heard_at_s = now_s
        if isinstance(event, rpc.Heavy):
            return self._receive_rest(event, data, now_s)
        self._take(event, data, now_s)
        return None

    def _receive_rest(self, heavy: rpc.Heavy, data: bytes, received_at_s: float) -> Steps[None]:
        event = yield from heavy.steps
        if self._stopping or self._closer is not None:
            return
        if time.monotonic() > self._fence.passable_until_s and self._fence.is_closed():
            if isinstance(event, rpc.Call):
                self._peer.finish(event.message_id)
            self._hold(data)
            return
        self._take(event, data, received_at_s)

    def _take(self, event: rpc.Event, data: bytes, now_s: float) -> None:
        match event:
            case rpc.Call():
                self._receive_call(event)
            case CallResult() | CallError() | MalformedAnswer():
                self._calls.take(event, at_s=self.heard_at_s)
            case rpc.Refusal(frame, action, code):
                known = any(waiting.frame == data for waiting, _ in self._inbox)
                if not known and (refused := RefusedCall.of(data, event)) is not None:
                    self._enqueue(refused)
                    return
                metrics.messages.observe(action, code, 0.0)
                self._websocket.write(frame)
                self._log.unhandled(data, action, code, received_at_s=now_s, answer=frame)
            case rpc.Ignored(reason):
                metrics.frames_ignored.labels(reason).inc()
                self._log.unhandled(data, "", NoAnswer.IGNORED, received_at_s=now_s, detail=reason)

    def _has_long_message(self) -> bool:
        """Tell whether one waits for its answer, or for the fence."""
        frames = (*self._held, *(call.frame for call, _ in self._inbox))
        return any(len(frame) > self._max_message_bytes for frame in frames)

    def _hold(self, data: bytes) -> None:
        if len(self._held) >= self._max_queued_calls:
            self._close_soon(CloseCode.TRY_AGAIN_LATER, "this pod stood still")
        else:
            self._held.append(data)

    def _receive_call(self, call: rpc.Call) -> None:
        route = call.route
        if self._inbox:
            self._enqueue(call)  # a BootNotification before it may make this one welcome
        elif not self._may_send(route.action) and route.action not in TRANSACTION_ACTIONS:
            self._answer(call, self._refuse_unaccepted(call), self.heard_at_s)
        elif route.waits:
            self._enqueue(call)
        else:
            received_at_s = self.heard_at_s
            try:
                answer = encode_result(call, route.handler(self._handlers, **call.kwargs))
            except Exception as error:  # noqa: BLE001 - it becomes the answer
                answer = refuse(self._peer, call, error, self.station.station_id)
            self._answer(call, answer, received_at_s)

    def _may_send(self, action: str) -> bool:
        station = self.station
        return station.accepted or action == _BOOT_NOTIFICATION or action in station.asked_for

    def _refuse_unaccepted(self, call: rpc.Call) -> Answer:
        self._quirks.note(call.route.action, Deviation(QuirkKind.CALL_BEFORE_ACCEPTANCE, ""))
        if self.station.may_be_asked_to_boot:
            if self._boot_requests is None:
                self._boot_requests = BootRequests(self._handlers, self.protocol, self._calls)
            self._boot_requests.make()
        return refuse_unaccepted(self._peer, call, self.station.station_id)

    def _enqueue(self, call: rpc.Call | RefusedCall) -> None:
        if len(self._inbox) >= self._max_queued_calls:
            log.warning("too many unanswered CALLs", station_id=self.station.station_id)
            self._close_soon(
                CloseCode.POLICY_VIOLATION, "wait for the answer to a CALL before the next one"
            )
            return
        if self._inbox:
            self._quirks.note(call.action, Deviation(QuirkKind.CALL_BEFORE_ANSWER, ""))
        self._inbox.append((call, self.heard_at_s))
        if self._answerer is None or self._answerer.done():
            self._answerer = asyncio.create_task(self._answer_inbox())

    async def _answer_inbox(self) -> None:
        """Answer what waits, in order. It stays in the inbox until it is answered."""
        try:
            while self._inbox:
                call, received_at_s = self._inbox[0]
                answer = await self._handle(call)
                if time.monotonic() > self._fence.passable_until_s and self._fence.is_closed():
                    await self._fence.wait_until_open()
                if not self._answer(call, answer, received_at_s):
                    return
                self._inbox.popleft()
                if len(call.frame) > self._max_message_bytes:
                    self._websocket.look_at_long()
        except StoreAwayError:
            # Not answered on purpose: the station keeps the message and sends it again.
            await self.close(CloseCode.TRY_AGAIN_LATER, "the database is away")
        except Exception:
            log.exception("an answer could not be sent", station_id=self.station.station_id)
            await self.close(CloseCode.INTERNAL_ERROR, "our fault; it has been logged")

    async def _handle(self, call: rpc.Call | RefusedCall) -> Answer:
        answer = call.answer if isinstance(call, RefusedCall) else await self._find_answer(call)
        await self._refused.keep(call.action, call.frame, answer)
        return answer

    async def _find_answer(self, call: rpc.Call) -> Answer:
        if not self._may_send(call.route.action):
            return self._refuse_unaccepted(call)
        try:
            result = call.route.handler(self._handlers, **call.kwargs)
            if call.route.waits:
                result = await result
            return encode_result(call, result)
        except StoreAwayError:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes the answer
            return refuse(self._peer, call, error, self.station.station_id)

    def _answer(self, call: rpc.Call | RefusedCall, answer: Answer, received_at_s: float) -> bool:
        word, frame = answer
        if isinstance(call, rpc.Call):
            self._peer.finish(call.message_id)
        sent = self._websocket.write(frame)
        if sent:
            metrics.messages.observe(call.action, word, time.monotonic() - received_at_s)
            self._log.from_station(call, word, frame, received_at_s)
        return sent

    def _close_soon(self, code: int, reason: str) -> None:
        if self._closer is None:
            self._closer = asyncio.create_task(self.close(code, reason))
