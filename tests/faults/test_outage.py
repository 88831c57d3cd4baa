"""Postgres is away, and stations give a message up after three attempts: they must be offline."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.audit import Audit, audit
from tests.faults.cluster import wait_until_ready
from tests.faults.patience import Patience, patient
from tests.faults.processes import stopped
from tests.faults.special import with_client
from tests.faults.table import FULL, Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster

OUTAGE_S = scaled(12.0, 180.0)
# Three attempts and the waits between them are to be over before Postgres is back.
ANSWER_TIMEOUT_S = scaled(2.5, 30.0)
ENVIRONMENT = {"VOLTARO_INGEST_HOLD_S": str(scaled(0.5, 5.0))}


@pytest.fixture(scope="module")
def outage_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster whose gateways hold answers for a short while only."""
    data = tmp_path_factory.mktemp("outage") / "data"
    with running_cluster(data, environment=ENVIRONMENT) as running:
        yield running


@asynccontextmanager
async def hanging(cluster: Cluster) -> AsyncIterator[None]:
    """Postgres takes connections and statements, and answers nothing."""
    with stopped(cluster.pids["postgres"]):
        yield


@asynccontextmanager
async def refusing(cluster: Cluster) -> AsyncIterator[None]:
    """Postgres has crashed, its port refuses connections, and nobody starts it again."""
    pid = cluster.pids["postgres"]
    os.kill(cluster.process.pid, signal.SIGSTOP)  # `up` alone, which would start it again
    try:
        os.kill(pid, signal.SIGKILL)
        yield
    finally:
        os.kill(cluster.process.pid, signal.SIGCONT)
    await wait_until_ready(cluster, "postgres", not_pid=pid)


async def charge_through(
    cluster: Cluster,
    outage: AbstractAsyncContextManager[None],
    station_ids: list[str],
) -> tuple[Patience, Audit]:
    """Have stations charge before, during and after an outage."""
    async with patient(cluster, station_ids, answer_timeout_s=ANSWER_TIMEOUT_S) as patience:
        await asyncio.sleep(1)
        async with outage:
            await asyncio.sleep(OUTAGE_S)
        await asyncio.sleep(1)
    return patience, await audit(cluster.database_url, patience.acknowledged)


def tell(finding: Finding, patience: Patience, found: Audit) -> None:
    finding.times = 1
    finding.tell(
        seconds_away=OUTAGE_S,
        discarded=patience.discarded,
        call_errors=patience.call_errors,
        unanswered_on_an_open_socket=patience.unanswered,
        handshakes_refused_with_503=patience.handshakes[503],
        refused_otherwise=patience.handshakes.total() - patience.handshakes[503],
        acknowledged=found.total_acknowledged,
        acknowledged_minus_stored=found.total_lost,
    )


def check(patience: Patience, found: Audit) -> None:
    assert patience.discarded == 0
    assert patience.call_errors == 0
    assert patience.handshakes.keys() == {503}, patience.handshakes
    assert found.total_lost == 0, found
    assert found.total_twice == 0, found
    assert found.open_sessions == 0, found


@invariant(4, "Postgres hangs (SIGSTOP)")
@pytest.mark.timeout(400)
async def test_stations_keep_their_messages_while_postgres_hangs(
    outage_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(outage_cluster) as cluster:
        station_ids = [f"HANG-{number}" for number in range(10)]
        patience, found = await charge_through(cluster, hanging(cluster), station_ids)
    tell(finding, patience, found)
    check(patience, found)


@invariant(4, "Postgres is killed, and refuses connections")
@pytest.mark.timeout(400)
async def test_stations_keep_their_messages_while_postgres_refuses_connections(
    outage_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(outage_cluster) as cluster:
        station_ids = [f"REFUSE-{number}" for number in range(10)]
        patience, found = await charge_through(cluster, refusing(cluster), station_ids)
    tell(finding, patience, found)
    check(patience, found)


@contextmanager
def small_disk(postgres: Path, *, size_mib: int) -> Iterator[None]:
    """Put the tables of a Postgres that does not run on a volume of their own; WAL stays."""
    tables, moved = postgres / "base", postgres / "base.moved"
    owner = tables.stat()
    tables.rename(moved)
    tables.mkdir(mode=0o700)
    options = f"size={size_mib}m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tables)],  # noqa: S607 - in /bin
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("no volume may be mounted here, so that no disk can be full")
    try:
        subprocess.run(["cp", "-a", f"{moved}/.", str(tables)], check=True)  # noqa: S607 - in /bin
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(tables)], check=False)  # noqa: S607 - in /bin


@asynccontextmanager
async def full(postgres: Path) -> AsyncIterator[None]:
    """The volume of the tables has no room for another page."""
    filler = postgres / "base" / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.skipif(not FULL, reason="it starts two clusters: `make faults` does")
@invariant(4, "the disk of Postgres is full")
@pytest.mark.timeout(400)
async def test_stations_keep_their_messages_while_the_disk_is_full(
    tmp_path: Path, finding: Finding
) -> None:
    data = tmp_path / "data"
    with running_cluster(data):
        pass
    postgres = data / "postgres"
    with (
        small_disk(postgres, size_mib=64),
        running_cluster(data, environment=ENVIRONMENT) as running,
    ):
        async with with_client(running) as cluster:
            station_ids = [f"FULL-{number}" for number in range(10)]
            patience, found = await charge_through(cluster, full(postgres), station_ids)
    tell(finding, patience, found)
    assert patience.discarded == 0
    assert patience.call_errors == 0
    assert found.total_lost == 0, found
    assert found.total_twice == 0, found


@invariant(4, "Postgres hangs, and answers are held instead of closing the sockets", control=True)
@pytest.mark.timeout(100)
async def test_stations_that_stay_connected_throw_messages_away(
    tmp_path: Path, finding: Finding
) -> None:
    with running_cluster(
        tmp_path / "data", environment={"VOLTARO_INGEST_HOLD_S": "600"}
    ) as running:
        async with with_client(running) as cluster:
            station_ids = ["HELD"]
            async with patient(cluster, station_ids, answer_timeout_s=1) as patience:
                await asyncio.sleep(1)
                async with hanging(cluster):
                    await eventually(lambda: discarded(patience), bool, timeout_s=30)
    finding.times = 1
    finding.tell(discarded=patience.discarded)
    assert patience.discarded > 0


async def discarded(patience: Patience) -> int:
    return patience.discarded
