"""Postgres ends connections in the middle of work, and somebody holds locks: nothing is lost.

Nor is anything that is right set aside for a person, and no process ends.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from gateway.ingest import group_commit, lane, sifting
from shared.settings import DatabaseSettings
from shared.store.judgement import Judgement, judge
from shared.store.pool import open_database
from tests.faults.audit import Audit, audit
from tests.faults.charging import Acknowledged, ChargingStation, charging
from tests.faults.cluster import wait_until_ready
from tests.faults.processes import stopped
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster
from tests.support.pods import running_pod
from tests.support.relay import relay
from tests.support.stations import register

STATIONS = 10
SLOW_CUTS, SLOW_CUTS_EVERY_S = scaled(2, 19), 2.0
FAST_CUTS, FAST_CUTS_EVERY_S = scaled(15, 150), (0.12, 0.4)
STOPPED_CUTS, STOPPED_S = scaled(2, 12), 0.3
RESTARTS = scaled(1, 5)
LATE_ENDS, END_DELAY_S = scaled(6, 30), 1.0
# Whether a cut meets both connections of a pod is chance: the control goes on until one does.
MOST_CUTS = 100
LOCKS = scaled(1, 5)
# Some are gone before answers have been held for too long, and some are not.
LOCKS_S, HOLD_S = (1.0, 3.5), 2.0
LOCK_ENVIRONMENT = {
    "VOLTARO_INGEST_HOLD_S": str(HOLD_S),
    "VOLTARO_DEAD_LETTERS_INTERVAL_S": "0.5",
}
# A batch that has to be written again, and one before it.
LONGEST_ANSWER_S = 8.0
PROCESSES = ("gateway-1", "gateway-2", "control", "worker")


async def end_all(database_url: str) -> None:
    """End every connection but the one that says so."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND datname = current_database()
              AND usename = current_user
            """
        )
    finally:
        await connection.close()


async def count_set_aside(database_url: str) -> int:
    """Count what waits for a person."""
    connection = await asyncpg.connect(database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM dead_letters"))
    finally:
        await connection.close()


@asynccontextmanager
async def asking(cluster: Cluster) -> AsyncIterator[Counter[int]]:
    """Ask the API all the time, and count its answers by their status."""
    seen: Counter[int] = Counter()

    async def ask() -> None:
        while True:
            try:
                seen[(await cluster.api.get("/v1/stations?limit=1")).status_code] += 1
            except httpx.TransportError:
                seen[0] += 1
            await asyncio.sleep(0.02)

    task = asyncio.create_task(ask())
    try:
        yield seen
    finally:
        task.cancel()


def tell(finding: Finding, acknowledged: Acknowledged, found: Audit) -> None:
    finding.tell(
        acknowledged=found.total_acknowledged,
        acknowledged_minus_stored=found.total_lost,
        stored_twice_or_set_aside=found.total_twice,
        sent_again=acknowledged.resent,
        longest_answer_s=acknowledged.longest_s,
    )


def check(acknowledged: Acknowledged, found: Audit) -> None:
    assert found.total_lost == 0, found
    assert found.total_twice == 0, found
    assert found.open_sessions == 0, found
    assert acknowledged.longest_s < LONGEST_ANSWER_S


@invariant(
    16, "connections ended every 2 s, every 0.12 to 0.4 s, with a gateway stopped, by restarts"
)
@pytest.mark.timeout(400)
async def test_connections_that_end_cost_nothing(cluster: Cluster, finding: Finding) -> None:
    pids = {name: cluster.pids[name] for name in PROCESSES}
    choose = random.Random(16)  # noqa: S311 - the same test each time
    async with charging(cluster, STATIONS) as acknowledged, asking(cluster) as answers:
        for _ in range(SLOW_CUTS):
            await asyncio.sleep(SLOW_CUTS_EVERY_S)
            await end_all(cluster.database_url)
        for _ in range(FAST_CUTS):
            await asyncio.sleep(choose.uniform(*FAST_CUTS_EVERY_S))
            await end_all(cluster.database_url)
        for number in range(STOPPED_CUTS):
            await asyncio.sleep(0.5)
            with stopped(pids[PROCESSES[number % 2]]):
                await end_all(cluster.database_url)
                await asyncio.sleep(STOPPED_S)
        for _ in range(RESTARTS):
            await asyncio.sleep(1.5)
            pid = cluster.pids["postgres"]
            os.kill(pid, signal.SIGINT)
            await wait_until_ready(cluster, "postgres", not_pid=pid)
    found = await audit(cluster.database_url, acknowledged)
    finding.times = SLOW_CUTS + FAST_CUTS + STOPPED_CUTS + RESTARTS
    tell(finding, acknowledged, found)
    finding.tell(
        api_answers=answers.total(),
        of_these_503=answers[503],
        of_these_500=answers[500],
        processes_that_ended=sum(pids[name] != cluster.pids[name] for name in PROCESSES),
    )
    check(acknowledged, found)
    assert answers.keys() <= {200, 503}, answers
    assert pids == {name: cluster.pids[name] for name in PROCESSES}


@asynccontextmanager
async def charging_at_a_pod(
    database_url: str, ocpp_url: str, *, stations: int
) -> AsyncIterator[Acknowledged]:
    """Have stations charge at one pod while the context lasts."""
    acknowledged, stop = Acknowledged(), asyncio.Event()
    async with open_database(DatabaseSettings(database_url=database_url)) as db:
        for number in range(stations):
            await register(db, f"CP-{number}")
    async with asyncio.TaskGroup() as tasks:
        for number in range(stations):
            station = ChargingStation(ocpp_url, f"CP-{number}", acknowledged)
            tasks.create_task(station.charge_until(stop))
        try:
            yield acknowledged
        finally:
            stop.set()


async def charge_through_late_ends(
    database_url: str, redis_url: str, *, cuts: int, stations: int, until_set_aside: bool = False
) -> tuple[Acknowledged, Audit, int]:
    """Have stations charge while ends of connections are heard long after they are told.

    Also tells how often they were ended: `cuts` times, or until a fact was set aside.
    """
    ended = 0
    async with (
        relay(database_url) as wire,
        running_pod(wire.url, redis_url) as pod,
    ):
        wire.end_delay_s = END_DELAY_S
        async with charging_at_a_pod(database_url, pod.url, stations=stations) as acknowledged:
            while ended < cuts:
                await asyncio.sleep(0.5)
                await end_all(database_url)
                ended += 1
                if until_set_aside and await count_set_aside(database_url):
                    break
            await asyncio.sleep(0.5)
    return acknowledged, await audit(database_url, acknowledged), ended


@invariant(16, "ends of connections that are heard a second late")
@pytest.mark.timeout(200)
async def test_ends_that_are_heard_late_cost_nothing(
    database_url: str, redis_url: str, finding: Finding
) -> None:
    # Two stations leave their connection to Postgres idle for long enough to be ended there.
    acknowledged, found, finding.times = await charge_through_late_ends(
        database_url, redis_url, cuts=LATE_ENDS, stations=2
    )
    tell(finding, acknowledged, found)
    check(acknowledged, found)


LOCKED = (
    "SELECT FROM sessions ORDER BY station_id, transaction_id FOR UPDATE",
    "LOCK TABLE meter_values IN SHARE MODE",
    "LOCK TABLE sessions IN SHARE MODE",
)


@pytest.fixture
def impatient_cluster(tmp_path: Path) -> Iterator[RunningCluster]:
    """A cluster whose gateways hold answers for a short while only."""
    with running_cluster(tmp_path / "data", environment=LOCK_ENVIRONMENT) as running:
        yield running


@invariant(16, "locks on rows and whole tables, for 1 s and for longer than answers are held")
@pytest.mark.timeout(200)
async def test_locks_cost_nothing_but_time(
    impatient_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(impatient_cluster) as cluster:
        pids = {name: cluster.pids[name] for name in PROCESSES}
        connection = await asyncpg.connect(cluster.database_url)
        try:
            async with charging(cluster, STATIONS) as acknowledged:
                for locked in LOCKED * LOCKS:
                    for lock_s in LOCKS_S:
                        await asyncio.sleep(0.5)
                        async with connection.transaction():
                            await connection.execute(locked)
                            await asyncio.sleep(lock_s)
            set_aside = await connection.fetchval("SELECT count(*) FROM dead_letters")
            await eventually(
                lambda: connection.fetchval(
                    "SELECT count(*) FROM dead_letters WHERE status <> 'dismissed'"
                ),
                lambda waiting: waiting == 0,
                timeout_s=20,
            )
        finally:
            await connection.close()
        found = await audit(cluster.database_url, acknowledged)
        finding.times = LOCKS * len(LOCKED) * len(LOCKS_S)
        tell(finding, acknowledged, found)
        finding.tell(set_aside_and_delivered=set_aside)
        check(acknowledged, found)
        assert acknowledged.resent == 0, "no station was sent away"
        assert pids == {name: cluster.pids[name] for name in PROCESSES}


def _judge_as_if_only_known_outages_were_none(error: BaseException) -> Judgement:
    judgement = judge(error)
    return Judgement.REFUSED if judgement is Judgement.UNCLEAR else judgement


@invariant(16, "late ends, and what nobody knows is taken for a verdict", control=True)
@pytest.mark.timeout(200)
async def test_genuine_facts_would_be_set_aside(
    database_url: str, redis_url: str, finding: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (group_commit, lane, sifting):
        monkeypatch.setattr(module, "judge", _judge_as_if_only_known_outages_were_none)
    # What a batch of its own cannot write is tried once more on the other connection that is kept:
    # a station that is alone meets the end of both, if both were open.
    acknowledged, found, finding.times = await charge_through_late_ends(
        database_url, redis_url, cuts=MOST_CUTS, stations=1, until_set_aside=True
    )
    tell(finding, acknowledged, found)
    assert found.total_twice > 0, "facts were set aside"
