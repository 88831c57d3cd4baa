"""Every gateway is restarted in its turn, as a new version is rolled out."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.audit import Audit, audit
from tests.faults.charging import charging
from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import CommandedStation, ReceivedCall, commanded
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.local_cluster import Cluster, running_cluster

COMMANDED_STATIONS = 20
# `voltaro up` stops all gateways together, and so lets none wait for its load balancer.
ENVIRONMENT = {"VOLTARO_DRAIN_DELAY_S": "2"}
# So long that some commands are always under way, and much shorter than a drain waits for them.
ANSWER_AFTER_S = 0.1
# What becomes of a command that was sent and is not answered.
UNANSWERED = ("sent", "unknown", "timed_out")


@pytest.fixture
async def rolled_cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose gateways stop as they do in production."""
    with running_cluster(tmp_path / "data", environment=ENVIRONMENT) as running:
        async with with_client(running) as cluster:
            yield cluster


@dataclass(frozen=True)
class Restarts:
    """What stations and operators saw of gateways that went away and came back."""

    times: int
    found: Audit
    sent_again: int
    commands: Counter[str]
    """By what became of them: their state, or the type of the problem."""
    sent_twice: int
    cut_off: int
    """Connections that ended without a word."""
    peak_reconnects_per_s: int

    @property
    def failed(self) -> int:
        """Commands that were not accepted, for whatever reason."""
        return self.commands.total() - self.commands["accepted"]

    @property
    def unanswered(self) -> int:
        """Commands that were sent, and whose outcome nobody knows."""
        return sum(self.commands[state] for state in UNANSWERED)

    def tell(self, finding: Finding) -> None:
        """Tell the figures."""
        finding.times = self.times
        finding.tell(
            lost=self.found.total_lost,
            stored_twice=self.found.total_twice,
            sent_again=self.sent_again,
            commands=self.commands.total(),
            failed_commands=self.failed,
            other_outcomes=", ".join(
                f"{count} {outcome}"
                for outcome, count in self.commands.items()
                if outcome != "accepted"
            )
            or "none",
            sent_and_unanswered=self.unanswered,
            sockets_cut_off=self.cut_off,
            peak_reconnects_per_s=self.peak_reconnects_per_s,
        )


async def answer_soon(station: CommandedStation, call: ReceivedCall) -> None:
    await asyncio.sleep(ANSWER_AFTER_S)
    await station.answer(call, {"status": "Accepted"})


async def restart_in_turn(
    cluster: Cluster, signal_number: signal.Signals, *, rounds: int, idle_stations: int
) -> Restarts:
    """End each gateway in its turn under load, and wait until it is back.

    Args:
        cluster: with gateways 1 and 2.
        signal_number: how they are ended.
        rounds: how often each of them is.
        idle_stations: how many do nothing but be there, beside those that charge.
    """
    station_ids = [f"IDLE-{number}" for number in range(idle_stations)]
    commands: Counter[str] = Counter()
    enough = asyncio.Event()

    async def keep_commanding(station_id: str) -> None:
        body = {"type": "DataTransfer", "vendor_id": "V", "timeout_s": 10}
        while not enough.is_set():
            response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
            record: dict[str, Any] = response.json()
            commands[record.get("state", record.get("type", ""))] += 1
            await asyncio.sleep(0.1)

    async with (
        commanded(cluster, station_ids, answering=answer_soon) as stations,
        charging(cluster, 10) as acknowledged,
    ):
        async with asyncio.TaskGroup() as commanding:
            for station_id in station_ids[:COMMANDED_STATIONS]:
                commanding.create_task(keep_commanding(station_id))
            for number in range(2 * rounds):
                gateway = f"gateway-{number % 2 + 1}"
                pid = cluster.pids[gateway]
                os.kill(pid, signal_number)
                await wait_until_ready(cluster, gateway, not_pid=pid)
                await asyncio.sleep(1)
            enough.set()
        reconnects = Counter(
            int(at_s) for station in stations for at_s in station.connected_at_s[1:]
        )
    return Restarts(
        times=2 * rounds,
        found=await audit(cluster.database_url, acknowledged),
        sent_again=acknowledged.resent,
        commands=commands,
        sent_twice=sum(station.sent_more_than_once() for station in stations),
        cut_off=sum(station.cut_off for station in stations),
        peak_reconnects_per_s=max(reconnects.values()),
    )


@invariant(13, "SIGTERM of each gateway in turn under load")
@pytest.mark.timeout(600)
async def test_a_rolling_restart_loses_nothing(rolled_cluster: Cluster, finding: Finding) -> None:
    seen = await restart_in_turn(
        rolled_cluster, signal.SIGTERM, rounds=scaled(1, 5), idle_stations=scaled(50, 300)
    )
    seen.tell(finding)
    assert seen.found.total_lost == 0, seen.found
    assert seen.found.total_twice == 0, seen.found
    assert seen.sent_twice == 0
    assert seen.unanswered == 0, seen.commands
    assert seen.cut_off == 0
    # What is asked of a station that is on its way to the other pod waits for it.
    assert seen.failed <= seen.commands.total() / 50, seen.commands


@invariant(13, "the same with SIGKILL, which leaves no time to drain", control=True)
@pytest.mark.timeout(200)
async def test_a_gateway_that_does_not_drain_is_noticed(
    rolled_cluster: Cluster, finding: Finding
) -> None:
    seen = await restart_in_turn(rolled_cluster, signal.SIGKILL, rounds=1, idle_stations=50)
    seen.tell(finding)
    assert seen.unanswered > 0
    assert seen.cut_off > 0
