"""Stations that charge without end, send again what was not answered, and note what was."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.support.stations import PASSWORD, basic_auth

_ANSWER_TIMEOUT_S = 10.0
_RECONNECT_S = 0.1


class Cluster(Protocol):
    """What stations are told of a cluster, whoever runs it."""

    @property
    def ocpp_url(self) -> str:
        """Where they connect; ends in `/ocpp`."""

    @property
    def api(self) -> httpx.AsyncClient:
        """Where they are registered."""


@dataclass
class Acknowledged:
    """What the CSMS has answered, and so must have kept."""

    starts: list[tuple[str, str]] = field(default_factory=list)
    """(station, transaction id)"""
    meter_values: list[tuple[str, str, datetime]] = field(default_factory=list)
    """(station, transaction id, time of the sample)"""
    stops: list[tuple[str, str, int]] = field(default_factory=list)
    """(station, transaction id, register in Wh)"""
    resent: int = 0
    """How often a message had to be sent again, which is what the fault causes."""
    longest_s: float = 0.0
    """How long an answer took at most."""


class ChargingStation:
    """One station, one charge after another, each of a few messages.

    Args:
        url: ends in `/ocpp`.
        station_id: registered with the password of `tests.support.stations`.
        acknowledged: where it notes what was answered.
    """

    def __init__(self, url: str, station_id: str, acknowledged: Acknowledged) -> None:
        self._url = url
        self._station_id = station_id
        self._acknowledged = acknowledged
        self._websocket: ClientConnection | None = None
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._register_wh = 0
        self._message_id = 0

    async def charge_until(self, stop: asyncio.Event) -> None:
        """Charge until told to stop; the charge under way is finished."""
        try:
            while not stop.is_set():
                await self._charge()
        finally:
            if self._websocket is not None:
                await self._websocket.close()

    async def _charge(self) -> None:
        answer = await self._tell(
            "StartTransaction",
            {"connectorId": 1, "idTag": "TAG", "meterStart": self._register_wh, **self._time()},
        )
        transaction_id = answer["transactionId"]
        self._acknowledged.starts.append((self._station_id, str(transaction_id)))
        for _ in range(self._message_id % 4):
            self._register_wh += 10
            time = self._time()
            sample = {"value": str(self._register_wh)}
            await self._tell(
                "MeterValues",
                {
                    "connectorId": 1,
                    "transactionId": transaction_id,
                    "meterValue": [{**time, "sampledValue": [sample]}],
                },
            )
            self._acknowledged.meter_values.append(
                (self._station_id, str(transaction_id), self._now)
            )
        await self._tell(
            "StopTransaction",
            {"transactionId": transaction_id, "meterStop": self._register_wh, **self._time()},
        )
        self._acknowledged.stops.append((self._station_id, str(transaction_id), self._register_wh))

    def _time(self) -> dict[str, str]:
        self._now += timedelta(seconds=1)
        return {"timestamp": self._now.strftime("%Y-%m-%dT%H:%M:%SZ")}

    async def _tell(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a message, again and again, until it is answered."""
        while True:
            try:
                websocket = self._websocket or await self._connect()
                return await self._call(websocket, action, payload)
            except (OSError, TimeoutError, WebSocketException, InvalidHandshake):
                if self._websocket is not None:
                    self._acknowledged.resent += 1
                    self._websocket = None
                await asyncio.sleep(_RECONNECT_S)

    async def _connect(self) -> ClientConnection:
        websocket = await connect(
            f"{self._url}/{self._station_id}",
            subprotocols=["ocpp1.6"],
            additional_headers=basic_auth(self._station_id),
            ping_interval=None,
            close_timeout=1,
        )
        boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        await self._call(websocket, "BootNotification", boot)
        self._websocket = websocket
        return websocket

    async def _call(
        self, websocket: ClientConnection, action: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        self._message_id += 1
        message_id = str(self._message_id)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await websocket.send(json.dumps([2, message_id, action, payload]))
                frame = json.loads(await websocket.recv())
        finally:
            longest_s = max(self._acknowledged.longest_s, clock() - began)
            self._acknowledged.longest_s = longest_s
        assert frame[:2] == [3, message_id], f"{action} was answered with {frame}"
        return dict(frame[2])


async def register_stations(cluster: Cluster, count: int) -> list[str]:
    """Register stations CP-0, CP-1 … and the token TAG."""
    station_ids = [f"CP-{number}" for number in range(count)]
    for station_id in station_ids:
        answer = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        answer.raise_for_status()
    token = await cluster.api.post("/v1/id-tokens", json={"id_token": "TAG"})
    token.raise_for_status()
    return station_ids


@asynccontextmanager
async def charging(cluster: Cluster, stations: int) -> AsyncIterator[Acknowledged]:
    """Have stations charge while the context lasts, and finish their last charge at its end."""
    acknowledged = Acknowledged()
    stop = asyncio.Event()
    station_ids = await register_stations(cluster, stations)
    async with asyncio.TaskGroup() as tasks:
        for station_id in station_ids:
            station = ChargingStation(cluster.ocpp_url, station_id, acknowledged)
            tasks.create_task(station.charge_until(stop))
        try:
            yield acknowledged
        finally:
            stop.set()
