"""Every gateway is restarted in its turn, as a new version is rolled out."""

import asyncio
import os
import signal
from collections import Counter
from typing import Any

import pytest

from tests.faults.audit import audit
from tests.faults.charging import charging
from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import commanded
from tests.faults.table import Finding, invariant, scaled
from tests.support.local_cluster import Cluster


@invariant(13, "SIGTERM of each gateway in turn under load")
@pytest.mark.timeout(600)
async def test_a_rolling_restart_loses_nothing(cluster: Cluster, finding: Finding) -> None:
    rounds = scaled(1, 5)
    station_ids = [f"IDLE-{number}" for number in range(scaled(50, 300))]
    commands: Counter[str] = Counter()

    async def keep_commanding(station_id: str) -> None:
        body = {"type": "DataTransfer", "vendor_id": "V", "timeout_s": 10}
        while True:
            response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
            record: dict[str, Any] = response.json()
            commands[record.get("state", record.get("type", ""))] += 1
            await asyncio.sleep(0.1)

    async with commanded(cluster, station_ids) as stations, charging(cluster, 10) as acknowledged:
        commanding = [asyncio.create_task(keep_commanding(each)) for each in station_ids[:20]]
        for number in range(2 * rounds):
            gateway = f"gateway-{number % 2 + 1}"
            pid = cluster.pids[gateway]
            os.kill(pid, signal.SIGTERM)
            await wait_until_ready(cluster, gateway, not_pid=pid)
            await asyncio.sleep(1)
        for task in commanding:
            task.cancel()
        await asyncio.gather(*commanding, return_exceptions=True)
        reconnects = Counter(
            int(at_s) for station in stations for at_s in station.connected_at_s[1:]
        )
    found = await audit(cluster.database_url, acknowledged)
    failed = commands.total() - commands["accepted"]
    finding.times = 2 * rounds
    finding.tell(
        lost=found.total_lost,
        stored_twice=found.total_twice,
        sent_again=acknowledged.resent,
        commands=commands.total(),
        failed_commands=failed,
        other_outcomes=", ".join(
            f"{count} {outcome}" for outcome, count in commands.items() if outcome != "accepted"
        )
        or "none",
        peak_reconnects_per_s=max(reconnects.values()),
    )
    assert found.total_lost == 0, found
    assert found.total_twice == 0, found
    assert sum(station.sent_more_than_once() for station in stations) == 0
    # What is asked of a station that is on its way to the other pod waits for it.
    assert failed <= commands.total() / 50, commands
