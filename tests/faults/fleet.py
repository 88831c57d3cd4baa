"""A fleet that comes all at once; who is put off comes back when told to."""

import asyncio
import json
import math
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from websockets.frames import Opcode

from tests.faults.sockets import boot, status
from tests.support.raw_websocket import RawWebSocket, frame, raw_websocket

# As long as the simulator's stations wait.
_HANDSHAKE_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 30.0
_BACKOFF_MIN_S, _BACKOFF_MAX_S = 1.0, 60.0
_RETRY_AFTER = re.compile(r"^retry-after: *(\d+)", re.MULTILINE | re.IGNORECASE)
_LOST = (OSError, asyncio.IncompleteReadError)  # TimeoutError is an OSError


@dataclass
class Storm:
    """What the stations of a fleet met that came at once."""

    handshakes_s: list[float] = field(default_factory=list)
    """How long each handshake took until its answer, whatever that was, or until it was given up.
    """
    put_off: Counter[str] = field(default_factory=Counter)
    """How often each station was told to come again later."""
    unanswered: int = 0
    """Handshakes that got no answer."""
    booted_s: list[float] = field(default_factory=list)
    """When each station had booted, after the moment at which all came."""

    @property
    def longest_handshake_s(self) -> float:
        """How long a station waited at the door at most."""
        return max(self.handshakes_s)

    def seconds_to_booted(self, share: float) -> float:
        """Return after how many seconds such a share of the stations had booted."""
        return sorted(self.booted_s)[math.ceil(share * len(self.booted_s)) - 1]


@asynccontextmanager
async def storm(url: str, station_ids: Sequence[str]) -> AsyncIterator[Storm]:
    """Have stations connect and boot, all at once, and keep them connected in the context.

    Args:
        url: where they connect; ends in `/ocpp`.
        station_ids: registered with the password of `tests.support.stations`.
    """
    seen = Storm()
    began_s = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        booted = [asyncio.Event() for _ in station_ids]
        running = [
            tasks.create_task(_come(seen, url, station_id, began_s, its_booted))
            for station_id, its_booted in zip(station_ids, booted, strict=True)
        ]
        try:
            await asyncio.gather(*(each.wait() for each in booted))
            yield seen
        finally:
            for task in running:
                task.cancel()


async def _come(
    seen: Storm, url: str, station_id: str, began_s: float, booted: asyncio.Event
) -> None:
    """Try until the station has booted, and then stay."""
    clock = asyncio.get_running_loop().time
    backoff_s = _BACKOFF_MIN_S
    while not booted.is_set():
        async with AsyncExitStack() as stack:
            dialled_at_s = clock()
            try:
                async with asyncio.timeout(_HANDSHAKE_TIMEOUT_S):
                    websocket = await stack.enter_async_context(raw_websocket(url, station_id))
            except _LOST:
                seen.unanswered += 1
                response = ""
            else:
                response = websocket.response
            seen.handshakes_s.append(clock() - dialled_at_s)
            if response.startswith("HTTP/1.1 101"):
                try:
                    await _boot(websocket)
                    seen.booted_s.append(clock() - began_s)
                    booted.set()
                    while True:
                        await _receive(websocket)
                except _LOST:
                    response = ""
        if retry_after := _RETRY_AFTER.search(response):
            seen.put_off[station_id] += 1
            await asyncio.sleep(float(retry_after[1]))
        else:
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1))  # noqa: S311 - no secret
            backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)


async def _boot(websocket: RawWebSocket) -> None:
    """Boot and tell the state of station and connector, each when the one before is answered."""
    for action, payload in (
        ("BootNotification", boot("Model")),
        ("StatusNotification", status(0, "Available")),
        ("StatusNotification", status(1, "Available")),
    ):
        await websocket.send(frame(json.dumps([2, action, action, payload]).encode()))
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await _receive(websocket)


async def _receive(websocket: RawWebSocket) -> bytes:
    """Return the next message; pings are answered."""
    while True:
        opcode, data = await websocket.receive()
        if opcode == Opcode.TEXT:
            return data
        if opcode == Opcode.PING:
            await websocket.send(frame(data, opcode=Opcode.PONG))
