"""A command to many stations through a whole cluster, some of which come later."""

import asyncio
from typing import Any

import pytest

from tests.faults.commanded import CommandedStation, commanded
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD

_ONLINE, _LATE = 25, 5


@pytest.mark.timeout(120)
async def test_a_batch_reaches_the_stations_of_both_gateways_and_those_that_come_later(
    shared_cluster: Cluster,
) -> None:
    online = [f"BATCH-{number}" for number in range(_ONLINE)]
    late = [f"LATE-{number}" for number in range(_LATE)]
    api = shared_cluster.api
    async with commanded(shared_cluster, online) as stations:
        for station_id in late:
            body = {"station_id": station_id, "password": PASSWORD}
            (await api.post("/v1/stations", json=body)).raise_for_status()
        response = await api.post(
            "/v1/command-batches",
            json={
                "command": {"type": "DataTransfer", "vendor_id": "V"},
                "station_ids": [*online, *late],
                "max_per_s": 20,
            },
            headers={"Idempotency-Key": "everybody"},
        )
        assert response.status_code == 202, response.text
        url = response.headers["location"]

        async def look() -> dict[str, Any]:
            return dict((await api.get(url)).json())

        await eventually(look, lambda batch: batch["counts"].get("accepted") == _ONLINE)
        assert (await look())["counts"] == {"accepted": _ONLINE, "queued": _LATE}
        calls = [call for station in stations for call in station.calls]
        assert len(calls) == _ONLINE
        # At 20 in a second, the last 5 of 25 come later than the first.
        assert max(call.at_s for call in calls) - min(call.at_s for call in calls) > 0.2
        items = (await api.get(f"{url}/commands", params={"state": "accepted"})).json()["items"]
        pods = {item["pod_id"].rpartition("-")[0] for item in items}
        assert pods == {"gateway-1", "gateway-2"}
        await _come_online(shared_cluster, late)
    batch = await eventually(look, lambda batch: batch["progress"] == 1)
    assert batch["counts"] == {"accepted": _ONLINE + _LATE}


async def _come_online(cluster: Cluster, station_ids: list[str]) -> None:
    """Have stations connect until they were asked."""
    stations = [CommandedStation(cluster.ocpp_url, station_id) for station_id in station_ids]

    async def asked() -> int:
        return sum(len(station.calls) for station in stations)

    running = [asyncio.create_task(station.run()) for station in stations]
    try:
        await eventually(asked, lambda count: count == len(station_ids))
        await asyncio.sleep(0.5)  # their answers
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
