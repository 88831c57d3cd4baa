"""A gateway pod in the test's own process, on the real Postgres and Redis."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from cli.up.ports import free_ports
from gateway.app import pod
from gateway.server import OcppServer
from gateway.settings import GatewaySettings
from shared.settings import DatabaseSettings
from shared.store.pool import Database, open_database


@dataclass(frozen=True)
class Pod:
    server: OcppServer
    url: str
    management_url: str


StartPod = Callable[..., AbstractAsyncContextManager[Pod]]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


@pytest.fixture
def start_pod(database_url: str, redis_url: str) -> StartPod:
    @asynccontextmanager
    async def start(**settings: object) -> AsyncIterator[Pod]:
        ocpp_port, management_port = free_ports(2)
        async with pod(
            GatewaySettings(
                **{
                    "database_url": database_url,
                    "redis_url": redis_url,
                    "pod_name": "pod",
                    "ocpp_host": "127.0.0.1",
                    "ocpp_port": ocpp_port,
                    "management_host": "127.0.0.1",
                    "management_port": management_port,
                    "interval_jitter": 0.0,
                    **settings,
                }
            )
        ) as server:
            yield Pod(
                server, f"ws://127.0.0.1:{ocpp_port}/ocpp", f"http://127.0.0.1:{management_port}"
            )

    return start


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    async with start_pod() as running:
        yield running
