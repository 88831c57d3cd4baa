"""A station that sends and does not read costs only itself."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.faults.others import asking, register
from tests.faults.sockets import open_socket
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.faults.test_storm import rss_mib
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.raw_websocket import frame
from tests.support.stations import basic_auth

GATEWAY = "gateway-1"
FLOODERS = scaled(6, 60)
PHASE_S = scaled(3.0, 20.0)
# Until every buffer is full, a flood is taken as fast as it can be answered.
SETTLE_S = 1.5
PING_INTERVAL_S = 2.0
PING_TIMEOUT_S = 1.5
FLOOD_MESSAGE_BYTES = 64 * 1024
FLOOD_MESSAGES = 400

RSS_GROWTH_MIB_PER_FLOODER = 8.0
P99_RATIO = 10.0
LONGEST_WAIT_S_PER_FLOODER = 0.3


def heartbeats() -> Iterator[bytes]:
    """Yield what is answered at once, for ever: the answers fill every buffer on the way back."""
    many = b"".join(
        frame(json.dumps([2, f"h{number}", "Heartbeat", {}]).encode()) for number in range(100)
    )
    while True:
        yield many


def meter_values() -> Iterator[bytes]:
    """Yield large messages, none of which waits for the answer to the one before."""
    value = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}
    payload = {"connectorId": 1, "meterValue": [value], "x": "x" * FLOOD_MESSAGE_BYTES}
    for number in range(FLOOD_MESSAGES):
        yield frame(json.dumps([2, f"m{number}", "MeterValues", payload]).encode())


@dataclass
class Flooded:
    """What flooding did to a gateway."""

    rss_growth_mib: float = 0.0
    p99_before_s: float = 0.0
    p99_meanwhile_s: float = 0.0
    longest_wait_s: float = 0.0
    closed_after_s: float = 0.0
    taken_mib: float = 0.0
    """What the gateway, or a buffer on the way to it, has taken of the floods."""


class Flooder:
    """A station that sends as fast as the gateway takes it, and reads nothing; it blocks.

    Args:
        url: ends in `/ocpp`.
        station_id: a registered station.
        frames: what it sends.
    """

    def __init__(self, url: str, station_id: str, frames: Iterator[bytes]) -> None:
        parts = urlsplit(url)
        self._frames = frames
        self.taken_bytes = 0
        self.socket = socket.create_connection((parts.hostname, parts.port))
        headers = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "ocpp1.6",
            **basic_auth(station_id),
        }
        lines = [f"GET {parts.path}/{station_id} HTTP/1.1", *map(": ".join, headers.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        self.socket.sendall(frame(json.dumps([2, "b", "BootNotification", boot]).encode()))
        answer = b""
        while b"Accepted" not in answer:
            received = self.socket.recv(4096)
            assert received, answer
            answer += received

    def flood(self) -> None:
        """Send until the gateway closes."""
        with suppress(OSError):
            for each in self._frames:
                self.socket.sendall(each)
                self.taken_bytes += len(each)


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
    await register(cluster, good + bad)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_socket(url, each)) for each in good]
        for each in sockets:
            await each.boot()
        async with asking(sockets) as others:
            await asyncio.sleep(PHASE_S)
        flooded.p99_before_s = others.p99_s()
        threads = stack.enter_context(ThreadPoolExecutor(len(kinds)))
        flooders = []
        for station_id, kind in zip(bad, kinds, strict=True):
            frames = heartbeats() if kind % 2 else meter_values()
            flooder = await asyncio.to_thread(Flooder, url, station_id, frames)
            stack.callback(flooder.socket.close)
            stack.callback(_end, flooder.socket)
            flooders.append(flooder)
        pid = cluster.pids[GATEWAY]
        before_mib = rss_mib(pid)
        began = time.monotonic()
        for flooder in flooders:
            threads.submit(flooder.flood)
        async with asking(sockets) as others:
            await asyncio.sleep(SETTLE_S)
            others.forget()
            while time.monotonic() < began + SETTLE_S + PHASE_S:
                flooded.rss_growth_mib = max(flooded.rss_growth_mib, rss_mib(pid) - before_mib)
                await asyncio.sleep(0.05)
        flooded.longest_wait_s = others.longest_s
        flooded.p99_meanwhile_s = others.p99_s()
        if until_closed:
            await eventually(
                lambda: online(cluster, bad), lambda count: count == 0, timeout_s=PHASE_S + 30
            )
            flooded.closed_after_s = time.monotonic() - began
        flooded.taken_mib = sum(flooder.taken_bytes for flooder in flooders) / 2**20
    return flooded


def _end(flooding: socket.socket) -> None:
    """Have a thread that sends go on, with an error."""
    with suppress(OSError):
        flooding.shutdown(socket.SHUT_RDWR)


async def online(cluster: Cluster, station_ids: list[str]) -> int:
    response = await cluster.api.get("/v1/stations", params={"online": True, "limit": 1000})
    return sum(each["station_id"] in station_ids for each in response.json()["items"])


def tell(finding: Finding, flooded: Flooded) -> None:
    finding.tell(
        flood_mib=flooded.taken_mib,
        rss_growth_mib=flooded.rss_growth_mib,
        others_p99_ms_before=1000 * flooded.p99_before_s,
        meanwhile=1000 * flooded.p99_meanwhile_s,
        longest_wait_ms=1000 * flooded.longest_wait_s,
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
    assert flooded.taken_mib > FLOODERS / 2, "the floods must have been floods"
    assert flooded.rss_growth_mib < FLOODERS * RSS_GROWTH_MIB_PER_FLOODER
    assert flooded.p99_meanwhile_s < P99_RATIO * flooded.p99_before_s + 0.1
    assert flooded.longest_wait_s < LONGEST_WAIT_S_PER_FLOODER * FLOODERS + 0.5
    assert flooded.closed_after_s < SETTLE_S + PHASE_S + PING_INTERVAL_S + PING_TIMEOUT_S + 5


@invariant(15, "the same, with no limit of how many messages may wait", control=True)
@pytest.mark.timeout(300)
async def test_without_a_limit_a_flood_is_kept_in_memory(tmp_path: Path, finding: Finding) -> None:
    environment = {
        "VOLTARO_STATION_BYTES_PER_S": "1000000000",
        "VOLTARO_STATION_PROCESSOR_SHARE": "1000",
        "VOLTARO_MAX_QUEUED_CALLS": "1000000",
    }
    with running_cluster(tmp_path / "data", environment=environment) as running:
        async with with_client(running) as cluster:
            db = await asyncpg.connect(cluster.database_url)
            try:
                async with db.transaction():  # so that what they say has to wait
                    await db.execute("LOCK TABLE meter_values IN EXCLUSIVE MODE")
                    flooded = await flood_gateway(cluster, [0, 0], until_closed=False)
            finally:
                await db.close()
    finding.times = 2
    tell(finding, flooded)
    assert flooded.rss_growth_mib > 2 * RSS_GROWTH_MIB_PER_FLOODER
