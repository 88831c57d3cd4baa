"""What happens in a whole cluster is told: by webhooks and to whoever follows, alike."""

import asyncio
import json
from typing import Any

from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD, station_client
from tests.support.webhook_receiver import Receiver

STATION = "TOLD"
TYPES = ("session.started", "session.ended")


async def charge(cluster: Cluster) -> None:
    answer = await cluster.api.post(
        "/v1/stations", json={"station_id": STATION, "password": PASSWORD}
    )
    answer.raise_for_status()
    async with station_client(cluster.ocpp_url, STATION) as client:
        await client.boot()
        at = "2026-01-01T0{}:00:00Z"
        start = {"connectorId": 1, "idTag": "X", "meterStart": 5, "timestamp": at.format(0)}
        transaction_id = (await client.call("StartTransaction", start))[2]["transactionId"]
        stop = {"transactionId": transaction_id, "meterStop": 30, "timestamp": at.format(1)}
        await client.call("StopTransaction", stop)


async def follow(cluster: Cluster, following: asyncio.Event) -> list[dict[str, Any]]:
    """Return the events of a charge, as who follows them is told."""
    seen: list[dict[str, Any]] = []
    query = {"station_id": STATION, "type": TYPES}
    async with cluster.api.stream("GET", "/v1/events/stream", params=query) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            following.set()
            name, _, value = line.partition(": ")
            if name == "data" and "type" in (event := json.loads(value)):
                seen.append(event)
                if len(seen) == len(TYPES):
                    break
    return seen


async def test_a_charge_is_told_to_a_webhook_and_to_whoever_follows(
    shared_cluster: Cluster,
) -> None:
    receiver = Receiver()
    await receiver.start()
    endpoint = await shared_cluster.api.post(
        "/v1/webhook-endpoints", json={"url": receiver.url, "types": TYPES}
    )
    assert endpoint.status_code == 201, endpoint.text
    receiver.secrets = [endpoint.json()["secret"]]
    path = f"/v1/webhook-endpoints/{endpoint.json()['webhook_endpoint_id']}"
    following = asyncio.Event()
    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            followed = tasks.create_task(follow(shared_cluster, following))
            await following.wait()
            await charge(shared_cluster)

        async def received() -> list[dict[str, Any]]:
            return [each.event for each in receiver.received if each.event["station_id"] == STATION]

        told = await eventually(received, lambda events: len(events) == len(TYPES))
        assert told == followed.result()
        assert tuple(event["type"] for event in told) == TYPES
    finally:
        (await shared_cluster.api.delete(path)).raise_for_status()
        await receiver.stop()
