"""Redis may be emptied, hang, or die: sockets and ingest go on, and routes come back."""

import asyncio
import os
import signal
import time

import pytest
from redis.asyncio import Redis

from tests.faults.audit import audit
from tests.faults.charging import charging
from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import commanded
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster


async def routed(cluster: Cluster, station_ids: list[str]) -> int:
    """Count the stations that Redis has a route for."""
    response = await cluster.api.get("/v1/stations", params={"limit": 1000})
    owners = {each["station_id"]: each.get("owner") for each in response.json()["items"]}
    return sum(owners[station_id] is not None for station_id in station_ids)


async def seconds_until_routed(cluster: Cluster, station_ids: list[str]) -> float:
    began = time.monotonic()
    await eventually(
        lambda: routed(cluster, station_ids),
        lambda count: count == len(station_ids),
        timeout_s=60,
    )
    return time.monotonic() - began


@invariant(7, "FLUSHALL; Redis hangs; SIGKILL, and it comes back empty")
@pytest.mark.timeout(400)
async def test_losing_redis_disconnects_nobody_and_loses_nothing(
    cluster: Cluster, finding: Finding
) -> None:
    hang_s = scaled(6.0, 60.0)
    idle = [f"IDLE-{number}" for number in range(scaled(100, 500))]
    async with commanded(cluster, idle) as stations, charging(cluster, 10) as acknowledged:
        await seconds_until_routed(cluster, idle)
        redis = Redis.from_url(cluster.redis_url)
        await redis.flushall()
        await redis.aclose()
        after_flush_s = await seconds_until_routed(cluster, idle)
        pid = cluster.pids["redis"]
        os.kill(pid, signal.SIGSTOP)
        answered_before = len(acknowledged.meter_values)
        await asyncio.sleep(hang_s)
        answered_meanwhile = len(acknowledged.meter_values) - answered_before
        os.kill(pid, signal.SIGKILL)
        await wait_until_ready(cluster, "redis", not_pid=pid)
        after_kill_s = await seconds_until_routed(cluster, idle)
        dropped = sum(station.connections - 1 for station in stations) + acknowledged.resent
    found = await audit(cluster.database_url, acknowledged)
    finding.times = 3
    finding.tell(
        dropped_sockets=dropped,
        lost_messages=found.total_lost,
        answered_while_it_hung=answered_meanwhile,
        seconds_to_full_routing_after_flush=after_flush_s,
        after_kill=after_kill_s,
    )
    assert dropped == 0
    assert found.total_lost == 0
    assert answered_meanwhile > 10 * hang_s
    assert after_flush_s < 30
    assert after_kill_s < 30


@invariant(7, "FLUSHALL while the pods are stopped, so that nobody announces again", control=True)
async def test_missing_routes_are_noticed(shared_cluster: Cluster, finding: Finding) -> None:
    station_ids = ["UNROUTED"]
    async with commanded(shared_cluster, station_ids):
        await seconds_until_routed(shared_cluster, station_ids)
        gateways = [pid for name, pid in shared_cluster.pids.items() if name.startswith("gateway")]
        for pid in gateways:
            os.kill(pid, signal.SIGSTOP)
        try:
            redis = Redis.from_url(shared_cluster.redis_url)
            await redis.flushall()
            await redis.aclose()
            unrouted = 1 - await routed(shared_cluster, station_ids)
        finally:
            for pid in gateways:
                os.kill(pid, signal.SIGCONT)
        await seconds_until_routed(shared_cluster, station_ids)
    finding.times = 1
    finding.tell(stations_without_a_route=unrouted)
    assert unrouted == 1
