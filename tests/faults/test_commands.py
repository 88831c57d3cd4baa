"""Commands: one at a time, at most once, never late, and never with another one's answer."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import CommandedStation, ReceivedCall, commanded
from tests.faults.processes import stopped
from tests.faults.special import with_client
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, running_cluster


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


async def execute(cluster: Cluster, statement: str, command_id: str) -> None:
    """Change a command in Postgres behind everybody's back."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        await connection.execute(statement, command_id)
    finally:
        await connection.close()


def batched(items: list[str], size: int) -> Iterator[list[str]]:
    """Cut a list into pieces."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def command_all_at_once(
    cluster: Cluster, station_id: str, *, answer_after_s: float
) -> tuple[CommandedStation, Counter[str]]:
    """Give 100 commands at once to one station, and return it with what became of them."""

    async def slowly(station: CommandedStation, call: ReceivedCall) -> None:
        await asyncio.sleep(answer_after_s)
        await station.answer(call, {"status": "Accepted"})

    async with commanded(cluster, [station_id], answering=slowly) as (station,):
        records = await asyncio.gather(
            *(command(cluster, station_id, data=str(n), timeout_s=60) for n in range(100))
        )
        ended = await outcomes(cluster, [record["command_id"] for record in records])
    return station, Counter(record["state"] for record in ended.values())


@invariant(11, "100 commands at once to one station")
@pytest.mark.timeout(200)
async def test_a_station_has_one_call_of_ours_open_at_most(
    shared_cluster: Cluster, finding: Finding
) -> None:
    station, states = await command_all_at_once(shared_cluster, "ONE-CALL", answer_after_s=0.01)
    finding.times = 100
    finding.tell(most_in_flight=station.most_unanswered, accepted=states["accepted"])
    assert station.most_unanswered == 1
    assert station.sent_more_than_once() == 0
    assert states == {"accepted": 100}


@invariant(11, "the same, waiting for an answer less long than it takes", control=True)
@pytest.mark.timeout(200)
async def test_calls_that_are_open_at_the_same_time_are_noticed(
    tmp_path: Path, finding: Finding
) -> None:
    with running_cluster(
        tmp_path / "data", environment={"VOLTARO_CALL_TIMEOUT_S": "0.01"}
    ) as running:
        async with with_client(running) as cluster:
            station, _ = await command_all_at_once(cluster, "MANY-CALLS", answer_after_s=1)
    finding.times = 100
    finding.tell(most_in_flight=station.most_unanswered)
    assert station.most_unanswered > 1


@dataclass
class SentLate:
    """What became of commands whose pod stood still past their deadline."""

    commands: int = 0
    sent_late: int = 0
    states: Counter[str] = field(default_factory=Counter)


async def stop_past_the_deadline(
    cluster: Cluster, station_id: str, times: int, *, extended: bool = False
) -> SentLate:
    """Stop a station's gateway until a command is too old, and let it go on; so many times.

    Args:
        cluster: where.
        station_id: whom the commands are for.
        times: how many commands.
        extended: give each of them more time in Postgres, while the gateway is stopped.
    """
    found = SentLate()
    timeout_s = 1.0
    async with commanded(cluster, [station_id]) as (station,):
        for number in range(times):
            owner = (await cluster.api.get(f"/v1/stations/{station_id}")).json()["owner"]
            with stopped(cluster.pids[owner["pod_id"].rpartition("-")[0]]):
                record = await command(cluster, station_id, data=str(number), timeout_s=timeout_s)
                too_late_at_s = time.monotonic() + timeout_s
                if extended:
                    await execute(
                        cluster,
                        "UPDATE commands SET expires_at = now() + interval '1 min' "
                        "WHERE command_id = $1",
                        record["command_id"],
                    )
                await asyncio.sleep(2 * timeout_s)
            (ended,) = (await outcomes(cluster, [record["command_id"]])).values()
            await asyncio.sleep(0.5)
            found.commands += 1
            found.states[ended["state"]] += 1
            found.sent_late += any(
                call.message_id == record["command_id"] and call.at_s > too_late_at_s
                for call in station.calls
            )
    return found


@invariant(9, "SIGSTOP of the gateway past the deadline")
@pytest.mark.timeout(300)
async def test_a_command_whose_time_is_over_is_not_sent(
    shared_cluster: Cluster, finding: Finding
) -> None:
    found = await stop_past_the_deadline(shared_cluster, "LATE", scaled(2, 10))
    finding.times = found.commands
    finding.tell(sent_late=found.sent_late)
    assert found.sent_late == 0
    assert found.states == {"expired": found.commands}


@invariant(9, "the same, with the deadline moved behind our back", control=True)
async def test_a_command_that_is_sent_late_is_noticed(
    shared_cluster: Cluster, finding: Finding
) -> None:
    found = await stop_past_the_deadline(shared_cluster, "EXTENDED", 2, extended=True)
    finding.times = found.commands
    finding.tell(sent_late=found.sent_late)
    assert found.sent_late == 2


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
        await execute(
            shared_cluster,
            "UPDATE commands SET state = 'queued', finished_at = NULL, "
            "expires_at = now() + interval '20 s' WHERE command_id = $1",
            record["command_id"],
        )
        await outcomes(shared_cluster, [record["command_id"]])
    finding.times = 1
    finding.tell(duplicates=station.sent_more_than_once())
    assert station.sent_more_than_once() == 1
