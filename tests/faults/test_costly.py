"""A station whose messages take far more work than their length tells costs only itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtest.bench.processes import cpu_s
from tests.faults.others import asking, register
from tests.faults.sockets import open_socket
from tests.faults.special import with_client
from tests.faults.table import FULL, Finding, invariant, scaled
from tests.support.costly_frames import KINDS, costly_frame
from tests.support.http import http_client
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.raw_websocket import RawWebSocket, frame, raw_websocket

GATEWAY = "gateway-1"
SENDERS = 5
PHASE_S = scaled(2.0, 6.0)
# Until they have sent what is given at once after a calm.
SETTLE_S = 2.0
P99_S = 0.05
BOOT = b'[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
NO_BUDGETS = {
    "VOLTARO_STATION_PROCESSOR_SHARE": "1000",
    "VOLTARO_STATION_BYTES_PER_S": "1000000000",
}
MIXED = "all kinds mixed"
# Decoded in one go, however long that takes: no steps help who waits.
INDIVISIBLE = "numbers"


@dataclass
class Shared:
    """What costly senders left to others."""

    p99_s: float
    longest_s: float
    processor_share: float


async def send_forever(station: RawWebSocket, messages: Sequence[bytes]) -> None:
    """Send one as soon as the one before is answered; an answer gets none."""
    while True:
        for message in messages:
            await station.send(frame(message))
            if not message.startswith(b"[3,"):
                await station.receive()


@asynccontextmanager
async def senders(url: str, ids: Sequence[str], kinds: Sequence[str]) -> AsyncIterator[None]:
    """Have stations send such messages, each a kind of its own if there are several."""
    async with AsyncExitStack() as stack:
        tasks = []
        for number, station_id in enumerate(ids):
            station = await stack.enter_async_context(raw_websocket(url, station_id))
            await station.send(frame(BOOT))
            await station.receive()
            turned = [*kinds[number % len(kinds) :], *kinds[: number % len(kinds)]]
            messages = [costly_frame(kind) for kind in turned]
            tasks.append(asyncio.create_task(send_forever(station, messages)))
        try:
            yield
            ended = [task for task in tasks if task.done()]
            assert not ended, f"{len(ended)} senders were closed"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def share(cluster: Cluster, kinds: Sequence[Sequence[str]]) -> tuple[float, list[Shared]]:
    """Measure what stations that behave wait alone, and beside five senders of each of these.

    Returns:
        The p99 of their waits alone, and what was found.
    """
    url, pid = cluster.gateway_urls[GATEWAY], cluster.pids[GATEWAY]
    good = [f"GOOD-{number}" for number in range(10)]
    found = []
    await register(cluster, good)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_socket(url, each)) for each in good]
        for each in sockets:
            await each.boot()
        async with asking(sockets) as others:
            await asyncio.sleep(PHASE_S)
        before_s = others.p99_s()
        for round_, sent in enumerate(kinds):
            bad = [f"BAD-{round_}-{number}" for number in range(SENDERS)]
            await register(cluster, bad)
            async with senders(url, bad, sent):
                await asyncio.sleep(SETTLE_S)
                began_s, cpu_before_s = time.monotonic(), cpu_s(pid)
                async with asking(sockets) as others:
                    await asyncio.sleep(PHASE_S)
                seconds = time.monotonic() - began_s
                busy = (cpu_s(pid) - cpu_before_s) / seconds
                found.append(Shared(others.p99_s(), others.longest_s, busy))
    return before_s, found


async def said_away(cluster: Cluster) -> bool:
    """Return whether the gateway says that Postgres is away."""
    async with http_client() as client:
        ready = await client.get(f"{cluster.management_urls[GATEWAY]}/readyz")
    return not ready.is_success


def tell(finding: Finding, kinds: Sequence[str], before_s: float, found: Sequence[Shared]) -> None:
    finding.tell(p99_ms_alone=1000 * before_s)
    finding.times = len(kinds) * SENDERS
    for kind, each in zip(kinds, found, strict=True):
        name = f"{kind} p99 ms" if FULL or len(kinds) < 3 else f"{kind[:24]}"
        finding.tell(**{name: round(1000 * each.p99_s)})
    finding.tell(
        worst_p99_ms=1000 * max(each.p99_s for each in found),
        longest_wait_ms=1000 * max(each.longest_s for each in found),
        share_of_a_processor=max(each.processor_share for each in found),
    )


@invariant(15, "five stations send messages that are costly to read, to refuse or to mend")
@pytest.mark.timeout(400)
async def test_costly_messages_cost_only_their_sender(tmp_path: Path, finding: Finding) -> None:
    kinds = [*([[kind] for kind in KINDS] if FULL else []), KINDS]
    with running_cluster(tmp_path / "data") as running:
        async with with_client(running) as cluster:
            before_s, found = await share(cluster, kinds)
            assert not await said_away(cluster)
    tell(finding, [each[0] if len(each) == 1 else MIXED for each in kinds], before_s, found)
    # Tests that run beside this one let them wait alone already.
    assert max(each.p99_s for each in found) < P99_S + (0 if FULL else 2 * before_s)


@invariant(15, "the same, with no budget of bytes or of time", control=True)
@pytest.mark.timeout(400)
async def test_without_a_budget_costly_messages_take_what_there_is(
    tmp_path: Path, finding: Finding
) -> None:
    with running_cluster(tmp_path / "data", environment=NO_BUDGETS) as running:
        async with with_client(running) as cluster:
            before_s, (found,) = await share(cluster, [[INDIVISIBLE]])
    tell(finding, [INDIVISIBLE], before_s, [found])
    assert found.processor_share > 0.3
    assert found.p99_s > 3 * before_s
