"""Postgres fails over: the primary is lost, its standby takes over, and no pod is restarted.

What comes back afterwards as the old primary and takes writes beside the new one is not tried: to
keep it from that is up to whatever decides on the fail-over (docs/how-to/postgres-failover.md).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.frames import CloseCode

from tests.faults.audit import Audit, audit
from tests.faults.charging import Acknowledged, charging
from tests.faults.patience import Patience, patient
from tests.faults.standby import Pods, ReplicatedCluster, running_pods, until_ready, with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.postgres_standby import PostgresPair

KILLS = scaled(2, 6)
HANGS = scaled(1, 3)
# What decides on the fail-over takes its time to be sure that the primary is gone.
NOTICED_AFTER_S = scaled(1.0, 15.0)
# In the short form all that waits for Postgres waits less; the full one has the defaults.
HOLD_S = scaled(1.0, 5.0)
# For how long the standby has been cut off when the primary is killed, by turns: so long that
# commits wait for it, and so long that they have been given up.
LAGS_S = (0.0, 3 * HOLD_S, 0.5)
ENVIRONMENT = {
    "VOLTARO_INGEST_HOLD_S": str(HOLD_S),
    "VOLTARO_DATABASE_COMMAND_TIMEOUT_S": str(scaled(2.0, 10.0)),
}
STATIONS = 20
PATIENT_STATIONS = 10
ANSWER_TIMEOUT_S = 30.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replicated(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pods]:
    """Pods on a primary whose commits wait for the standby; tests leave them as they were."""
    directory = tmp_path_factory.mktemp("replicated")
    async with running_pods(directory, synchronous=True, environment=ENVIRONMENT) as pods:
        yield pods


@dataclass
class FailOvers:
    """How long each of them took."""

    promoted_s: list[float] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)
    """From then on, until a station was answered again."""
    ready_s: list[float] = field(default_factory=list)
    """Likewise, until every pod said that it is ready."""


def count(acknowledged: Acknowledged) -> int:
    return sum(map(len, (acknowledged.starts, acknowledged.meter_values, acknowledged.stops)))


async def lag_behind(postgres: PostgresPair, seconds: float) -> None:
    """Have the standby miss what the primary commits, for so long."""
    await postgres.cut_replication()
    await asyncio.sleep(seconds)


async def take_over(
    cluster: ReplicatedCluster, acknowledged: Acknowledged, seen: FailOvers
) -> None:
    """Promote the standby, and wait until everything works again."""
    before = count(acknowledged)

    async def answered_at_s() -> float:
        await eventually(
            lambda: asyncio.sleep(0, count(acknowledged)), lambda now: now > before, timeout_s=90
        )
        return time.monotonic()

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        answered = tasks.create_task(answered_at_s())
        await cluster.postgres.promote()
        promoted_s = time.monotonic()
    await until_ready(cluster.pods)
    seen.promoted_s.append(promoted_s - began_s)
    # Postgres takes writes a moment before it says so.
    seen.answered_s.append(max(0.0, answered.result() - promoted_s))
    seen.ready_s.append(time.monotonic() - promoted_s)


def tell(finding: Finding, seen: FailOvers, found: Audit, patience: Patience) -> None:
    finding.times = len(seen.answered_s)
    finding.tell(
        acknowledged=found.total_acknowledged,
        acknowledged_minus_stored=found.total_lost,
        stored_twice=found.total_twice,
        open_sessions=found.open_sessions,
        discarded=patience.discarded,
        call_errors=patience.call_errors,
        unanswered_on_an_open_socket=patience.unanswered,
        seconds_to_promote=max(seen.promoted_s),
        from_then_to_the_first_answer=max(seen.answered_s),
        and_until_every_pod_is_ready=max(seen.ready_s),
    )


def check(found: Audit, patience: Patience) -> None:
    assert found.total_lost == 0, found
    assert found.total_twice == 0, found
    assert found.open_sessions == 0, found
    assert patience.discarded == 0
    assert patience.call_errors == 0
    # As long as commits merely wait, a station is let in, and sent away before it has booted.
    assert patience.handshakes.keys() <= {503, CloseCode.TRY_AGAIN_LATER}, patience.handshakes


@invariant(1, "the primary of Postgres is killed, its synchronous standby takes over")
@pytest.mark.timeout(400)
async def test_what_was_acknowledged_is_on_the_standby_that_takes_over(
    replicated: Pods, finding: Finding
) -> None:
    seen = FailOvers()
    async with with_client(replicated) as cluster:
        postgres = cluster.postgres
        station_ids = [f"KILL-{number}" for number in range(PATIENT_STATIONS)]
        async with (
            charging(cluster, STATIONS) as acknowledged,
            patient(cluster, station_ids, answer_timeout_s=ANSWER_TIMEOUT_S) as patience,
        ):
            for number in range(KILLS):
                await asyncio.sleep(1)
                if lag_s := LAGS_S[number % len(LAGS_S)]:
                    await lag_behind(postgres, lag_s)
                postgres.primary.kill()
                await asyncio.sleep(NOTICED_AFTER_S)
                await take_over(cluster, acknowledged, seen)
                await postgres.attach_standby(synchronous=True)
        everything = Acknowledged(
            acknowledged.starts + patience.acknowledged.starts,
            acknowledged.meter_values + patience.acknowledged.meter_values,
            acknowledged.stops + patience.acknowledged.stops,
        )
        created = await cluster.api.post("/v1/id-tokens", json={"id_token": "AFTERWARDS"})
    found = await audit(postgres.primary.url(), everything)
    tell(finding, seen, found, patience)
    check(found, patience)
    assert created.is_success
    assert replicated.ended() == []


@invariant(4, "the primary of Postgres hangs for good, its standby takes over")
@pytest.mark.timeout(400)
async def test_a_primary_that_never_answers_again_keeps_nobody_from_its_successor(
    replicated: Pods, finding: Finding
) -> None:
    seen = FailOvers()
    async with with_client(replicated) as cluster:
        postgres = cluster.postgres
        station_ids = [f"HANG-{number}" for number in range(PATIENT_STATIONS)]
        async with patient(cluster, station_ids, answer_timeout_s=ANSWER_TIMEOUT_S) as patience:
            for _ in range(HANGS):
                await asyncio.sleep(1)
                lost = postgres.primary
                lost.hang()
                await asyncio.sleep(NOTICED_AFTER_S)
                await take_over(cluster, patience.acknowledged, seen)
                lost.kill()
                await postgres.attach_standby(synchronous=True)
    found = await audit(postgres.primary.url(), patience.acknowledged)
    tell(finding, seen, found, patience)
    check(found, patience)
    assert replicated.ended() == []


@invariant(1, "the same with an asynchronous standby that lags", control=True)
@pytest.mark.timeout(120)
async def test_a_standby_that_nobody_waits_for_loses_messages(
    tmp_path: Path, finding: Finding
) -> None:
    async with (
        running_pods(tmp_path, synchronous=False, environment=ENVIRONMENT) as pods,
        with_client(pods) as cluster,
    ):
        postgres = cluster.postgres
        async with charging(cluster, STATIONS) as acknowledged:
            await asyncio.sleep(1)
            await lag_behind(postgres, 0.5)
            postgres.primary.kill()
            await take_over(cluster, acknowledged, FailOvers())
        found = await audit(postgres.primary.url(), acknowledged)
    finding.times = 1
    finding.tell(acknowledged=found.total_acknowledged, acknowledged_minus_stored=found.total_lost)
    assert found.total_lost > 0
