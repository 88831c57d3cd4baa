"""Stations that give a message up after some attempts, as those of OCPP 1.6 do.

What the socket answers badly, or not in time, is a failed attempt; while the station is offline it
queues (OCPP 1.6 §3.7.1, TransactionMessageAttempts and TransactionMessageRetryInterval).
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.faults.charging import Acknowledged, Cluster
from tests.support.stations import PASSWORD, basic_auth

_ATTEMPTS = 3
_RETRY_INTERVAL_S = 1.0
_RECONNECT_S = 0.3
_MESSAGE_INTERVAL_S = 0.25
_HANDSHAKE_TIMEOUT_S = 20.0


@dataclass
class Patience:
    """How stations were treated."""

    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    discarded: int = 0
    """Transaction messages that stations threw away."""
    call_errors: int = 0
    unanswered: int = 0
    """Time-outs while the socket was open."""
    handshakes: Counter[int] = field(default_factory=Counter)
    """Refused ones, by their status, or by the code that closed the socket before the station had
    booted; 0 for those that ended without a word."""


@dataclass
class _Message:
    action: str
    payload: dict[str, Any]
    charge: dict[str, Any]


class _CallRefusedError(Exception):
    """The answer was a CALLERROR."""


class PatientStation:
    """One station that charges without end and sends what it has in order.

    Args:
        url: ends in `/ocpp`.
        station_id: registered with the password of `tests.support.stations`.
        patience: where it notes what happens to it.
        answer_timeout_s: an answer that takes longer is a failed attempt.
    """

    def __init__(
        self, url: str, station_id: str, patience: Patience, *, answer_timeout_s: float
    ) -> None:
        self._url = f"{url}/{station_id}"
        self._station_id = station_id
        self._patience = patience
        self._answer_timeout_s = answer_timeout_s
        self._queue: asyncio.Queue[_Message] = asyncio.Queue()
        self._websocket: ClientConnection | None = None
        self._message_id = 0

    async def charge_until(self, stop: asyncio.Event) -> None:
        """Charge until told to stop, and then get rid of what is queued."""
        delivering = asyncio.create_task(self._deliver())
        try:
            await self._charge_until(stop)
            await self._queue.join()
        finally:
            delivering.cancel()
            await asyncio.wait([delivering])
            if self._websocket is not None:
                await self._websocket.close()

    async def _charge_until(self, stop: asyncio.Event) -> None:
        now, register_wh = datetime(2026, 1, 1, tzinfo=UTC), 0
        while not stop.is_set():
            charge: dict[str, Any] = {}
            for action in ("StartTransaction", "MeterValues", "MeterValues", "StopTransaction"):
                now += timedelta(seconds=1)
                register_wh += 10
                payload = _payload(action, now, register_wh)
                self._queue.put_nowait(_Message(action, payload, charge))
                await asyncio.sleep(_MESSAGE_INTERVAL_S)

    async def _deliver(self) -> None:
        while True:
            message = await self._queue.get()
            await self._send_patiently(message)
            self._queue.task_done()

    async def _send_patiently(self, message: _Message) -> None:
        attempts = 0
        while attempts < _ATTEMPTS:
            websocket = self._websocket or await self._connect()
            if message.action != "StartTransaction":
                message.payload["transactionId"] = message.charge.get("transaction_id", -1)
            try:
                answer = await self._call(websocket, message.action, message.payload)
            except (OSError, ConnectionClosed) as error:
                if not isinstance(error, TimeoutError):
                    self._websocket = None  # offline: it stays queued
                    continue
                self._patience.unanswered += 1
            except _CallRefusedError:
                self._patience.call_errors += 1
            else:
                self._acknowledge(message, answer)
                return
            attempts += 1
            await asyncio.sleep(_RETRY_INTERVAL_S * attempts)
        self._patience.discarded += 1

    def _acknowledge(self, message: _Message, answer: dict[str, Any]) -> None:
        acknowledged, payload = self._patience.acknowledged, message.payload
        if message.action == "StartTransaction":
            message.charge["transaction_id"] = answer["transactionId"]
            acknowledged.starts.append((self._station_id, str(answer["transactionId"])))
        elif message.action == "MeterValues":
            at = datetime.fromisoformat(payload["meterValue"][0]["timestamp"])
            acknowledged.meter_values.append((self._station_id, str(payload["transactionId"]), at))
        else:
            acknowledged.stops.append(
                (self._station_id, str(payload["transactionId"]), payload["meterStop"])
            )

    async def _connect(self) -> ClientConnection:
        """Come online, however long that takes."""
        while True:
            try:
                websocket = await connect(
                    self._url,
                    subprotocols=["ocpp1.6"],
                    additional_headers=basic_auth(self._station_id),
                    ping_interval=None,
                    open_timeout=_HANDSHAKE_TIMEOUT_S,
                    close_timeout=1,
                )
                with suppress(TimeoutError, _CallRefusedError):
                    boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
                    await self._call(websocket, "BootNotification", boot)
                    self._websocket = websocket
                    return websocket
                await websocket.close()
            except InvalidStatus as refused:
                self._patience.handshakes[refused.response.status_code] += 1
            except ConnectionClosed as closed:
                self._patience.handshakes[closed.rcvd.code if closed.rcvd else 0] += 1
            except (OSError, TimeoutError, InvalidHandshake):
                self._patience.handshakes[0] += 1
            await asyncio.sleep(_RECONNECT_S)

    async def _call(
        self, websocket: ClientConnection, action: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        self._message_id += 1
        message_id = str(self._message_id)
        async with asyncio.timeout(self._answer_timeout_s):
            await websocket.send(json.dumps([2, message_id, action, payload]))
            while True:  # an answer that is late belongs to an earlier attempt
                frame = json.loads(await websocket.recv())
                if frame[0] == 4 and frame[1] == message_id:
                    raise _CallRefusedError(frame)
                if frame[:2] == [3, message_id]:
                    return dict(frame[2])


def _payload(action: str, now: datetime, register_wh: int) -> dict[str, Any]:
    timestamp = now.isoformat().replace("+00:00", "Z")
    if action == "StartTransaction":
        return {"connectorId": 1, "idTag": "TAG", "meterStart": register_wh, "timestamp": timestamp}
    if action == "StopTransaction":
        return {"meterStop": register_wh, "timestamp": timestamp}
    sample = {"value": str(register_wh)}
    return {
        "connectorId": 1,
        "meterValue": [{"timestamp": timestamp, "sampledValue": [sample]}],
    }


@asynccontextmanager
async def patient(
    cluster: Cluster, station_ids: list[str], *, answer_timeout_s: float
) -> AsyncIterator[Patience]:
    """Have stations charge while the context lasts, and get rid of what they queued at its end."""
    patience = Patience()
    stop = asyncio.Event()
    for station_id in station_ids:
        created = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        created.raise_for_status()
    async with asyncio.TaskGroup() as tasks:
        for station_id in station_ids:
            station = PatientStation(
                cluster.ocpp_url, station_id, patience, answer_timeout_s=answer_timeout_s
            )
            tasks.create_task(station.charge_until(stop))
        try:
            yield patience
        finally:
            stop.set()
