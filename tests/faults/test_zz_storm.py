"""The whole fleet comes back at once, as after a power cut."""

import asyncio
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import RunningCluster, running_cluster

STATION_COUNT = 1500
POSTGRES_CONNECTIONS = 60
RSS_MIB = 1024
LAG_S = 5.0
BOOTED_WITHIN_S = 120.0


_LAG_BUCKET = re.compile(
    r'^voltaro_gateway_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE
)


@dataclass
class Peaks:
    """The most that was seen while the fleet came back."""

    postgres_connections: int = 0
    rss_mib: float = 0.0
    event_loop_lag_s: float = 0.0


async def watch(cluster: RunningCluster, peaks: Peaks) -> None:
    """Look a few times a second, until cancelled."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                count = await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                )
                peaks.postgres_connections = max(peaks.postgres_connections, count)
                for name, pid in cluster.pids.items():
                    if name.startswith("gateway"):
                        peaks.rss_mib = max(peaks.rss_mib, rss_mib(pid))
                        url = f"{cluster.management_urls[name]}/metrics"
                        with suppress(httpx.TransportError):
                            lag_s = longest_lag_s((await client.get(url)).text)
                            peaks.event_loop_lag_s = max(peaks.event_loop_lag_s, lag_s)
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


def rss_mib(pid: int) -> float:
    """Return a process's resident memory; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def longest_lag_s(metrics: str) -> float:
    """Return the upper bound of the last bucket of the histogram that holds anything."""
    longest, below = 0.0, 0.0
    for bound, count in _LAG_BUCKET.findall(metrics):
        if float(count) > below:
            longest, below = float(bound), float(count)
    return longest


async def seconds_until_booted(cluster: RunningCluster, count: int, *, since: float) -> float:
    """Wait until so many stations have booted after `since`, in seconds of the epoch."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        await eventually(
            lambda: connection.fetchval(
                "SELECT count(*) FROM stations WHERE booted_at > to_timestamp($1)", since
            ),
            lambda booted: booted >= count,
            timeout_s=BOOTED_WITHIN_S,
        )
    finally:
        await connection.close()
    return time.time() - since


@invariant(14, "SIGKILL of both gateways and of the fleet, which connects and boots at once")
@pytest.mark.timeout(1200)
async def test_a_boot_storm_is_bounded(tmp_path: Path, finding: Finding) -> None:
    peaks = Peaks()
    options = ("--stations", str(STATION_COUNT))
    with running_cluster(tmp_path / "data", *options) as cluster:
        await seconds_until_booted(cluster, STATION_COUNT, since=0)
        killed_at = time.time()
        for name in ("gateway-1", "gateway-2", "sim"):
            cluster.kill(name)
        watching = asyncio.create_task(watch(cluster, peaks))
        booted_s = await seconds_until_booted(cluster, round(STATION_COUNT * 0.99), since=killed_at)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    finding.times = STATION_COUNT
    finding.tell(
        seconds_to_99_percent_booted=booted_s,
        postgres_connections=peaks.postgres_connections,
        peak_rss_mib_of_a_gateway=peaks.rss_mib,
        event_loop_lag_s_at_most=peaks.event_loop_lag_s,
    )
    assert peaks.postgres_connections <= POSTGRES_CONNECTIONS
    assert 0 < peaks.rss_mib <= RSS_MIB
    assert 0 < peaks.event_loop_lag_s <= LAG_S
