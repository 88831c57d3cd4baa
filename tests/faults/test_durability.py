"""Gateways and Postgres may die at any moment: what was acknowledged is stored, and only once."""

import asyncio
import os
import signal

import asyncpg
import pytest

from tests.faults.audit import audit
from tests.faults.charging import charging
from tests.faults.cluster import wait_until_ready
from tests.faults.table import Finding, invariant, scaled
from tests.support.local_cluster import Cluster

STATIONS = 20
KILLS = scaled(10, 50)
VICTIMS = ("gateway-1", "gateway-2", "postgres")


@invariant(1, "SIGKILL of gateways and Postgres under load")
@pytest.mark.timeout(600)
async def test_what_was_acknowledged_is_stored_once_whoever_is_killed(
    cluster: Cluster, finding: Finding
) -> None:
    async with charging(cluster, STATIONS) as acknowledged:
        for number in range(KILLS):
            victim = VICTIMS[number % len(VICTIMS)]
            await asyncio.sleep(0.2)
            pid = cluster.pids[victim]
            os.kill(pid, signal.SIGKILL)
            await wait_until_ready(cluster, victim, not_pid=pid)
    found = await audit(cluster.database_url, acknowledged)
    finding.times = KILLS
    finding.tell(
        acknowledged=found.total_acknowledged,
        acknowledged_minus_stored=found.total_lost,
        stored_twice=found.total_twice,
        sent_again=acknowledged.resent,
    )
    assert acknowledged.resent >= KILLS / 2, "the kills must have hit stations at work"
    assert found.total_lost == 0, found
    assert found.total_twice == 0, found
    # The stations ended their last charge, so none is left open.
    assert found.open_sessions == 0


@invariant(1, "the same with synchronous_commit=off", control=True)
@pytest.mark.timeout(300)
async def test_a_commit_that_does_not_wait_for_the_disk_loses_messages(
    cluster: Cluster, finding: Finding
) -> None:
    connection = await asyncpg.connect(cluster.superuser_url)
    try:
        await connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        # As slow a writer as there is, so that few kills are enough.
        await connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    kills = 3
    async with charging(cluster, STATIONS) as acknowledged:
        for _ in range(kills):
            # `voltaro up` gives a program up that dies again and again within its first second.
            await asyncio.sleep(1.5)
            pid = cluster.pids["postgres"]
            os.kill(pid, signal.SIGKILL)
            await wait_until_ready(cluster, "postgres", not_pid=pid)
    found = await audit(cluster.database_url, acknowledged)
    finding.times = kills
    finding.tell(acknowledged=found.total_acknowledged, acknowledged_minus_stored=found.total_lost)
    assert found.total_lost > 0
