"""One connection speaks for a station: a pod that wakes up late and a socket that closes late
harm nobody.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from shared.bus import keys
from tests.faults.processes import stopped
from tests.faults.sockets import Socket, boot, open_socket, status
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster
from tests.support.stations import PASSWORD

LEASE_S = scaled(2.0, 15.0)
LONGEST_DELAY_S = 1.5
STALE, FRESH = "gateway-1", "gateway-2"


@pytest.fixture(scope="module")
def ownership_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster with short leases, in which a station may come back as often as it likes."""
    environment = {
        "VOLTARO_POD_LEASE_S": str(LEASE_S),
        "VOLTARO_DEAD_PODS_INTERVAL_S": "1",
        "VOLTARO_STATION_DISPLACEMENTS": "1000000",
    }
    data = tmp_path_factory.mktemp("ownership") / "data"
    with running_cluster(data, environment=environment) as running:
        yield running


async def register(cluster: Cluster, station_ids: list[str]) -> None:
    for station_id in station_ids:
        created = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        created.raise_for_status()


async def command(cluster: Cluster, station_id: str, *, wait_s: float = 0) -> dict[str, Any]:
    body = {"type": "DataTransfer", "vendor_id": "V", "wait_s": wait_s, "timeout_s": 60}
    response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
    record: dict[str, Any] = response.json()
    return record


@dataclass(frozen=True)
class Owner:
    """Who a station belongs to, as the two stores see it."""

    online: bool
    epoch: int
    pod: str
    model: str | None
    statuses: dict[int, tuple[str, int]]
    """Connector to (status, epoch)."""
    routed_epoch: int | None
    routed_pod: str | None


async def look_up(database: "asyncpg.Pool[asyncpg.Record]", redis: Redis, station_id: str) -> Owner:
    row = await database.fetchrow(
        "SELECT online, epoch, pod_id, model FROM stations WHERE station_id = $1", station_id
    )
    connectors = await database.fetch(
        "SELECT evse_id, status, epoch FROM connectors WHERE station_id = $1", station_id
    )
    epoch, pod_id = await redis.hmget(keys.owner(station_id), "epoch", "pod_id")
    return Owner(
        online=row["online"],
        epoch=row["epoch"],
        pod=row["pod_id"].rpartition("-")[0],
        model=row["model"],
        statuses={each["evse_id"]: (each["status"], each["epoch"]) for each in connectors},
        routed_epoch=None if epoch is None else int(epoch),
        routed_pod=None if pod_id is None else pod_id.rpartition("-")[0],
    )


class Stores:
    """Connections to Postgres and Redis, for looking only."""

    def __init__(self, database: "asyncpg.Pool[asyncpg.Record]", redis: Redis) -> None:
        self.database = database
        self.redis = redis

    async def look_up(self, station_id: str) -> Owner:
        return await look_up(self.database, self.redis, station_id)

    async def release(self, station_id: str) -> None:
        """Do what the end of a connection does, without its fences."""
        await self.database.execute(
            "UPDATE stations SET online = false WHERE station_id = $1", station_id
        )
        await self.redis.delete(keys.owner(station_id))

    async def forget_newest(self, station_ids: list[str]) -> None:
        """Make these stations look as if nobody had connected since their first connection."""
        await self.database.execute(
            """
            UPDATE stations SET epoch = first.epoch, connection_id = first.connection_id
            FROM (SELECT DISTINCT ON (station_id) station_id, epoch, connection_id
                  FROM station_connections WHERE station_id = ANY($1)
                  ORDER BY station_id, epoch) AS first
            WHERE stations.station_id = first.station_id
            """,
            station_ids,
        )
        await self.redis.delete(*map(keys.owner, station_ids))
        for stream in [key async for key in self.redis.scan_iter("pod:*")]:
            await self.redis.delete(stream)


async def open_stores(cluster: Cluster, stack: AsyncExitStack) -> Stores:
    database = await stack.enter_async_context(
        asyncpg.create_pool(cluster.database_url, min_size=1, max_size=4)
    )
    redis = Redis.from_url(cluster.redis_url, decode_responses=True)
    stack.push_async_callback(redis.aclose)
    return Stores(database, redis)


@dataclass
class Woken:
    """What a pod did that was stopped past its lease, when it went on."""

    stale_sends: int = 0
    stale_overwrites: int = 0


async def wake_up_late(cluster: Cluster, prefix: str, *, unfenced: bool = False) -> Woken:
    """Stop a pod past its lease while stations go to the other one, and let it go on.

    Args:
        cluster: with gateways 1 and 2.
        prefix: of the stations' ids.
        unfenced: forget in both stores what fences it off, before it goes on.
    """
    station_ids = [f"{prefix}-{number}" for number in range(10)]
    await register(cluster, station_ids)
    woken = Woken()
    async with AsyncExitStack() as stack:
        stores = await open_stores(cluster, stack)
        old = [
            await stack.enter_async_context(open_socket(cluster.gateway_urls[STALE], station_id))
            for station_id in station_ids
        ]
        for socket in old:
            await socket.boot("Stale")
            await socket.call("StatusNotification", status(1, "Available"))
        # Some are on their way when the pod stops.
        asking = [asyncio.create_task(command(cluster, each)) for each in 3 * station_ids]
        await asyncio.sleep(0.03)
        with stopped(cluster.pids[STALE]):
            await asyncio.gather(*asking)
            for socket in old:
                await say_what_is_stale(socket)
            await asyncio.gather(*(command(cluster, each) for each in station_ids))
            for station_id in station_ids:
                await eventually(
                    lambda each=station_id: stores.look_up(each),
                    lambda owner: not owner.online,
                    timeout_s=2 * LEASE_S + 10,
                )
            new = [
                await stack.enter_async_context(
                    open_socket(cluster.gateway_urls[FRESH], station_id)
                )
                for station_id in station_ids
            ]
            for socket in new:
                await socket.boot("Fresh")
                await socket.call("StatusNotification", status(1, "Available"))
            for station_id in station_ids:
                answered = await command(cluster, station_id, wait_s=20)
                assert answered["state"] == "accepted", answered
            fresh = {each: (await stores.look_up(each)).epoch for each in station_ids}
            if unfenced:
                await stores.forget_newest(station_ids)
            said_before = [len(socket.frames) for socket in old]
        await asyncio.sleep(3)
        woken.stale_sends = sum(
            len(socket.frames) - before for socket, before in zip(old, said_before, strict=True)
        )
        for station_id in station_ids:
            owner = await stores.look_up(station_id)
            woken.stale_overwrites += sum(
                (
                    not owner.online,
                    owner.pod != FRESH,
                    owner.epoch != fresh[station_id],
                    owner.routed_pod != FRESH,
                    owner.routed_epoch != fresh[station_id],
                    owner.model != "Fresh",
                    owner.statuses != {1: ("Available", fresh[station_id])},
                )
            )
        for station_id, socket in zip(station_ids, new, strict=True):
            if not unfenced:
                answered = await command(cluster, station_id, wait_s=20)
                assert answered["state"] == "accepted", answered
                assert (await socket.call("Heartbeat", {}))[0] == 3
    return woken


async def say_what_is_stale(socket: Socket) -> None:
    """Leave messages in the socket of a pod that does not run."""
    for connector_id in (1, 2):
        await socket.send("StatusNotification", status(connector_id, "Faulted"))
    await socket.send("BootNotification", boot("Stale again"))
    await socket.send("Heartbeat", {})


@invariant(5, "SIGSTOP of a gateway past its lease, stations go to the other, SIGCONT")
@pytest.mark.timeout(400)
async def test_a_pod_that_wakes_up_late_harms_nobody(
    ownership_cluster: RunningCluster, finding: Finding
) -> None:
    rounds = scaled(1, 5)
    sends = overwrites = 0
    async with with_client(ownership_cluster) as cluster:
        for number in range(rounds):
            woken = await wake_up_late(cluster, f"WOKEN-{number}")
            sends += woken.stale_sends
            overwrites += woken.stale_overwrites
    finding.times = 10 * rounds
    finding.tell(stale_sends=sends, stale_overwrites=overwrites)
    assert sends == 0
    assert overwrites == 0


@invariant(5, "the same, with epochs and routes set back behind our back", control=True)
@pytest.mark.timeout(100)
async def test_what_a_woken_pod_does_without_a_fence_is_noticed(
    ownership_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(ownership_cluster) as cluster:
        woken = await wake_up_late(cluster, "UNFENCED", unfenced=True)
    finding.times = 10
    finding.tell(stale_sends=woken.stale_sends, stale_overwrites=woken.stale_overwrites)
    assert woken.stale_sends > 0
    assert woken.stale_overwrites > 0


@dataclass
class Returning:
    """A station that comes back again and again, to any pod, while its old sockets close late.

    Args:
        stores: where it looks who owns it.
        urls: of the pods.
        station_id: a registered station.
        fenced: if not, what a late close does is done without asking whose station it is.
    """

    stores: Stores
    urls: list[str]
    station_id: str
    fenced: bool = True
    epoch: int = 0
    wrong: int = 0

    async def come_back(self, times: int) -> None:
        """Connect so many times, and look each time who owns the station."""
        async with asyncio.TaskGroup() as closing, AsyncExitStack() as last:
            for _ in range(times):
                before = last.pop_all()
                url = random.choice(self.urls)  # noqa: S311 - no secret
                socket = await last.enter_async_context(open_socket(url, self.station_id))
                await socket.boot()
                before_epoch = self.epoch
                await self._look(newer=True)
                self.wrong += self.epoch <= before_epoch
                # From now on it neither reads nor closes, whatever the pod asks of it.
                socket.websocket.transport.pause_reading()
                closing.create_task(self._close_late(before))
            # The newest stays until all others are closed, on both ends.
            await asyncio.sleep(LONGEST_DELAY_S + 1)
            await self._look(newer=False)

    async def _look(self, *, newer: bool) -> None:
        owner = await self.stores.look_up(self.station_id)
        if newer:
            self.epoch = owner.epoch
        self.wrong += not owner.online
        self.wrong += owner.epoch != self.epoch
        self.wrong += owner.routed_epoch != self.epoch

    async def _close_late(self, sockets: AsyncExitStack) -> None:
        await asyncio.sleep(random.uniform(0, LONGEST_DELAY_S))  # noqa: S311 - no secret
        await sockets.aclose()
        if not self.fenced:
            await self.stores.release(self.station_id)


async def come_back(cluster: Cluster, prefix: str, times: int, *, fenced: bool = True) -> int:
    """Have 10 stations come back so often, and return how often one was released wrongly."""
    station_ids = [f"{prefix}-{number}" for number in range(10)]
    await register(cluster, station_ids)
    async with AsyncExitStack() as stack:
        stores = await open_stores(cluster, stack)
        urls = list(cluster.gateway_urls.values())
        returning = [Returning(stores, urls, each, fenced=fenced) for each in station_ids]
        await asyncio.gather(*(each.come_back(times) for each in returning))
    return sum(each.wrong for each in returning)


@invariant(6, "stations come back to any pod, their old sockets close late and in any order")
@pytest.mark.timeout(400)
async def test_a_late_close_harms_nobody(
    ownership_cluster: RunningCluster, finding: Finding
) -> None:
    times = scaled(10, 100)
    async with with_client(ownership_cluster) as cluster:
        wrong = await come_back(cluster, "LATE-CLOSE", times)
    finding.times = 10 * times
    finding.tell(wrong_releases=wrong)
    assert wrong == 0


@invariant(6, "the same, releasing without asking whose station it is", control=True)
@pytest.mark.timeout(100)
async def test_a_release_without_a_fence_is_noticed(
    ownership_cluster: RunningCluster, finding: Finding
) -> None:
    async with with_client(ownership_cluster) as cluster:
        wrong = await come_back(cluster, "RELEASED", 5, fenced=False)
    finding.times = 50
    finding.tell(wrong_releases=wrong)
    assert wrong > 0
