"""One station's connection: reads frames, answers CALLs in order, sends one CALL of ours at a time.

The two directions do not wait for each other: while a handler waits for a commit, the answer to a
command of ours is read, and the other way round.
"""

import asyncio
import time
from collections import deque
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from gateway import rpc
from gateway.errors import CallRefusedError, ErrorCode, StoreAwayError
from gateway.handlers import ConnectedStation, Handlers
from gateway.routing import AnsweredCall, Protocol, to_payload
from shared.domain.commands import Command
from shared.store.facts import Fact
from shared.telemetry import metrics

log = structlog.get_logger()

_BOOT_NOTIFICATION = "BootNotification"


class ConnectionLostError(Exception):
    """The connection ended before the station answered our CALL."""


class StationConnection:
    """The connection of one station from its claim to its end.

    Args:
        websocket: after a successful handshake.
        protocol: the version that both speak.
        station: who it is.
        handlers: what answers it.
        max_queued_calls: CALLs that may wait for their answer; one more closes the connection.
    """

    __slots__ = (
        "_answerer",
        "_handlers",
        "_inbox",
        "_max_queued_calls",
        "_peer",
        "_reply",
        "_stopping",
        "_websocket",
        "announced",
        "protocol",
        "queued_commands",
        "station",
    )

    def __init__(
        self,
        websocket: ServerConnection,
        protocol: Protocol,
        station: ConnectedStation,
        handlers: Handlers,
        *,
        max_queued_calls: int,
    ) -> None:
        self.protocol = protocol
        self.station = station
        self.announced = False
        """Whether Redis knows that we own the station."""
        self.queued_commands: deque[Any] | None = None
        """What `CommandRunner` has for this station; None while it has nothing."""
        self._websocket = websocket
        self._handlers = handlers
        self._max_queued_calls = max_queued_calls
        self._peer = rpc.Peer(protocol)
        self._inbox: deque[tuple[rpc.Call, float]] = deque()
        self._answerer: asyncio.Task[None] | None = None
        self._reply: asyncio.Future[rpc.CallResult | rpc.CallError] | None = None
        self._stopping = False

    async def run(self) -> None:
        """Read until the connection ends, whoever ends it."""
        try:
            while True:
                data = await self._websocket.recv(decode=False)
                if not self._stopping:  # else it stays unanswered, and the station sends it again
                    await self._receive(data)
        except ConnectionClosed:
            pass
        except UnicodeDecodeError:
            await self.close(CloseCode.INVALID_DATA, "a text message has to be UTF-8")
        finally:
            if self._answerer is not None:
                if not self._stopping:
                    self._answerer.cancel()
                await asyncio.wait([self._answerer])
            if self._reply is not None and not self._reply.done():
                self._reply.set_exception(ConnectionLostError())

    async def call(
        self, message_id: str, action: str, payload: dict[str, Any], *, timeout_s: float
    ) -> rpc.CallResult | rpc.CallError:
        """Send a CALL and wait for its answer; one at a time.

        Raises:
            TimeoutError: the station did not answer in time; what it still says is ignored.
            ConnectionLostError: the connection ended first.
        """
        self._peer.open_call(message_id)
        if not self.station.accepted and (asked := self.protocol.find_asked_for(action, payload)):
            self.station.asked_for |= {asked}
        self._reply = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._websocket.send(rpc.encode_call(message_id, action, payload), text=True)
                return await self._reply
        except ConnectionClosed:
            raise ConnectionLostError from None
        finally:
            self._peer.abandon_call()
            self._reply = None

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
            async with asyncio.timeout(timeout_s):
                await (await self._websocket.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True

    async def encode_command(self, command: Command) -> tuple[str, dict[str, Any]]:
        """Return action and payload of a command in this connection's version.

        Raises:
            CannotBeSaidError: it has no words for it.
        """
        command = await self._handlers.complete(command)
        return self.protocol.encode_command(self._handlers, command)

    def read_answer(self, action: str, call: AnsweredCall) -> list[Fact]:
        """Return the facts that the station's answer to a CALL of ours tells.

        Raises:
            CallRefusedError: it says what cannot be.
        """
        return self.protocol.read_answer(self._handlers, action, call)

    async def _receive(self, data: bytes) -> None:
        event = self._peer.receive(data)
        match event:
            case rpc.Call(route=route):
                if not (self.station.accepted or self._may_send_unaccepted(route.action)):
                    await self._refuse_unaccepted(event)
                elif route.waits or self._inbox:
                    await self._enqueue(event)
                else:
                    await self._answer(event, time.monotonic())
            case rpc.CallResult() | rpc.CallError():
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result(event)
            case rpc.Refusal(frame, action, code):
                metrics.messages.observe(action, code, 0.0)
                await self._websocket.send(frame, text=True)
            case rpc.Ignored(reason):
                metrics.frames_ignored.labels(reason).inc()

    def _may_send_unaccepted(self, action: str) -> bool:
        return action == _BOOT_NOTIFICATION or action in self.station.asked_for

    async def _enqueue(self, call: rpc.Call) -> None:
        if len(self._inbox) >= self._max_queued_calls:
            log.warning("too many unanswered CALLs", station_id=self.station.station_id)
            await self.close(
                CloseCode.POLICY_VIOLATION, "wait for the answer to a CALL before the next one"
            )
            return
        self._inbox.append((call, time.monotonic()))
        if self._answerer is None or self._answerer.done():
            self._answerer = asyncio.create_task(self._answer_inbox())

    async def _answer_inbox(self) -> None:
        """Answer what waits, in order. It stays in the inbox until it is answered."""
        try:
            while self._inbox:
                await self._answer(*self._inbox[0])
                self._inbox.popleft()
        except ConnectionClosed:
            pass
        except StoreAwayError:
            # Not answered on purpose: the station keeps the message and sends it again.
            await self.close(CloseCode.TRY_AGAIN_LATER, "the database is away")
        except Exception:
            log.exception("an answer could not be sent", station_id=self.station.station_id)
            await self.close(CloseCode.INTERNAL_ERROR, "our fault; it has been logged")

    async def _answer(self, call: rpc.Call, received_at_s: float) -> None:
        route = call.route
        answer = "CallResult"
        try:
            result = route.handler(self._handlers, **call.kwargs)
            if route.waits:
                result = await result
            frame = rpc.encode_call_result(call.message_id, to_payload(result))
        except CallRefusedError as error:
            answer = error.code
            frame = self._peer.refuse(call.message_id, route.action, error.code, str(error)).frame
        except StoreAwayError:
            raise
        except Exception:
            log.exception(
                "a handler failed", station_id=self.station.station_id, action=route.action
            )
            answer = ErrorCode.INTERNAL_ERROR
            frame = self._peer.refuse(
                call.message_id, route.action, answer, "our fault; it has been logged"
            ).frame
        finally:
            self._peer.finish(call.message_id)
        await self._websocket.send(frame, text=True)
        metrics.messages.observe(route.action, answer, time.monotonic() - received_at_s)

    async def _refuse_unaccepted(self, call: rpc.Call) -> None:
        self._peer.finish(call.message_id)
        refusal = self._peer.refuse(
            call.message_id,
            call.route.action,
            ErrorCode.SECURITY_ERROR,
            "only BootNotification, and what we ask for, before it was answered with Accepted",
        )
        metrics.messages.observe(refusal.action, refusal.code, 0.0)
        await self._websocket.send(refusal.frame, text=True)
