"""Our CALLs to one station: one at a time, each with an answer or a reason why there is none."""

import asyncio
import time
from typing import Any

from websockets.exceptions import ConnectionClosed

from gateway import rpc
from gateway.answer_frames import StationAnswer
from gateway.errors import ConnectionLostError, TooLateError
from gateway.exchange_log import ExchangeLog
from gateway.fence import Fence
from gateway.handlers import ConnectedStation
from gateway.routing import Protocol
from gateway.station_socket import StationSocket
from shared.domain.stations.ocpp_log import NoAnswer


class OutgoingCalls:
    """The slot of a connection that is ours.

    Args:
        websocket: where they go.
        protocol: the version that both speak.
        station: who is asked.
        peer: tells answers apart.
        exchange_log: takes what goes over the wire.
        fence: closed while nobody knows whether the station is still ours.
    """

    __slots__ = (
        "_answered_at_s",
        "_exchange_log",
        "_fence",
        "_peer",
        "_protocol",
        "_reply",
        "_station",
        "_turn",
        "_websocket",
    )

    def __init__(
        self,
        websocket: StationSocket,
        protocol: Protocol,
        station: ConnectedStation,
        peer: rpc.Peer,
        *,
        exchange_log: ExchangeLog,
        fence: Fence,
    ) -> None:
        self._websocket = websocket
        self._protocol = protocol
        self._station = station
        self._peer = peer
        self._exchange_log = exchange_log
        self._fence = fence
        self._turn = asyncio.Lock()
        self._reply: asyncio.Future[StationAnswer] | None = None
        self._answered_at_s = 0.0

    async def call(
        self,
        message_id: str,
        action: str,
        payload: dict[str, Any],
        *,
        send_by_s: float,
        timeout_s: float,
    ) -> StationAnswer:
        """Send a CALL and wait for its answer; whoever calls meanwhile waits for that.

        Args:
            message_id: of the CALL.
            action: its Action.
            payload: its payload.
            send_by_s: it is not sent later than this, by `time.monotonic`.
            timeout_s: how long the station may take.

        Raises:
            TooLateError: it is later; nothing was sent.
            TimeoutError: the station did not answer in time; what it still says is ignored.
            ConnectionLostError: the connection ended first.
        """
        async with self._turn:
            if self._fence.is_closed():
                raise ConnectionLostError
            if time.monotonic() > send_by_s:
                raise TooLateError
            frame = rpc.encode_call(message_id, action, payload)
            self._peer.open_call(message_id, action)
            if not self._station.accepted and (
                asked := self._protocol.find_asked_for(action, payload)
            ):
                self._station.asked_for |= {asked}
            return await self._send(message_id, action, frame, timeout_s)

    async def _send(
        self, message_id: str, action: str, frame: bytes, timeout_s: float
    ) -> StationAnswer:
        self._reply = asyncio.get_running_loop().create_future()
        sent_at_s = time.monotonic()
        outcome: str = NoAnswer.CONNECTION_LOST
        answer: StationAnswer | None = None
        try:
            async with asyncio.timeout(timeout_s):
                await self._websocket.send(frame, text=True)
                answer = await self._reply
                outcome = answer.outcome
                return answer
        except ConnectionClosed:
            raise ConnectionLostError from None
        except TimeoutError:
            outcome = NoAnswer.TIMED_OUT
            raise
        finally:
            self._peer.abandon_call()
            self._reply = None
            self._exchange_log.to_station(
                action,
                message_id,
                outcome,
                frame,
                sent_at_s=sent_at_s,
                answer=None if answer is None else answer.frame,
                answered_at_s=self._answered_at_s,
                detail=(answer and answer.fault) or None,
            )

    def take(self, answer: StationAnswer, *, at_s: float) -> None:
        """Hand an answer to who waits for it."""
        if self._reply is not None and not self._reply.done():
            self._answered_at_s = at_s
            self._reply.set_result(answer)

    def lose(self) -> None:
        """Tell who waits that the connection has ended."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ConnectionLostError())
