"""A station that says much more than it should is slowed down, and costs others nothing."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtest.bench.processes import cpu_s
from tests.faults.others import asking, register
from tests.faults.sockets import Socket, open_socket
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.local_cluster import Cluster, running_cluster

GATEWAY = "gateway-1"
FLOODERS = scaled(4, 20)
PHASE_S = scaled(1.5, 15.0)
FRAMES_PER_S = 50.0
FRAMES_BURST = 100
PROCESSOR_SHARE = 0.3
P99_RATIO = 5.0


@dataclass
class Flooded:
    """What a flood did to a gateway."""

    answered_per_s_and_flooder: float = 0.0
    processor_share: float = 0.0
    p99_before_s: float = 0.0
    p99_meanwhile_s: float = 0.0


class Flooder:
    """A station that says the next thing as soon as it is answered, as if there were no other.

    Args:
        socket: of a station that has booted.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.answered = 0

    async def flood_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            assert (await self._socket.call("Heartbeat", {}))[0] == 3
            self.answered += 1


async def flood(cluster: Cluster) -> Flooded:
    """Measure a gateway while stations flood it, after what they may send at once."""
    flooded = Flooded()
    url = cluster.gateway_urls[GATEWAY]
    good = [f"GOOD-{number}" for number in range(10)]
    bad = [f"BAD-{number}" for number in range(FLOODERS)]
    await register(cluster, good + bad)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_socket(url, each)) for each in good + bad]
        for each in sockets:
            await each.boot()
        async with asking(sockets[: len(good)]) as others:
            await asyncio.sleep(PHASE_S)
            flooded.p99_before_s = others.p99_s()
        flooders = [Flooder(socket) for socket in sockets[len(good) :]]
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for flooder in flooders:
                tasks.create_task(flooder.flood_until(stop))
            await asyncio.sleep(1 + 2 * FRAMES_BURST / 1000)
            pid = cluster.pids[GATEWAY]
            began, cpu_before_s = time.monotonic(), cpu_s(pid)
            answered_before = sum(flooder.answered for flooder in flooders)
            await asyncio.sleep(PHASE_S)
            seconds = time.monotonic() - began
            answered = sum(flooder.answered for flooder in flooders) - answered_before
            flooded.answered_per_s_and_flooder = answered / seconds / FLOODERS
            flooded.processor_share = (cpu_s(pid) - cpu_before_s) / seconds
            async with asking(sockets[: len(good)]) as others:
                await asyncio.sleep(PHASE_S)
                flooded.p99_meanwhile_s = others.p99_s()
            stop.set()
    return flooded


def tell(finding: Finding, flooded: Flooded) -> None:
    finding.times = FLOODERS
    finding.tell(
        answered_per_s_and_flooder=flooded.answered_per_s_and_flooder,
        of_allowed=FRAMES_PER_S,
        share_of_a_processor=flooded.processor_share,
        others_p99_ms_before=1000 * flooded.p99_before_s,
        meanwhile=1000 * flooded.p99_meanwhile_s,
    )


@invariant(15, "stations send the next message as soon as one is answered")
@pytest.mark.timeout(300)
async def test_a_station_that_sends_too_much_costs_only_itself(
    tmp_path: Path, finding: Finding
) -> None:
    environment = {
        "VOLTARO_STATION_FRAMES_PER_S": str(FRAMES_PER_S),
        "VOLTARO_STATION_FRAMES_BURST": str(FRAMES_BURST),
    }
    with running_cluster(tmp_path / "data", environment=environment) as running:
        async with with_client(running) as cluster:
            flooded = await flood(cluster)
    tell(finding, flooded)
    assert 0.5 * FRAMES_PER_S < flooded.answered_per_s_and_flooder < 1.2 * FRAMES_PER_S
    assert flooded.processor_share < PROCESSOR_SHARE
    assert flooded.p99_meanwhile_s < P99_RATIO * flooded.p99_before_s + 0.1


@invariant(15, "the same, with no limit of how much a station may send", control=True)
@pytest.mark.timeout(300)
async def test_without_a_limit_a_flood_is_answered(tmp_path: Path, finding: Finding) -> None:
    environment = {
        "VOLTARO_STATION_FRAMES_PER_S": "1000000",
        "VOLTARO_STATION_BYTES_PER_S": "1000000000",
        "VOLTARO_STATION_PROCESSOR_SHARE": "1000",
    }
    with running_cluster(tmp_path / "data", environment=environment) as running:
        async with with_client(running) as cluster:
            flooded = await flood(cluster)
    tell(finding, flooded)
    assert flooded.answered_per_s_and_flooder > 2 * FRAMES_PER_S
