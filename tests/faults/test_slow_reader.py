"""A station that sends and does not read costs only itself."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.sockets import Socket, open_socket
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.faults.test_storm import rss_mib
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.raw_websocket import RawWebSocket, frame, raw_websocket
from tests.support.stations import PASSWORD

GATEWAY = "gateway-1"
FLOODERS = scaled(6, 60)
PHASE_S = scaled(3.0, 20.0)
PING_INTERVAL_S = 2.0
PING_TIMEOUT_S = 1.5
FLOOD_MESSAGE_BYTES = 64 * 1024
FLOOD_MESSAGES = 400

RSS_GROWTH_MIB_PER_FLOODER = 8.0
P99_RATIO = 10.0


@dataclass
class Others:
    """How long stations that behave wait for an answer, in seconds."""

    waits_s: list[float] = field(default_factory=list)

    def p99_s(self) -> float:
        return sorted(self.waits_s)[int(0.99 * len(self.waits_s))]


async def keep_asking(socket: Socket, others: Others) -> None:
    """Say something again and again that has to be stored."""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    while True:
        began = time.monotonic()
        await socket.call("StatusNotification", payload)
        others.waits_s.append(time.monotonic() - began)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def asking(sockets: list[Socket]) -> AsyncIterator[Others]:
    others = Others()
    tasks = [asyncio.create_task(keep_asking(socket, others)) for socket in sockets]
    try:
        yield others
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def heartbeats() -> Iterator[bytes]:
    """Yield what is answered at once, for ever: the answers fill every buffer on the way back."""
    number = 0
    while True:
        number += 1
        yield b"".join(
            frame(json.dumps([2, f"h{number}-{each}", "Heartbeat", {}]).encode())
            for each in range(100)
        )


def data_transfers() -> Iterator[bytes]:
    """Yield large messages, none of which waits for the answer to the one before."""
    data = "x" * FLOOD_MESSAGE_BYTES
    for number in range(FLOOD_MESSAGES):
        meter_value = {
            "timestamp": "2026-01-01T00:00:00Z",
            "sampledValue": [{"value": "1"}],
        }
        payload = {"connectorId": 1, "meterValue": [meter_value], "x": data}
        yield frame(json.dumps([2, f"m{number}", "MeterValues", payload]).encode())


async def flood(websocket: RawWebSocket, kind: int) -> None:
    """Send until the gateway takes no more, or closes, and read nothing."""
    await websocket.send_until_closed(heartbeats() if kind % 2 else data_transfers())


@dataclass
class Flooded:
    """What flooding did to a gateway."""

    rss_growth_mib: float = 0.0
    p99_before_s: float = 0.0
    p99_meanwhile_s: float = 0.0
    closed_after_s: float = 0.0


async def flood_gateway(
    cluster: Cluster, kinds: list[int], *, until_closed: bool = True
) -> Flooded:
    """Measure a gateway while stations flood it that do not read.

    Args:
        cluster: where to look.
        kinds: of the floods, one station each.
        until_closed: wait until the gateway has closed them all.
    """
    flooded = Flooded()
    url = cluster.gateway_urls[GATEWAY]
    good = [f"GOOD-{number}" for number in range(10)]
    bad = [f"BAD-{number}" for number in range(len(kinds))]
    for station_id in good + bad:
        created = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        created.raise_for_status()
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_socket(url, each)) for each in good]
        for socket in sockets:
            await socket.boot()
        floods = [await stack.enter_async_context(raw_websocket(url, each)) for each in bad]
        boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        for websocket in floods:
            await websocket.send(frame(json.dumps([2, "b", "BootNotification", boot]).encode()))
            await websocket.receive()
        async with asking(sockets) as others:
            await asyncio.sleep(PHASE_S)
        flooded.p99_before_s = others.p99_s()
        pid = cluster.pids[GATEWAY]
        before_mib = rss_mib(pid)
        began = time.monotonic()
        flooding = [
            asyncio.create_task(flood(websocket, kind))
            for websocket, kind in zip(floods, kinds, strict=True)
        ]
        async with asking(sockets) as others:
            while time.monotonic() < began + PHASE_S:
                flooded.rss_growth_mib = max(flooded.rss_growth_mib, rss_mib(pid) - before_mib)
                await asyncio.sleep(0.05)
        flooded.p99_meanwhile_s = others.p99_s()
        if until_closed:
            await eventually(
                lambda: online(cluster, bad), lambda count: count == 0, timeout_s=PHASE_S + 30
            )
            flooded.closed_after_s = time.monotonic() - began
        for task in flooding:
            task.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)
    return flooded


async def online(cluster: Cluster, station_ids: list[str]) -> int:
    response = await cluster.api.get("/v1/stations", params={"online": True, "limit": 1000})
    return sum(each["station_id"] in station_ids for each in response.json()["items"])


def tell(finding: Finding, flooded: Flooded) -> None:
    finding.tell(
        rss_growth_mib=flooded.rss_growth_mib,
        others_p99_ms_before=1000 * flooded.p99_before_s,
        meanwhile=1000 * flooded.p99_meanwhile_s,
    )


@invariant(15, "stations flood their gateway with messages and do not read")
@pytest.mark.timeout(300)
async def test_a_station_that_does_not_read_costs_only_itself(
    tmp_path: Path, finding: Finding
) -> None:
    environment = {
        "VOLTARO_PING_INTERVAL_S": str(PING_INTERVAL_S),
        "VOLTARO_PING_TIMEOUT_S": str(PING_TIMEOUT_S),
    }
    with running_cluster(tmp_path / "data", environment=environment) as running:
        async with with_client(running) as cluster:
            flooded = await flood_gateway(cluster, list(range(FLOODERS)))
    finding.times = FLOODERS
    tell(finding, flooded)
    finding.tell(seconds_until_all_were_closed=flooded.closed_after_s)
    assert flooded.rss_growth_mib < FLOODERS * RSS_GROWTH_MIB_PER_FLOODER
    assert flooded.p99_meanwhile_s < P99_RATIO * flooded.p99_before_s + 0.1
    assert flooded.closed_after_s < PHASE_S + PING_INTERVAL_S + PING_TIMEOUT_S + 5


@invariant(15, "the same, with no limit of how many messages may wait", control=True)
@pytest.mark.timeout(300)
async def test_without_a_limit_a_flood_is_kept_in_memory(tmp_path: Path, finding: Finding) -> None:
    environment = {"VOLTARO_MAX_QUEUED_CALLS": "1000000"}
    with running_cluster(tmp_path / "data", environment=environment) as running:
        async with with_client(running) as cluster:
            flooded = await flood_gateway(cluster, [0, 0], until_closed=False)
    finding.times = 2
    tell(finding, flooded)
    assert flooded.rss_growth_mib > 2 * RSS_GROWTH_MIB_PER_FLOODER
