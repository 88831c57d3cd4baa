"""Commands: one at a time, at most once, never late, and never with another one's answer."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import CommandedStation, ReceivedCall, commanded
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster


async def command(cluster: Cluster, station_id: str, **fields: Any) -> dict[str, Any]:
    """Give a command without waiting for its outcome."""
    body = {"type": "DataTransfer", "vendor_id": "V", "wait_s": 0, **fields}
    response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
    record: dict[str, Any] = response.json()
    assert response.is_success, record
    return record


async def outcomes(
    cluster: Cluster, command_ids: list[str], *, timeout_s: float = 60
) -> dict[str, dict[str, Any]]:
    """Return commands when all have ended."""
    ended: dict[str, dict[str, Any]] = {}

    async def look() -> list[str]:
        missing = [command_id for command_id in command_ids if command_id not in ended]
        for some in batched(missing, 20):
            for response in await asyncio.gather(
                *(cluster.api.get(f"/v1/commands/{command_id}") for command_id in some)
            ):
                record = response.json()
                if record["finished_at"]:
                    ended[record["command_id"]] = record
        return [command_id for command_id in missing if command_id not in ended]

    await eventually(look, lambda missing: not missing, timeout_s=timeout_s)
    return ended


def batched(items: list[str], size: int) -> Iterator[list[str]]:
    """Cut a list into pieces."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


@invariant(11, "100 commands at once to one station")
@pytest.mark.timeout(200)
async def test_a_station_has_one_call_of_ours_open_at_most(
    shared_cluster: Cluster, finding: Finding
) -> None:
    async def slowly(station: CommandedStation, call: ReceivedCall) -> None:
        await asyncio.sleep(0.01)
        await station.answer(call, {"status": "Accepted"})

    async with commanded(shared_cluster, ["ONE-CALL"], answering=slowly) as (station,):
        records = await asyncio.gather(
            *(command(shared_cluster, "ONE-CALL", data=str(n), timeout_s=60) for n in range(100))
        )
        ended = await outcomes(shared_cluster, [record["command_id"] for record in records])
    states = Counter(record["state"] for record in ended.values())
    finding.times = 100
    finding.tell(most_in_flight=station.most_unanswered, accepted=states["accepted"])
    assert station.most_unanswered == 1
    assert station.sent_more_than_once() == 0
    assert states == {"accepted": 100}


@invariant(9, "SIGSTOP of the gateway past the deadline")
@pytest.mark.timeout(300)
async def test_a_command_whose_time_is_over_is_not_sent(
    shared_cluster: Cluster, finding: Finding
) -> None:
    times = scaled(2, 10)
    async with commanded(shared_cluster, ["LATE"]) as (station,):
        sent_late = 0
        for number in range(times):
            owner = (await shared_cluster.api.get("/v1/stations/LATE")).json()["owner"]["pod_id"]
            pid = shared_cluster.pids[owner.rpartition("-")[0]]
            os.kill(pid, signal.SIGSTOP)
            try:
                record = await command(shared_cluster, "LATE", data=str(number), timeout_s=1)
                await asyncio.sleep(2)
            finally:
                os.kill(pid, signal.SIGCONT)
            (ended,) = (await outcomes(shared_cluster, [record["command_id"]])).values()
            await asyncio.sleep(0.5)
            sent_late += any(call.message_id == record["command_id"] for call in station.calls)
            assert ended["state"] == "expired"
    finding.times = times
    finding.tell(sent_late=sent_late)
    assert sent_late == 0


@invariant(8, "SIGKILL of gateways while commands are claimed, sent and answered")
@pytest.mark.timeout(600)
async def test_a_command_is_on_the_wire_at_most_once_whoever_dies(
    cluster: Cluster, finding: Finding
) -> None:
    kills = scaled(4, 20)
    station_ids = [f"CMD-{number}" for number in range(10)]
    command_ids: list[str] = []

    async def slowly(station: CommandedStation, call: ReceivedCall) -> None:
        await asyncio.sleep(0.03)
        await station.answer(call, {"status": "Accepted"})

    async def keep_commanding() -> None:
        while True:
            for station_id in station_ids:
                body = {"type": "DataTransfer", "vendor_id": "V", "wait_s": 0, "timeout_s": 20}
                response = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=body)
                if response.is_success:  # a station that is coming back is a 409
                    command_ids.append(response.json()["command_id"])
            await asyncio.sleep(0.02)

    async with commanded(cluster, station_ids, answering=slowly) as stations:
        commanding = asyncio.create_task(keep_commanding())
        for number in range(kills):
            victim = f"gateway-{number % 2 + 1}"
            await asyncio.sleep(1.2)
            pid = cluster.pids[victim]
            os.kill(pid, signal.SIGKILL)
            await wait_until_ready(cluster, victim, not_pid=pid)
        commanding.cancel()
        await asyncio.gather(commanding, return_exceptions=True)
        ended = await outcomes(cluster, command_ids, timeout_s=120)
    states = Counter(record["state"] for record in ended.values())
    duplicates = sum(station.sent_more_than_once() for station in stations)
    on_the_wire = {call.message_id for station in stations for call in station.calls}
    sent_but_called_unsent = sum(
        record["state"] in {"expired", "cancelled"} and command_id in on_the_wire
        for command_id, record in ended.items()
    )
    finding.times = kills
    finding.tell(
        commands=len(command_ids),
        duplicates=duplicates,
        share_unknown=states["unknown"] / len(command_ids),
        told_unsent_though_sent=sent_but_called_unsent,
    )
    assert duplicates == 0
    assert sent_but_called_unsent == 0
    assert states["accepted"] > len(command_ids) / 2, states


@invariant(8, "a command that was answered is queued again behind our back", control=True)
async def test_a_command_that_comes_twice_is_noticed(
    shared_cluster: Cluster, finding: Finding
) -> None:
    async with commanded(shared_cluster, ["TWICE"]) as (station,):
        record = await command(shared_cluster, "TWICE")
        await outcomes(shared_cluster, [record["command_id"]])
        connection = await asyncpg.connect(shared_cluster.database_url)
        try:
            await connection.execute(
                "UPDATE commands SET state = 'queued', finished_at = NULL, "
                "expires_at = now() + interval '20 s' WHERE command_id = $1",
                record["command_id"],
            )
        finally:
            await connection.close()
        await outcomes(shared_cluster, [record["command_id"]])
    finding.times = 1
    finding.tell(duplicates=station.sent_more_than_once())
    assert station.sent_more_than_once() == 1
