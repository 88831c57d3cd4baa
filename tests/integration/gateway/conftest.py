"""A gateway pod in the test's own process, on the real Postgres and Redis."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from shared.settings import DatabaseSettings
from shared.store.pool import Database, open_database
from tests.support.pods import Pod, running_pod

__all__ = ["Pod", "StartPod"]

StartPod = Callable[..., AbstractAsyncContextManager[Pod]]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
def start_pod(database_url: str, redis_url: str) -> StartPod:
    return partial(running_pod, database_url=database_url, redis_url=redis_url)


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    async with start_pod() as running:
        yield running
