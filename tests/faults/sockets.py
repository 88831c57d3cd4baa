"""Single connections of a station, of which a test may hold several at the same time."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support.stations import basic_auth


@dataclass
class Socket:
    """One connection that notes every frame it gets, answers CALLs, and never connects again."""

    websocket: ClientConnection
    frames: list[tuple[float, list[Any]]] = field(default_factory=list)
    """(when, frame), by `time.monotonic`."""
    _message_id: int = 0
    _answers: dict[str, asyncio.Future[list[Any]]] = field(default_factory=dict)

    async def read(self) -> None:
        """Read until the connection ends."""
        with suppress(WebSocketException):
            async for data in self.websocket:
                frame = json.loads(data)
                self.frames.append((time.monotonic(), frame))
                if frame[0] == 2:
                    await self.websocket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
                elif (answer := self._answers.pop(frame[1], None)) and not answer.done():
                    answer.set_result(frame)

    async def send(self, action: str, payload: dict[str, Any]) -> str:
        """Send a CALL without waiting for its answer, and return its message id."""
        self._message_id += 1
        message_id = str(self._message_id)
        await self.websocket.send(json.dumps([2, message_id, action, payload]))
        return message_id

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL and return the frame that answers it."""
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._answers[str(self._message_id + 1)] = answer
        await self.send(action, payload)
        async with asyncio.timeout(20):
            return await answer

    async def boot(self, model: str = "Model") -> None:
        """Boot and wait for the answer."""
        frame = await self.call("BootNotification", boot(model))
        assert frame[2]["status"] == "Accepted", frame

    def received_since(self, at_s: float) -> list[list[Any]]:
        """Return the frames that came after a moment."""
        return [frame for when_s, frame in self.frames if when_s >= at_s]


def boot(model: str) -> dict[str, Any]:
    """Return the payload of a BootNotification."""
    return {"chargePointVendor": "Vendor", "chargePointModel": model}


def status(connector_id: int, word: str) -> dict[str, Any]:
    """Return the payload of a StatusNotification."""
    return {"connectorId": connector_id, "errorCode": "NoError", "status": word}


@asynccontextmanager
async def open_socket(url: str, station_id: str) -> AsyncIterator[Socket]:
    """Connect as a station to `url`, which ends in `/ocpp`."""
    async with connect(
        f"{url}/{station_id}",
        subprotocols=["ocpp1.6"],
        additional_headers=basic_auth(station_id),
        ping_interval=None,
        open_timeout=20,
        close_timeout=1,
    ) as websocket:
        socket = Socket(websocket)
        reading = asyncio.create_task(socket.read())
        try:
            yield socket
        finally:
            await websocket.close()
            await reading
