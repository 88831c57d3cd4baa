"""Stations that note every CALL they get, and answer as they are told to."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD, basic_auth

_RECONNECT_S = 0.1


@dataclass(frozen=True)
class ReceivedCall:
    """A CALL of ours, as it came."""

    message_id: str
    action: str
    payload: dict[str, Any]
    at_s: float
    connection: int


Answer: TypeAlias = Callable[["CommandedStation", ReceivedCall], Awaitable[None]]


async def accept(station: "CommandedStation", call: ReceivedCall) -> None:
    """Answer Accepted at once."""
    await station.answer(call, {"status": "Accepted"})


@dataclass
class CommandedStation:
    """One station.

    Args:
        url: where it connects; ends in `/ocpp`.
        station_id: who it is.
        answering: what it does with each CALL.
    """

    url: str
    station_id: str
    answering: Answer = accept
    calls: list[ReceivedCall] = field(default_factory=list)
    connected_at_s: list[float] = field(default_factory=list)
    cut_off: int = 0
    """Connections that ended without a closing frame."""
    close_reasons: list[str] = field(default_factory=list)
    """What it was told at the end of each connection that was closed with 1008."""
    unanswered: int = 0
    most_unanswered: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _websocket: ClientConnection | None = None

    @property
    def connections(self) -> int:
        """How often it has connected."""
        return len(self.connected_at_s)

    async def run(self) -> None:
        """Stay connected, and connect again whenever the connection is lost.

        It comes back at once, or when a server that refuses it says.
        """
        while True:
            wait_s = _RECONNECT_S
            try:
                async with connect(
                    f"{self.url}/{self.station_id}",
                    subprotocols=["ocpp1.6"],
                    additional_headers=basic_auth(self.station_id),
                    ping_interval=None,
                    close_timeout=1,
                ) as websocket:
                    await self._serve(websocket)
            except InvalidStatus as refused:
                wait_s = float(refused.response.headers.get("Retry-After", _RECONNECT_S))
            except (OSError, WebSocketException):
                pass
            await asyncio.sleep(wait_s)

    async def answer(self, call: ReceivedCall, payload: dict[str, Any]) -> None:
        """Send the CALLRESULT."""
        self.unanswered -= 1
        if self._websocket is not None:
            with suppress(WebSocketException):
                await self._websocket.send(json.dumps([3, call.message_id, payload]))

    async def come_back(self) -> None:
        """Close the connection, and come back as after any other end."""
        if self._websocket is not None:
            await self._websocket.close()

    def sent_more_than_once(self) -> int:
        """Return how many CALLs came again, on whatever connection."""
        counts = Counter(call.message_id for call in self.calls)
        return sum(count - 1 for count in counts.values())

    async def _serve(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self.connected_at_s.append(time.monotonic())
        self.unanswered = 0
        boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        await websocket.send(json.dumps([2, "boot", "BootNotification", boot]))
        async with asyncio.TaskGroup() as tasks:
            async for data in _until_lost(websocket):
                match json.loads(data):
                    case [2, message_id, action, payload]:
                        call = ReceivedCall(
                            message_id, action, payload, time.monotonic(), self.connections
                        )
                        self.calls.append(call)
                        self.unanswered += 1
                        self.most_unanswered = max(self.most_unanswered, self.unanswered)
                        tasks.create_task(self.answering(self, call))
                    case [3, "boot", _]:
                        self.ready.set()
        if websocket.close_code == CloseCode.POLICY_VIOLATION:
            self.close_reasons.append(websocket.close_reason or "")
        self.cut_off += websocket.close_code in {None, CloseCode.ABNORMAL_CLOSURE}


async def _until_lost(websocket: ClientConnection) -> AsyncIterator[str | bytes]:
    with suppress(WebSocketException):
        async for data in websocket:
            yield data


@asynccontextmanager
async def commanded(
    cluster: Cluster, station_ids: list[str], *, url: str | None = None, answering: Answer = accept
) -> AsyncIterator[list[CommandedStation]]:
    """Register stations and keep them connected while the context lasts."""
    for station_id in station_ids:
        created = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        created.raise_for_status()
    stations = [
        CommandedStation(url or cluster.ocpp_url, station_id, answering)
        for station_id in station_ids
    ]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(station.run()) for station in stations]
        try:
            async with asyncio.timeout(30):
                await asyncio.gather(*(station.ready.wait() for station in stations))
            yield stations
        finally:
            for task in running:
                task.cancel()
