"""Webhooks on the real Postgres: an endpoint, who receives, and the worker's part."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import pytest

from control.accounts.encryption import Encryption
from control.jobs.notices.webhooks import Deliverer, open_deliverer
from control.jobs.settings import WorkerSettings
from shared.domain.notices.events import EventType, NewEvent
from shared.store.notices import numbering, outbox
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, running
from tests.support.eventually import eventually
from tests.support.webhook_receiver import Receiver, webhook_receiver

ENCRYPTION_KEY = "an-encryption-key-of-these-tests-alone"
URL = "/v1/webhook-endpoints"
# Seconds for days, so that a test lives to see a retry.
QUICK: dict[str, object] = {
    "webhook_allowed_networks": "127.0.0.0/8, ::1/128",
    "webhook_allow_http": True,
    "webhook_interval_s": 0.02,
    "webhook_timeout_s": 0.5,
    "webhook_lease_s": 1.0,
    "webhook_turn_s": 5.0,
    "webhook_retry_first_s": 0.05,
    "webhook_retry_longest_s": 0.2,
    "webhook_retry_after_longest_s": 1.0,
}


def event(station_id: str | None, n: int, **changes: Any) -> NewEvent:
    """Return the n-th event of a station."""
    members = {
        "type": EventType.CONNECTOR_STATUS_CHANGED,
        "organization_id": "default",
        "station_id": station_id,
        "data": {"n": n},
    }
    return NewEvent(**{**members, **changes})


async def tell(db: Database, events: Sequence[NewEvent]) -> int:
    """Have events happen; return the number of the last."""
    async with db.acquire() as connection, connection.transaction():
        await outbox.put(connection, events)
    numbered = await numbering.number(db, limit=10_000)
    assert numbered is not None
    return numbered.newest


class Delivering(Protocol):
    """Runs a worker's part of webhooks."""

    def __call__(self, **changes: object) -> AbstractAsyncContextManager[Deliverer]: ...


@dataclass
class Hooks:
    """An API, a receiver, and what delivers from one to the other."""

    client: httpx.AsyncClient
    db: Database
    receiver: Receiver
    delivering: Delivering
    endpoint: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{URL}/{self.endpoint['webhook_endpoint_id']}"

    async def make(self, **body: Any) -> dict[str, Any]:
        """Make an endpoint, at the receiver if nothing else is said."""
        made = await self.client.post(URL, json={"url": self.receiver.url, **body})
        assert made.status_code == 201, made.text
        self.endpoint = made.json()
        self.receiver.secrets.append(self.endpoint["secret"])
        return self.endpoint

    async def read(self) -> dict[str, Any]:
        """Return the endpoint as it is now."""
        found = await self.client.get(self.url)
        assert found.is_success, found.text
        shown: dict[str, Any] = found.json()
        return shown

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        """Return its deliveries, the oldest first."""
        found = await self.client.get(f"{self.url}/deliveries", params={"limit": 1000, **query})
        assert found.is_success, found.text
        return list(reversed(found.json()["items"]))

    async def until_delivered(self, count: int, *, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """Wait until so many are delivered."""

        async def look() -> int:
            seen: int = await self.db.fetchval(
                """
                SELECT count(*) FROM webhook_deliveries
                WHERE webhook_endpoint_id = $1 AND state = 'delivered'
                """,
                self.endpoint["webhook_endpoint_id"],
            )
            return seen

        await eventually(look, lambda seen: seen >= count, timeout_s=timeout_s)
        return await self.deliveries(state="delivered")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with webhook_receiver() as running_receiver:
        yield running_receiver


@pytest.fixture
async def hooks_api(make_settings: MakeSettings) -> AsyncIterator[Api]:
    settings = make_settings(
        accounts_encryption_keys=ENCRYPTION_KEY,
        webhook_allowed_networks="127.0.0.0/8",
        webhook_allow_http=True,
    )
    async with running(settings) as served:
        yield served


@pytest.fixture
def delivering(db: Database, database_url: str, redis_url: str) -> Delivering:
    @asynccontextmanager
    async def run(**changes: object) -> AsyncIterator[Deliverer]:
        settings = WorkerSettings(
            **{"database_url": database_url, "redis_url": redis_url, **QUICK, **changes}
        )
        async with open_deliverer(
            db, settings, Encryption([ENCRYPTION_KEY]), stop_within_s=2
        ) as deliverer:

            async def work() -> None:
                while True:
                    await deliverer.run()
                    await asyncio.sleep(settings.webhook_interval_s)

            task = asyncio.create_task(work())
            try:
                yield deliverer
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                # What broke it is to be seen.
                if task.done() and not task.cancelled():
                    await task

    return run


@pytest.fixture
def hooks(hooks_api: Api, db: Database, receiver: Receiver, delivering: Delivering) -> Hooks:
    return Hooks(hooks_api.client, db, receiver, delivering)
