"""Workers are killed while receivers misbehave: nothing is lost, and each station keeps its order.

A short form; `make events` plays it for longer, kills twenty workers, and prints a table.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain.notices.events import EventType, NewEvent
from shared.store.notices import outbox
from shared.store.pool import Database
from tests.integration.control.notices.webhooks.conftest import ENCRYPTION_KEY, URL
from tests.integration.control.notices.webhooks.misbehaving import (
    TIMEOUT_S,
    Findings,
    Player,
    examine,
    players,
    render,
)
from tests.integration.control.players import Api
from tests.support.eventually import eventually
from tests.support.webhook_receiver import Answer

LONG = os.environ.get("VOLTARO_TEST_EVENTS") == "long"
KILLS = 20 if LONG else 2
WORKERS = 2 if LONG else 1
SEEN_BETWEEN_KILLS = 200 if LONG else 100
STATIONS = [f"CS-{n}" for n in range(12 if LONG else 4)]
# What comes at once, and how often: 15 events a second, to six receivers.
EVERY_S = 0.8 if LONG else 0.25

# Days and minutes as seconds.
ENVIRONMENT = {
    "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS": ENCRYPTION_KEY,
    "VOLTARO_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "VOLTARO_WEBHOOK_ALLOW_HTTP": "true",
    "VOLTARO_WEBHOOK_INTERVAL_S": "0.1",
    "VOLTARO_WEBHOOK_TIMEOUT_S": str(TIMEOUT_S),
    "VOLTARO_WEBHOOK_LEASE_S": "2.5",
    "VOLTARO_WEBHOOK_TURN_S": "1",
    "VOLTARO_WEBHOOK_RETRY_FIRST_S": "0.1",
    "VOLTARO_WEBHOOK_RETRY_LONGEST_S": "1",
}


class Workers:
    """Worker processes, which are killed and started again."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        self._urls = {"VOLTARO_DATABASE_URL": database_url, "VOLTARO_REDIS_URL": redis_url}
        self._folder = folder
        self._running: list[asyncio.subprocess.Process] = []
        self.killed = 0

    async def start(self) -> None:
        with (self._folder / f"worker-{self.killed}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "control.jobs"),
                env={
                    "PATH": os.environ["PATH"],
                    "VOLTARO_MANAGEMENT_HOST": "127.0.0.1",
                    "VOLTARO_MANAGEMENT_PORT": "0",
                    **self._urls,
                    **ENVIRONMENT,
                },
                stderr=log,
            )
        self._running.append(process)

    async def kill_one(self) -> None:
        """Kill the oldest, whatever it is at, and start another."""
        process = self._running.pop(0)
        process.kill()
        await process.wait()
        self.killed += 1
        await self.start()

    async def end(self) -> None:
        for process in self._running:
            process.kill()
            await process.wait()


@asynccontextmanager
async def working(database_url: str, redis_url: str, folder: Path) -> AsyncIterator[Workers]:
    workers = Workers(database_url, redis_url, folder)
    try:
        for _ in range(WORKERS):
            await workers.start()
        yield workers
    finally:
        await workers.end()


class Play:
    """Events happen until all workers were killed that are to be."""

    def __init__(self, db: Database, workers: Workers, cast: list[Player]) -> None:
        self._db = db
        self._workers = workers
        self._cast = cast
        self.told: list[tuple[str, int]] = []

    def done(self) -> float:
        """Return how much of it is over, from 0 to 1."""
        return self._workers.killed / KILLS

    async def tell(self) -> None:
        n = 0
        while self.done() < 1:
            async with self._db.acquire() as connection, connection.transaction():
                await outbox.put(connection, [_event(each, n) for each in STATIONS])
            self.told += [(each, n) for each in STATIONS]
            n += 1
            await asyncio.sleep(EVERY_S)

    async def kill(self) -> None:
        """Kill workers, each when there was something to see since the last one."""
        while self.done() < 1:
            seen = self._requests()
            await eventually(
                lambda: asyncio.sleep(0, self._requests()),
                lambda now, seen=seen: now - seen >= SEEN_BETWEEN_KILLS,
                timeout_s=60,
            )
            # At any moment of what it does.
            await asyncio.sleep(random.uniform(0, 0.3))  # noqa: S311 - a play
            await self._workers.kill_one()

    def _requests(self) -> int:
        return sum(len(player.receiver.requests) for player in self._cast)


def _event(station_id: str, n: int) -> NewEvent:
    return NewEvent(
        type=EventType.CONNECTOR_STATUS_CHANGED,
        organization_id="default",
        station_id=station_id,
        data={"n": n},
    )


async def make_endpoint(client: httpx.AsyncClient, player: Player) -> None:
    made = await client.post(URL, json={"url": player.receiver.url, "description": player.name})
    assert made.status_code == 201, made.text
    player.receiver.secrets = [made.json()["secret"]]


async def listen(player: Player, done: Callable[[], float], until: AsyncExitStack) -> None:
    player.receiver.decide = partial(_decide, player, done)
    await player.receiver.start()
    until.push_async_callback(player.receiver.stop)


def _decide(player: Player, done: Callable[[], float], told: dict[str, Any]) -> Answer:
    return player.decide(told, done())


async def play(
    db: Database, client: httpx.AsyncClient, workers: Workers, cast: list[Player]
) -> tuple[Play, list[Findings]]:
    """Have events happen, receivers misbehave and workers die; return what was seen."""
    async with AsyncExitStack() as until:
        happening = Play(db, workers, cast)
        for player in cast:
            await listen(player, happening.done, until)
            await make_endpoint(client, player)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(happening.tell())
            tasks.create_task(happening.kill())
            for player in cast:
                if player.disturb is not None:
                    tasks.create_task(player.disturb(player.receiver, happening.done))

        async def waiting() -> list[tuple[str, str]]:
            listed = (await client.get(URL)).json()["items"]
            newest = await db.fetchval("SELECT coalesce(max(last_number), 0) FROM event_days")
            return [
                (each["description"], each["last_event_id"])
                for each in listed
                if each["waiting"] or int(each["last_event_id"]) < newest
            ] or await db.fetch("SELECT FROM event_outbox LIMIT 1")

        await eventually(waiting, lambda left: not left, timeout_s=300)
    return happening, [examine(player, happening.told) for player in cast]


@pytest.mark.timeout(600)
async def test_nothing_is_lost_and_order_is_kept_whoever_is_killed(
    hooks_api: Api, db: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with working(database_url, redis_url, tmp_path) as workers:
        happening, findings = await play(db, hooks_api.client, workers, players())
    for line in render(findings, events=len(happening.told), killed=workers.killed):
        print(line)  # noqa: T201 - `make events` shows it
    assert [each for each in findings if not each.is_sound] == []
    assert workers.killed == KILLS


async def test_what_is_examined_can_fail() -> None:
    """The control: what is lost, out of order or renamed is seen."""
    player = Player("control", lambda _, __: Answer())
    async with httpx.AsyncClient() as client:
        await player.receiver.start()
        try:
            for webhook_id, n in (("1", 0), ("3", 2), ("2", 1), ("9", 1)):
                body = {"station_id": "CS-0", "data": {"n": n}}
                await client.post(
                    player.receiver.url, json=body, headers={"webhook-id": webhook_id}
                )
        finally:
            await player.receiver.stop()
    found = examine(player, [("CS-0", n) for n in range(4)])
    assert (found.lost, found.out_of_order, found.renamed, found.duplicates) == (1, 1, 1, 2)
    assert not found.is_sound
