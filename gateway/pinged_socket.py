"""Whether somebody is at the other end of a WebSocket: pings, and what comes before their answer.

A pong waits behind the message that a station is sending: one of a megabyte takes an hour's quarter
over a link that carries a kilobyte in a second. So what comes meanwhile counts as an answer, for a
time: who never answers and only goes on sending is ended all the same. And who has sent whole
messages meanwhile, more than a slow link holds, had the time to answer and does not read.
"""

import asyncio
from time import monotonic

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode
from websockets.protocol import State

PING_TIMEOUT_REASON = "keepalive ping timeout"
"""Reason in the close frame that nobody may read."""

_TURN_S = 0.05
# What a station may have had on its way when the ping came: a send buffer of a small device (ours).
_ON_ITS_WAY_BYTES = 64 * 1024


class PingedSocket(ServerConnection):
    """A WebSocket that pings in an interval of its own, and knows when something was read last."""

    read_at_s = 0.0
    """By `time.monotonic`, of any bytes."""
    read_bytes = 0
    read_messages = 0
    """Whole ones."""
    long_message_timeout_s = 0.0
    """For how long a ping may stay unanswered while bytes come."""

    @property
    def is_held_up(self) -> bool:
        """Whether nothing is read because of others, so that no answer can be seen."""
        return False

    async def keepalive(self) -> None:
        """Ping, and end a connection when no answer comes; until cancelled.

        Nobody is there then: the close handshake that the library makes would take another
        `close_timeout`, and with a station that does not read, the ping itself would never be sent.
        """
        latency_s = 0.0
        while self.ping_interval is not None:
            await asyncio.sleep(self.ping_interval - latency_s)
            began_s = monotonic()
            if not await self._is_answering():
                if self.protocol.state is State.OPEN:
                    self.protocol.fail(CloseCode.INTERNAL_ERROR, PING_TIMEOUT_REASON)
                    self.send_data()
                self.transport.abort()
                return
            latency_s = min(monotonic() - began_s, self.ping_interval)

    async def is_alive(self, timeout_s: float) -> bool:
        """Find out whether somebody is there: an answer to a ping comes in time, or other bytes.

        Raises:
            ConnectionClosed: the connection has ended.
        """
        asked_at_s = monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                await (await self.ping())
        except TimeoutError:
            return self.read_at_s > asked_at_s
        return True

    async def _is_answering(self) -> bool:
        began_s = monotonic()
        before = self.read_messages, self.read_bytes
        try:
            async with asyncio.timeout(self.ping_timeout):
                pong = asyncio.ensure_future(await self.ping())
        except TimeoutError:
            return False
        while True:
            waits_since_s = monotonic()
            await asyncio.wait([pong], timeout=self.ping_timeout)
            # An answer that came while this process stood still lies in the socket when the time is
            # over: it is read in the next turn of the event loop.
            if not pong.done():
                await asyncio.wait([pong], timeout=_TURN_S)
            if pong.done():
                return True
            if self.is_held_up:
                began_s = monotonic()
                if not await self._say_something():
                    return False
                continue
            if (
                self.read_at_s <= waits_since_s
                or self._has_gone_on(*before)
                or monotonic() - began_s >= self.long_message_timeout_s
            ):
                return False

    def _has_gone_on(self, messages: int, read_bytes: int) -> bool:
        """Tell whether messages began and ended since so many were read, so that a pong could."""
        return self.read_messages > messages and self.read_bytes - read_bytes > _ON_ITS_WAY_BYTES

    async def _say_something(self) -> bool:
        """Keep a load balancer from taking a connection that waits for one that nobody uses."""
        try:
            async with asyncio.timeout(self.ping_timeout):
                await self.pong()
        except TimeoutError:
            return False
        return True
