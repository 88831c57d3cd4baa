"""A gateway pod in the test's own process, on the real Postgres and Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cli.up.ports import free_ports
from gateway.app import pod
from gateway.server import OcppServer
from gateway.settings import GatewaySettings


@dataclass(frozen=True)
class Pod:
    """A running pod; `url` is where stations connect, without their id."""

    server: OcppServer
    url: str
    management_url: str


@asynccontextmanager
async def running_pod(database_url: str, redis_url: str, **settings: object) -> AsyncIterator[Pod]:
    """Run a pod on free ports; its settings are the defaults but for what is given."""
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
                "drain_delay_s": 0.0,
                **settings,
            }
        )
    ) as server:
        yield Pod(server, f"ws://127.0.0.1:{ocpp_port}/ocpp", f"http://127.0.0.1:{management_port}")
