"""Answers find the CALL they belong to, or nobody."""

import asyncio
import random
from typing import Any

import pytest

from shared.bus.client import open_redis
from shared.domain.commands import CommandRecord, CommandState, DataTransfer
from shared.settings import DatabaseSettings, ServiceSettings
from shared.store.pool import open_database
from tests.faults.table import Finding, invariant, scaled
from tests.support.asking import ask, outcome
from tests.support.pods import running_pod
from tests.support.stations import StationClient, register, station_client


async def answer_late(station: StationClient, *, crossing: bool) -> None:
    """Hold half of the answers back until a later CALL is open, and tell some of them twice.

    Args:
        station: the connected station.
        crossing: give what is late the message id of the CALL that is open, as no station does.
    """
    choose = random.Random(10)  # noqa: S311 - the same test each time
    late: list[list[Any]] = []
    while True:
        _, message_id, _, payload = await station.receive()
        answer = [3, message_id, {"status": "Accepted", "data": payload["data"]}]
        if choose.random() < 0.5:
            late.append(answer)
            continue
        choose.shuffle(late)
        for _, late_id, late_payload in [*late, *late[:1]]:
            await station.send([3, message_id if crossing else late_id, late_payload])
        late.clear()
        await station.send(answer)


async def command_all(
    database_url: str, redis_url: str, commands: int, *, crossing: bool
) -> list[CommandRecord]:
    """Give commands one after another to a station that answers late, and return their ends."""
    settings = ServiceSettings(database_url=database_url, redis_url=redis_url)
    async with (
        open_database(DatabaseSettings(database_url=database_url)) as db,
        open_redis(settings) as redis,
        running_pod(database_url, redis_url, call_timeout_s=0.05) as pod,
    ):
        await register(db)
        async with station_client(pod.url) as station:
            await station.boot()
            answering = asyncio.create_task(answer_late(station, crossing=crossing))
            ended = []
            for number in range(commands):
                asked = DataTransfer(vendor_id="V", data=str(number))
                ended.append(await outcome(db, await ask(db, redis, asked)))
            answering.cancel()
    return ended


def count_wrong(ended: list[CommandRecord]) -> int:
    """Count the commands that were given another one's answer."""
    answered = (record for record in ended if record.state is CommandState.ACCEPTED)
    return sum((record.response or {}).get("data") != record.params["data"] for record in answered)


@invariant(10, "answers held past their time-out, then sent in any order, some twice")
@pytest.mark.timeout(300)
async def test_an_answer_is_never_taken_for_another_ones(
    database_url: str, redis_url: str, finding: Finding
) -> None:
    finding.times = scaled(40, 400)
    ended = await command_all(database_url, redis_url, finding.times, crossing=False)
    answered = sum(record.state is CommandState.ACCEPTED for record in ended)
    wrong = count_wrong(ended)
    finding.tell(answered=answered, timed_out=len(ended) - answered, wrong_pairings=wrong)
    assert answered > len(ended) / 4
    assert {record.state for record in ended} == {CommandState.ACCEPTED, CommandState.UNKNOWN}
    assert wrong == 0


@invariant(10, "late answers under the message id of the open CALL", control=True)
async def test_crossed_answers_are_noticed(
    database_url: str, redis_url: str, finding: Finding
) -> None:
    finding.times = 20
    ended = await command_all(database_url, redis_url, finding.times, crossing=True)
    finding.tell(wrong_pairings=count_wrong(ended))
    assert count_wrong(ended) > 0
