"""A command waits for its station to come back, if its caller says so."""

import asyncio
from typing import Any

import httpx
import pytest

from control.jobs.sweeps import route_again
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.domain.stations.availability import Disconnection, DisconnectReason
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.stations import connections
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import PodPlayer, assert_problem, register, running
from tests.support.relay import relay

URL = "/v1/stations/CS-1/commands"
WAITING = {"type": "ClearCache", "if_offline": "wait"}


async def sweep(db: Database, settings: Any) -> int:
    """Route what waits, as the worker does."""
    async with open_redis(settings) as redis:
        registry, sender = OwnershipRegistry(redis), PodRequestSender(redis)
        return await route_again(db, registry, sender, older_than_s=60, limit=100)


async def ask(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post(URL, json={**WAITING, **more})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def test_it_is_refused_unless_its_caller_says_so(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    for body in ({"type": "ClearCache"}, {"type": "ClearCache", "if_offline": "refuse"}):
        assert_problem(await client.post(URL, json=body), 409, "station-offline")
    assert (await client.get(URL)).json()["items"] == []


async def test_it_is_sent_once_when_its_station_is_back(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, make_settings: MakeSettings
) -> None:
    await register(db, "CS-1")
    queued = await ask(client)
    assert (queued["state"], queued["queued_reason"]) == ("queued", "station_offline")
    assert await sweep(db, make_settings()) == 0
    assert await db.fetchval("SELECT parked FROM commands")
    await pod.hold("CS-1")
    back = (await client.get(f"/v1/commands/{queued['command_id']}")).json()
    assert (back["state"], back["queued_reason"]) == ("queued", "on_its_way")
    assert await sweep(db, make_settings()) == 1
    request = await pod.answer()
    assert request.command_id == queued["command_id"]
    # The same word once more, as from a stream that was read twice, sends nothing.
    assert await pod.take(request) is None
    done = (await client.get(f"/v1/commands/{queued['command_id']}")).json()
    assert (done["state"], done["queued_reason"]) == ("accepted", None)
    assert await sweep(db, make_settings()) == 0


async def test_it_is_not_sent_after_its_deadline(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, make_settings: MakeSettings
) -> None:
    await register(db, "CS-1")
    queued = await ask(client, timeout_s=0.05)
    await sweep(db, make_settings())
    await asyncio.sleep(0.05)
    assert await commands.sweep_expired(db) == 1
    await pod.hold("CS-1")
    assert await sweep(db, make_settings()) == 0
    ended = (await client.get(f"/v1/commands/{queued['command_id']}")).json()
    assert (ended["state"], ended["sent_at"]) == ("expired", None)


async def test_it_can_be_cancelled_while_it_waits(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, make_settings: MakeSettings
) -> None:
    await register(db, "CS-1")
    queued = await ask(client, timeout_s=86_400)
    await sweep(db, make_settings())
    cancelled = await client.post(f"/v1/commands/{queued['command_id']}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    await pod.hold("CS-1")
    assert await sweep(db, make_settings()) == 0


async def test_the_same_key_gives_the_same_waiting_command(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    answers = [
        await client.post(URL, json=WAITING, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    first, second = (answer.json()["command_id"] for answer in answers)
    assert first == second


async def test_who_wants_to_wait_for_the_answer_gets_it(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, make_settings: MakeSettings
) -> None:
    await register(db, "CS-1")
    asking = asyncio.create_task(client.post(URL, json={**WAITING, "wait_s": 10}))
    while not await db.fetchval("SELECT count(*) FROM commands"):  # noqa: ASYNC110 - Postgres sets no Event
        await asyncio.sleep(0.01)
    await pod.hold("CS-1")
    await sweep(db, make_settings())
    await pod.answer()
    assert (await asking).json()["state"] == "accepted"


async def test_a_station_that_is_there_is_asked_at_once(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    asking = asyncio.create_task(client.post(URL, json={**WAITING, "timeout_s": 3600}))
    await pod.answer()
    assert (await asking).status_code == 200


async def test_so_many_wait_for_one_station_and_no_more(
    make_settings: MakeSettings, db: Database
) -> None:
    await register(db, "CS-1")
    async with running(make_settings(command_max_queued=2)) as api:
        for _ in range(2):
            await ask(api.client)
        assert_problem(await api.client.post(URL, json=WAITING), 429, "command-queue-full")


async def test_it_waits_for_redis_as_well(
    make_settings: MakeSettings, redis_url: str, db: Database, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    async with (
        relay(redis_url) as wire,
        running(make_settings(redis_url=wire.url, redis_timeout_s=0.3)) as api,
    ):
        await wire.cut()
        answer = await api.client.post(URL, json={**WAITING, "wait_s": 0})
        assert answer.status_code == 202, answer.text
        refused = await api.client.post(URL, json={"type": "ClearCache"})
        assert_problem(refused, 503, "unavailable")
    async with open_redis(make_settings()) as redis:
        routed = await route_again(
            db, OwnershipRegistry(redis), PodRequestSender(redis), older_than_s=0, limit=100
        )
    assert routed == 1
    assert (await pod.answer()).command_id == answer.json()["command_id"]


async def test_its_station_went_away_while_it_was_queued(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    ownership = await pod.hold("CS-1")
    queued = (await client.post(URL, json={**WAITING, "wait_s": 0})).json()
    assert queued["queued_reason"] == "on_its_way"
    left = Disconnection(
        ownership=ownership,
        reason=DisconnectReason.CLOSED_BY_STATION,
        close_code=None,
        close_reason=None,
        last_heard_at=None,
    )
    await connections.release(db, [left])
    now = (await client.get(f"/v1/commands/{queued['command_id']}")).json()
    assert (now["state"], now["queued_reason"]) == ("queued", "station_offline")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "ClearCache", "timeout_s": 301},
        {"type": "ClearCache", "timeout_s": 604_801, "if_offline": "wait"},
        {"type": "ClearCache", "if_offline": "perhaps"},
    ],
)
async def test_a_deadline_that_cannot_be_is_refused(
    client: httpx.AsyncClient, db: Database, body: dict[str, Any]
) -> None:
    await register(db, "CS-1")
    assert_problem(await client.post(URL, json=body), 422, "invalid-input")


async def test_commands_of_a_batch_wait_by_themselves(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    batch = {"command": {"type": "ClearCache"}, "station_ids": ["CS-1"]}
    refused = await client.post("/v1/command-batches", json={**batch, "command": WAITING})
    assert_problem(refused, 422, "invalid-input")
    made = (await client.post("/v1/command-batches", json=batch)).json()
    (waiting,) = (await client.get(f"/v1/command-batches/{made['batch_id']}/commands")).json()[
        "items"
    ]
    assert waiting["queued_reason"] == "station_offline"
