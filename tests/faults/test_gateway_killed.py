"""A gateway may die at any moment: what it acknowledged is in Postgres, and only once."""

import asyncio
import os
import signal
from collections.abc import Callable

import asyncpg
import httpx
import pytest

from tests.faults.charging import Acknowledged, ChargingStation
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD

STATIONS = 20
KILLS = int(os.environ.get("VOLTARO_TEST_KILLS", "50"))
READY_TIMEOUT_S = 30.0


async def register_stations(cluster: Cluster) -> list[str]:
    station_ids = [f"CP-{number}" for number in range(STATIONS)]
    for station_id in station_ids:
        answer = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        answer.raise_for_status()
    token = await cluster.api.post("/v1/id-tokens", json={"id_token": "TAG"})
    token.raise_for_status()
    return station_ids


async def wait_until_ready(cluster: Cluster, gateway: str, *, not_pid: int) -> None:
    """Wait for the process that replaces `not_pid`."""
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(READY_TIMEOUT_S):
        while True:
            if cluster.pids[gateway] != not_pid:
                try:
                    url = cluster.management_urls[gateway]
                    if (await client.get(f"{url}/readyz")).is_success:
                        return
                except httpx.TransportError:
                    pass
            await asyncio.sleep(0.05)


@pytest.mark.faults
@pytest.mark.timeout(400)
async def test_what_was_acknowledged_is_stored_once_whenever_a_gateway_is_killed(
    cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    acknowledged = Acknowledged()
    stop = asyncio.Event()
    stations = [
        ChargingStation(cluster.ocpp_url, station_id, acknowledged)
        for station_id in await register_stations(cluster)
    ]
    async with asyncio.TaskGroup() as tasks:
        for station in stations:
            tasks.create_task(station.charge_until(stop))
        for number in range(KILLS):
            gateway = f"gateway-{number % 2 + 1}"
            await asyncio.sleep(0.2)
            pid = cluster.pids[gateway]
            os.kill(pid, signal.SIGKILL)
            await wait_until_ready(cluster, gateway, not_pid=pid)
        stop.set()

    connection = await asyncpg.connect(cluster.database_url)
    try:
        sessions = await connection.fetch(
            "SELECT station_id, transaction_id, started_at, ended_at, meter_stop_wh FROM sessions"
        )
        values = await connection.fetch(
            "SELECT station_id, transaction_id, sampled_at FROM meter_values"
        )
        letters = await connection.fetchval("SELECT count(*) FROM dead_letters")
    finally:
        await connection.close()

    started = {(s["station_id"], s["transaction_id"]) for s in sessions}
    stored_values = {(v["station_id"], v["transaction_id"], v["sampled_at"]) for v in values}
    ended = {(s["station_id"], s["transaction_id"], s["meter_stop_wh"]) for s in sessions}
    lost = {
        "StartTransaction": set(acknowledged.starts) - started,
        "MeterValues": set(acknowledged.meter_values) - stored_values,
        "StopTransaction": set(acknowledged.stops) - ended,
    }
    twice = {
        # A start that was kept unanswered and told again would be a second session of that time.
        "StartTransaction": len(sessions)
        - len({(s["station_id"], s["started_at"]) for s in sessions}),
        "MeterValues": len(values) - len({(v["station_id"], v["sampled_at"]) for v in values}),
        "StopTransaction": letters,
    }
    counts = {
        "StartTransaction": len(acknowledged.starts),
        "MeterValues": len(acknowledged.meter_values),
        "StopTransaction": len(acknowledged.stops),
    }
    for name, count in counts.items():
        record_property(
            f"{KILLS} kills of a gateway, {name}",
            f"{count} acknowledged, {len(lost[name])} lost, {twice[name]} twice",
        )
    record_property("messages sent again after a kill", acknowledged.resent)

    assert acknowledged.resent >= KILLS / 2, "the kills must have hit stations at work"
    assert not any(lost.values()), lost
    assert not any(twice.values()), twice
    # The stations ended their last charge, so none is left open.
    assert all(session["ended_at"] for session in sessions)
