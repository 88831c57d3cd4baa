"""The API on the real Postgres and Redis."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from control.settings import ControlSettings
from shared.store.pool import Database, open_database
from tests.integration.control.players import API_KEY, Api, PodPlayer, playing_pod, running

MakeSettings = Callable[..., ControlSettings]


@pytest.fixture
def make_settings(database_url: str, redis_url: str) -> MakeSettings:
    def make(**changes: object) -> ControlSettings:
        return ControlSettings(
            **{
                "database_url": database_url,
                "redis_url": redis_url,
                "api_keys": API_KEY,
                "redis_timeout_s": 1.0,
                # All of a test's callers have one address.
                "rate_limit_failures_per_s": 0,
                "rate_limit_address_per_s": 0,
                "command_reconnect_wait_s": 0.1,
                "user_password_hash_memory_kib": 64,
                "user_password_hash_time_cost": 1,
                **changes,
            }
        )

    return make


@pytest.fixture
async def db(make_settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(make_settings(database_pool_size=2)) as database:
        yield database


@pytest.fixture
async def api(make_settings: MakeSettings) -> AsyncIterator[Api]:
    async with running(make_settings()) as served:
        yield served


@pytest.fixture
def client(api: Api) -> httpx.AsyncClient:
    return api.client


@pytest.fixture
async def pod(db: Database, make_settings: MakeSettings) -> AsyncIterator[PodPlayer]:
    async with playing_pod(db, make_settings()) as player:
        yield player
