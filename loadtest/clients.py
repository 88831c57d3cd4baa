"""Stations that do nothing but send one message after another and wait for each answer."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_FIRST_SAMPLE = datetime.now(UTC)
_instants = count()
_METER_VALUES = (
    '[2,"%d","MeterValues",{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"%s",'
    '"sampledValue":['
    '{"value":"%d","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
    '"location":"Outlet","unit":"Wh"},'
    '{"value":"10980.5","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
    '{"value":"15.9","context":"Sample.Periodic","measurand":"Current.Import","phase":"L1",'
    '"unit":"A"},'
    '{"value":"230.1","context":"Sample.Periodic","measurand":"Voltage","phase":"L1","unit":"V"},'
    '{"value":"57","context":"Sample.Periodic","measurand":"SoC","unit":"Percent"}]}]}]'
)

Frames = Callable[[], Iterator[str]]


def meter_values() -> Iterator[str]:
    """Yield MeterValues of five samples, no two of one instant: each has to be stored."""
    for number in _instants:
        sampled_at = _FIRST_SAMPLE + timedelta(milliseconds=number)
        yield _METER_VALUES % (number, sampled_at.isoformat(timespec="milliseconds"), number)


def heartbeats() -> Iterator[str]:
    """Yield Heartbeats."""
    for number in count():
        yield f'[2,"{number}","Heartbeat",{{}}]'


@dataclass(frozen=True)
class Load:
    """What a run of a fleet came to: `latencies_s` holds one entry per answered message."""

    messages: int
    seconds: float
    latencies_s: list[float]


async def open_station(url: str, station_id: str, password: str) -> ClientConnection:
    """Connect as a station to `url`, which ends in `/ocpp`."""
    token = base64.b64encode(f"{station_id}:{password}".encode()).decode()
    return await connect(
        f"{url}/{station_id}",
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": f"Basic {token}"},
        compression=None,
        ping_interval=None,
    )


async def boot(station: ClientConnection) -> None:
    """Boot, so that the gateway listens to everything else."""
    await station.send(
        '[2,"b","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"B1"}]'
    )
    await station.recv()


async def drive(stations: list[ClientConnection], frames: Frames, *, seconds: float) -> Load:
    """Let every station send for so long, one message at a time."""
    latencies: list[float] = []
    started = time.perf_counter()
    until = started + seconds

    async def send_all(station: ClientConnection) -> None:
        for frame in frames():
            before = time.perf_counter()
            if before >= until:
                return
            await station.send(frame)
            await station.recv(decode=False)
            latencies.append(time.perf_counter() - before)

    async with asyncio.TaskGroup() as tasks:
        for station in stations:
            tasks.create_task(send_all(station))
    return Load(len(latencies), time.perf_counter() - started, latencies)
