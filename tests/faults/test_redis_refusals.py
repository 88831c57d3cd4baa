"""Redis answers, and does not do what it is asked: sockets and ingest go on, nobody ends."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from tests.faults.audit import audit
from tests.faults.charging import charging
from tests.faults.commanded import commanded
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support import redis_states
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster
from tests.support.redis_states import State

STATES: tuple[State, ...] = (
    redis_states.read_only,
    redis_states.out_of_memory,
    redis_states.without_replicas,
    redis_states.unblocked,
)
STATE_S = scaled(2.5, 30.0)
RECOVERY_TIMEOUT_S = 20.0
# Short, so that it runs out and has to be taken again even in the short form.
ENVIRONMENT = {"VOLTARO_POD_LEASE_S": "1.5"}


@pytest.fixture(scope="module")
def refusing_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster whose leases in Redis run out while a state lasts."""
    data = tmp_path_factory.mktemp("refusals") / "data"
    with running_cluster(data, environment=ENVIRONMENT) as running:
        yield running


@dataclass
class Seen:
    """What was seen while Redis refused."""

    dropped: int = 0
    lost: int = 0
    answered: int = 0
    ended: list[str] = field(default_factory=list)
    commands: Counter[int] = field(default_factory=Counter)
    """Answers to commands while it refused, by their status."""
    recovered_s: list[float] = field(default_factory=list)


@asynccontextmanager
async def asking(cluster: Cluster, station_ids: list[str], seen: Seen) -> AsyncIterator[None]:
    """Ask one station after another for something while the context lasts."""

    async def ask() -> None:
        while True:
            for station_id in station_ids:
                seen.commands[await command(cluster, station_id)] += 1
                await asyncio.sleep(0.05)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def command(cluster: Cluster, station_id: str, *, wait_s: float = 0) -> int:
    """Ask for something, and return the status; one that was refused says why."""
    body = {"type": "DataTransfer", "vendor_id": "V", "wait_s": wait_s, "timeout_s": 5}
    response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
    if response.status_code == 503:
        assert "Redis" in response.json()["detail"], response.text
    return response.status_code


async def seconds_until_commands_go(cluster: Cluster, station_ids: list[str]) -> float:
    """Wait until a command of each station is answered by it."""
    began = time.monotonic()
    async with asyncio.timeout(RECOVERY_TIMEOUT_S):
        for station_id in station_ids:
            while await command(cluster, station_id, wait_s=2) != 200:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
    return time.monotonic() - began


def has_ended(pid: int) -> bool:
    """Tell whether a process is no more, or only waits for its parent to notice."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return facts.rpartition(")")[2].split()[0] == "Z"


async def refuse(
    cluster: Cluster,
    prefix: str,
    states: tuple[State, ...],
    meanwhile: Callable[[], None] = lambda: None,
) -> Seen:
    """Set Redis into one state after another under load.

    Args:
        cluster: whose Redis.
        prefix: of the stations' ids.
        states: of Redis.
        meanwhile: done once in each.
    """
    seen = Seen()
    idle = [f"{prefix}-{number}" for number in range(scaled(30, 300))]
    async with commanded(cluster, idle) as stations, charging(cluster, 10) as acknowledged:
        await seconds_until_commands_go(cluster, idle[:5])
        before = cluster.pids
        for state in states:
            with Redis.from_url(cluster.redis_url, decode_responses=True) as admin, state(admin):
                answered = len(acknowledged.meter_values)
                async with asking(cluster, idle, seen):
                    meanwhile()
                    await asyncio.sleep(STATE_S)
                seen.answered += len(acknowledged.meter_values) - answered
            seen.recovered_s.append(await seconds_until_commands_go(cluster, idle[:5]))
        after = cluster.pids
        seen.ended = [
            name for name, pid in before.items() if after.get(name) != pid or has_ended(pid)
        ]
        seen.dropped = sum(each.connections - 1 for each in stations) + acknowledged.resent
    seen.lost = (await audit(cluster.database_url, acknowledged)).total_lost
    return seen


@invariant(17, "READONLY, OOM, NOREPLICAS, UNBLOCKED, one after another under load")
@pytest.mark.timeout(400)
async def test_a_redis_that_refuses_disconnects_nobody_and_ends_nothing(
    refusing_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(refusing_cluster) as cluster:
        seen = await refuse(cluster, "REFUSED", STATES)
    finding.times = len(STATES)
    finding.tell(
        dropped_sockets=seen.dropped,
        lost_messages=seen.lost,
        processes_that_ended=len(seen.ended),
        answered_meanwhile=seen.answered,
        commands_503=seen.commands[503],
        other_than_202_and_503=sum(seen.commands.values())
        - seen.commands[202]
        - seen.commands[503],
        longest_seconds_until_commands_go_again=max(seen.recovered_s),
    )
    assert seen.ended == []
    assert seen.dropped == 0
    assert seen.lost == 0
    assert seen.answered > 10 * STATE_S
    assert seen.commands[503] > 0
    assert set(seen.commands) <= {202, 503}, seen.commands
    assert max(seen.recovered_s) < 10


@invariant(17, "OOM, and a gateway is killed meanwhile", control=True)
@pytest.mark.timeout(200)
async def test_a_process_that_ends_meanwhile_is_noticed(cluster: Cluster, finding: Finding) -> None:
    def kill() -> None:
        os.kill(cluster.pids["gateway-1"], signal.SIGKILL)

    seen = await refuse(cluster, "KILLED", (redis_states.out_of_memory,), kill)
    finding.times = 1
    finding.tell(dropped_sockets=seen.dropped, processes_that_ended=len(seen.ended))
    assert seen.ended == ["gateway-1"]
    assert seen.dropped > 0
