"""The whole fleet comes at once, as after a power cut."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from cli.up.stations import register, station_ids
from tests.faults.cluster import wait_until_ready
from tests.faults.fleet import Storm, storm
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.http import http_client
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.stations import PASSWORD

STATION_COUNT = scaled(200, 5000)
POSTGRES_CONNECTIONS = 60
RSS_MIB = 1024
LAG_S = 1.0
# The defaults are what one processor can do. Here two gateways share two of them, and that with
# everything else, the stations included.
BOUNDED = {"VOLTARO_HANDSHAKES_PER_S": "400", "VOLTARO_HANDSHAKES_BURST": "100"}
UNBOUNDED = {
    "VOLTARO_HANDSHAKES_PER_S": "1000000",
    "VOLTARO_HANDSHAKES_BURST": "1000000",
    "VOLTARO_LISTEN_BACKLOG": "1",
}
UNBOUNDED_COUNT = 200

_LAG_BUCKET = re.compile(
    r'^voltaro_gateway_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE
)


@dataclass
class Peaks:
    """The most that was seen while the fleet came."""

    postgres_connections: int = 0
    rss_mib: float = 0.0
    event_loop_lag_s: float = 0.0


@asynccontextmanager
async def watching(cluster: Cluster) -> AsyncIterator[Peaks]:
    """Look at Postgres and the gateways a few times a second while the context lasts."""
    peaks = Peaks()
    task = asyncio.create_task(_watch(cluster, peaks))
    try:
        yield peaks
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(cluster: Cluster, peaks: Peaks) -> None:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        async with http_client() as client:
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


async def cut_the_power(cluster: Cluster) -> None:
    """Kill both gateways, and wait until stations get through to those that replace them."""
    killed = {name: cluster.kill(name) for name in ("gateway-1", "gateway-2")}
    for name, pid in killed.items():
        await wait_until_ready(cluster, name, not_pid=pid)
    await wait_until_ready(cluster, "haproxy", not_pid=0)


@asynccontextmanager
async def cluster_of_fleet(
    data: Path, stations: int, environment: Mapping[str, str]
) -> AsyncIterator[Cluster]:
    """Run a cluster that knows so many stations, none of which is there."""
    with running_cluster(data, environment=environment) as running:
        async with with_client(running) as cluster:
            await register(cluster.http_url, cluster.api_key, stations, PASSWORD)
            yield cluster


def tell(finding: Finding, seen: Storm, peaks: Peaks) -> None:
    finding.times = len(seen.booted_s)
    finding.tell(
        seconds_to_99_percent_booted=seen.seconds_to_booted(0.99),
        postgres_connections=peaks.postgres_connections,
        peak_rss_mib_of_a_gateway=peaks.rss_mib,
        event_loop_lag_s_at_most=peaks.event_loop_lag_s,
        longest_handshake_s=seen.longest_handshake_s,
        handshakes_put_off=seen.put_off.total(),
        handshakes_unanswered=seen.unanswered,
    )


@invariant(14, "SIGKILL of both gateways; then the whole fleet connects and boots at once")
@pytest.mark.timeout(1200)
async def test_a_boot_storm_is_bounded(tmp_path: Path, finding: Finding) -> None:
    fleet = station_ids(STATION_COUNT)
    async with cluster_of_fleet(tmp_path / "data", STATION_COUNT, BOUNDED) as cluster:
        async with storm(cluster.ocpp_url, fleet):
            await cut_the_power(cluster)
        async with watching(cluster) as peaks, storm(cluster.ocpp_url, fleet) as seen:
            pass
    tell(finding, seen, peaks)
    assert peaks.postgres_connections <= POSTGRES_CONNECTIONS
    assert 0 < peaks.rss_mib <= RSS_MIB
    assert 0 < peaks.event_loop_lag_s <= LAG_S
    assert seen.put_off.total() > 0
    assert seen.unanswered == 0


@invariant(14, "everybody let in at once, of whom one may wait to be accepted", control=True)
@pytest.mark.timeout(300)
async def test_a_storm_that_nothing_holds_back_is_noticed(tmp_path: Path, finding: Finding) -> None:
    fleet = station_ids(UNBOUNDED_COUNT)
    async with (
        cluster_of_fleet(tmp_path / "data", UNBOUNDED_COUNT, UNBOUNDED) as cluster,
        watching(cluster) as peaks,
        storm(cluster.ocpp_url, fleet) as seen,
    ):
        pass
    tell(finding, seen, peaks)
    assert seen.unanswered > 0
