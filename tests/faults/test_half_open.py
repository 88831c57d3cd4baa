"""A station whose link goes down without a word is shown offline in time."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from websockets.asyncio.client import connect

from tests.faults.network import Network, far_network
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.stations import PASSWORD, basic_auth

PING_INTERVAL_S = scaled(2.0, 25.0)
PING_TIMEOUT_S = scaled(1.5, 20.0)
MARGIN_S = 1.0
STATION_IDS = [f"FAR-{number}" for number in range(scaled(30, 300))]


async def connect_all(cluster: Cluster, network: Network, stack: AsyncExitStack) -> None:
    """Connect the stations one after another, so that they are not pinged in step."""
    port = urlsplit(cluster.ocpp_url).port
    assert port is not None
    for station_id in STATION_IDS:
        created = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        created.raise_for_status()
        websocket = await connect(
            f"{cluster.ocpp_url}/{station_id}",
            sock=await network.connect(port),
            subprotocols=["ocpp1.6"],
            additional_headers=basic_auth(station_id),
            ping_interval=None,
            close_timeout=0,
        )
        stack.push_async_callback(websocket.close)
        await asyncio.sleep(PING_INTERVAL_S / len(STATION_IDS))


async def seconds_until_offline(cluster: Cluster, *, give_up_s: float) -> list[float]:
    """Return after how long each station was shown offline; those that are not are missing."""
    began = time.monotonic()
    found: list[float] = []
    connection = await asyncpg.connect(cluster.database_url)
    try:
        while len(found) < len(STATION_IDS) and time.monotonic() < began + give_up_s:
            online = await connection.fetchval("SELECT count(*) FROM stations WHERE online")
            offline = len(STATION_IDS) - online
            found += [time.monotonic() - began] * (offline - len(found))
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return found


async def lose_link(
    data: Path, finding: Finding, *, environment: dict[str, str], give_up_s: float
) -> list[float]:
    """Have stations connect from afar, lose the link, and return when each was found gone."""
    with running_cluster(data, "--host", "0.0.0.0", environment=environment) as running:
        async with (
            with_client(running) as cluster,
            far_network() as network,
            AsyncExitStack() as stack,
        ):
            await connect_all(cluster, network, stack)
            network.lose_link()
            found = await seconds_until_offline(cluster, give_up_s=give_up_s)
            finding.times = len(STATION_IDS)
            finding.tell(by=network.name)
    return found


@invariant(12, "the link of stations goes down")
@pytest.mark.timeout(400)
async def test_a_station_whose_link_is_down_is_found(tmp_path: Path, finding: Finding) -> None:
    limit_s = PING_INTERVAL_S + PING_TIMEOUT_S
    found = await lose_link(
        tmp_path / "data",
        finding,
        environment={
            "VOLTARO_PING_INTERVAL_S": str(PING_INTERVAL_S),
            "VOLTARO_PING_TIMEOUT_S": str(PING_TIMEOUT_S),
        },
        give_up_s=limit_s + 30,
    )
    assert len(found) == len(STATION_IDS)
    p99_s = found[int(0.99 * len(found))]
    finding.tell(
        seconds_to_offline_p50=found[len(found) // 2],
        p99=p99_s,
        ping_interval_and_time_out=limit_s,
    )
    assert p99_s <= limit_s + MARGIN_S


@invariant(12, "the same, without pings", control=True)
@pytest.mark.timeout(400)
async def test_without_pings_nobody_is_found(tmp_path: Path, finding: Finding) -> None:
    found = await lose_link(
        tmp_path / "data",
        finding,
        environment={"VOLTARO_PING_INTERVAL_S": "3600"},
        give_up_s=PING_INTERVAL_S + PING_TIMEOUT_S + MARGIN_S,
    )
    finding.tell(stations_found=len(found))
    assert not found
