"""The database is restored, and stations are registered again: nobody is sent away for an epoch."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from shared.bus import keys
from shared.bus.streams import CloseConnection, PodRequestSender
from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import CommandedStation, commanded
from tests.faults.others import register
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster

STATIONS = scaled(20, 300)
COME_BACK_TIMES = scaled(3, 10)
_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def epochs_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster in which a station may come back as often as it likes."""
    environment = {"VOLTARO_STATION_DISPLACEMENTS": "1000000", "VOLTARO_POD_LEASE_S": "3"}
    data = tmp_path_factory.mktemp("epochs") / "data"
    with running_cluster(data, environment=environment) as running:
        yield running


@asynccontextmanager
async def postgres_stopped(cluster: Cluster) -> AsyncIterator[Path]:
    """Stop Postgres in order, give its directory, and have `up` start it again."""
    pid = cluster.pids["postgres"]
    directory = cluster.data / "postgres"
    os.kill(cluster.process.pid, signal.SIGSTOP)  # `up` alone, which would start it again
    try:
        postmaster = directory / "postmaster.pid"
        os.kill(int(postmaster.read_text(encoding="utf-8").split()[0]), signal.SIGINT)

        async def ended() -> bool:
            return not postmaster.exists()

        await eventually(ended, bool, timeout_s=_STOP_TIMEOUT_S)
        yield directory
    finally:
        os.kill(cluster.process.pid, signal.SIGCONT)
    await wait_until_ready(cluster, "postgres", not_pid=pid)


async def copy(source: Path, target: Path) -> None:
    """Copy a directory with its owners."""
    await asyncio.to_thread(subprocess.run, ["cp", "-a", str(source), str(target)], check=True)


@dataclass
class Restored:
    """What became of stations after their database was restored."""

    sent_away: int
    """How often one was closed with 1008."""
    fell_back: int
    """Of so many, Redis knew a higher epoch than the restored database."""
    seconds_until_commands_go: float
    routed_by_another_epoch: int
    """Stations whose route in Redis is not the connection that Postgres says is the newest."""


async def restore(cluster: Cluster, stations: list[CommandedStation], backup: Path) -> Restored:
    """Copy the database, have stations come back a few times, and put the copy in its place."""
    station_ids = [each.station_id for each in stations]
    async with postgres_stopped(cluster) as directory:
        await copy(directory, backup)
    await answered(cluster, station_ids)
    for _ in range(COME_BACK_TIMES):
        await come_back(stations)
    await answered(cluster, station_ids)
    async with Redis.from_url(cluster.redis_url, decode_responses=True) as redis:
        known = {each: int(await redis.hget(keys.owner(each), "epoch")) for each in station_ids}
    told_before = sum(len(each.close_reasons) for each in stations)
    async with postgres_stopped(cluster) as directory:
        await asyncio.to_thread(directory.rename, directory.with_name("postgres.lost"))
        await copy(backup, directory)
    restored = await epochs_in_postgres(cluster, station_ids)
    fell_back = sum(known[each] > restored[each] for each in station_ids)
    began = time.monotonic()
    await come_back(stations)
    await answered(cluster, station_ids)
    seconds = time.monotonic() - began
    async with Redis.from_url(cluster.redis_url, decode_responses=True) as redis:
        routed = {each: int(await redis.hget(keys.owner(each), "epoch")) for each in station_ids}
    now = await epochs_in_postgres(cluster, station_ids)
    return Restored(
        sent_away=sum(len(each.close_reasons) for each in stations) - told_before,
        fell_back=fell_back,
        seconds_until_commands_go=seconds,
        routed_by_another_epoch=sum(routed[each] != now[each] for each in station_ids),
    )


async def epochs_in_postgres(cluster: Cluster, station_ids: list[str]) -> dict[str, int]:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        records = await connection.fetch(
            "SELECT station_id, epoch FROM stations WHERE station_id = ANY($1)", station_ids
        )
    finally:
        await connection.close()
    return {record["station_id"]: record["epoch"] for record in records}


async def come_back(stations: list[CommandedStation]) -> None:
    """Have each connect once more, and wait until it did."""
    counts = [each.connections for each in stations]
    await asyncio.gather(*(each.come_back() for each in stations))
    async with asyncio.timeout(_READY_TIMEOUT_S):
        for each, count in zip(stations, counts, strict=True):
            while each.connections <= count:  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.02)


async def answered(cluster: Cluster, station_ids: list[str]) -> None:
    """Wait until each station has answered a command."""
    body = {"type": "DataTransfer", "vendor_id": "V", "wait_s": 5, "timeout_s": 5}

    async def until_answered(station_id: str) -> None:
        while True:
            response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
            if response.status_code == 200 and response.json()["state"] == "accepted":
                return
            await asyncio.sleep(0.1)

    async with asyncio.timeout(_READY_TIMEOUT_S):
        await asyncio.gather(*map(until_answered, station_ids))


async def queue_for_offline(cluster: Cluster, station_ids: list[str]) -> None:
    """Have something wait for stations that are offline."""
    batch = {"station_ids": station_ids, "command": {"type": "ClearCache"}, "timeout_s": 600}
    (await cluster.api.post("/v1/command-batches", json=batch)).raise_for_status()


@invariant(18, "Postgres is restored from a copy of its files after stations have come back")
@pytest.mark.timeout(400)
async def test_after_a_restore_every_station_is_reached_and_none_is_sent_away(
    epochs_cluster: RunningCluster, finding: Finding, tmp_path: Path
) -> None:
    station_ids = [f"RESTORED-{number}" for number in range(STATIONS)]
    async with with_client(epochs_cluster) as cluster, commanded(cluster, station_ids) as stations:
        seen = await restore(cluster, stations, tmp_path / "backup")
    finding.times = STATIONS
    finding.tell(
        epochs_that_fell_back=seen.fell_back,
        sent_away=seen.sent_away,
        routed_by_another_epoch=seen.routed_by_another_epoch,
        seconds_until_all_are_reached=seen.seconds_until_commands_go,
    )
    assert seen.fell_back == STATIONS
    assert seen.sent_away == 0
    assert seen.routed_by_another_epoch == 0


async def register_again(cluster: Cluster, prefix: str) -> tuple[list[CommandedStation], int]:
    """Delete stations that are connected and register them again.

    Returns:
        The stations, and how many of them were told why they were closed.
    """
    station_ids = [f"{prefix}-{number}" for number in range(STATIONS)]
    async with commanded(cluster, station_ids) as stations:
        for _ in range(COME_BACK_TIMES):
            await come_back(stations)
        await answered(cluster, station_ids)
        told_before = [len(each.close_reasons) for each in stations]
        for each in station_ids:
            (await cluster.api.delete(f"/v1/stations/{each}")).raise_for_status()
        await register(cluster, station_ids)
        await come_back_or_have(stations)
        await answered(cluster, station_ids)
        told = [
            each.close_reasons[before:] for each, before in zip(stations, told_before, strict=True)
        ]
    # Each was closed once, for that reason, and not once more for an epoch.
    return stations, sum(reasons == ["the station was deleted"] for reasons in told)


async def come_back_or_have(stations: list[CommandedStation]) -> None:
    """Wait a moment for what is closed because of its deletion."""
    async with asyncio.timeout(_READY_TIMEOUT_S):
        for each in stations:
            while not each.close_reasons:  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.02)


@invariant(18, "stations are deleted and registered again, with commands waiting for them")
@pytest.mark.timeout(400)
async def test_a_station_that_is_registered_again_begins_anew(
    epochs_cluster: RunningCluster, finding: Finding
) -> None:
    waiting = [f"WAITING-{number}" for number in range(STATIONS)]
    async with with_client(epochs_cluster) as cluster:
        stations, told = await register_again(cluster, "AGAIN")
        await register(cluster, waiting)
        await queue_for_offline(cluster, waiting)
        for each in waiting:
            (await cluster.api.delete(f"/v1/stations/{each}")).raise_for_status()
        async with commanded(cluster, waiting) as next_boxes:
            await asyncio.sleep(3)  # what waits is routed again every second
            reached = sum(len(each.calls) for each in next_boxes)
    finding.times = 2 * STATIONS
    finding.tell(told_why_once=told, commands_of_the_station_before=reached)
    assert told == len(stations)
    assert reached == 0


@invariant(18, "a higher epoch is believed, and what was cancelled is queued again", control=True)
@pytest.mark.timeout(200)
async def test_who_is_sent_away_and_what_reaches_the_next_box_is_noticed(
    epochs_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(epochs_cluster) as cluster, commanded(cluster, ["BELIEVED"]) as believed:
        await answered(cluster, ["BELIEVED"])
        async with Redis.from_url(cluster.redis_url, decode_responses=True) as redis:
            pod_id = await redis.hget(keys.owner("BELIEVED"), "pod_id")
            sender = PodRequestSender(redis)
            await sender.send(str(pod_id), CloseConnection("BELIEVED", 2**60, "a higher epoch"))
        await come_back_or_have(believed)
        sent_away = len(believed[0].close_reasons)
        await register(cluster, ["NEXT"])
        await queue_for_offline(cluster, ["NEXT"])
        (await cluster.api.delete("/v1/stations/NEXT")).raise_for_status()
        async with commanded(cluster, ["NEXT"]) as boxes:
            connection = await asyncpg.connect(cluster.database_url)
            await connection.execute(
                "UPDATE commands SET state = 'queued', created_at = now() WHERE station_id = 'NEXT'"
            )
            await connection.close()
            await asyncio.sleep(3)
            reached = len(boxes[0].calls)
    finding.times = 2
    finding.tell(sent_away=sent_away, commands_of_the_station_before=reached)
    assert sent_away > 0
    assert reached > 0
