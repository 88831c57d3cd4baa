"""A Redis that does not do what it is asked costs no connection, and no pod its life."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.settings import ServiceSettings
from shared.store.pool import Database
from tests.integration.gateway.conftest import StartPod
from tests.support import redis_states
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_servers import RedisServer, running_redis
from tests.support.redis_states import State
from tests.support.stations import register, station_client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own: some states outlast a flush."""
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
async def registry(server: RedisServer) -> AsyncIterator[OwnershipRegistry]:
    async with open_redis(ServiceSettings(database_url="", redis_url=server.url)) as client:
        yield OwnershipRegistry(client)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        pytest.param(redis_states.read_only, "READONLY", id="read-only"),
        pytest.param(redis_states.out_of_memory, "OOM", id="out-of-memory"),
        pytest.param(redis_states.without_replicas, "NOREPLICAS", id="without-replicas"),
        pytest.param(redis_states.unblocked, None, id="unblocked"),
        pytest.param(redis_states.busy_with_a_script, "BUSY", id="busy"),
    ],
)
async def test_a_pod_goes_on_while_redis_refuses_and_is_routed_to_again_when_it_does_not(
    db: Database,
    server: RedisServer,
    registry: OwnershipRegistry,
    start_pod: StartPod,
    state: State,
    word: str | None,
) -> None:
    await register(db)
    await register(db, "CP-2")
    async with (
        start_pod(redis_url=server.url, pod_lease_s=0.9) as gateway,
        station_client(gateway.url) as station,
        http_client(base_url=gateway.management_url) as management,
    ):

        async def readiness() -> str:
            response = await management.get("/readyz")
            assert response.status_code == 200
            return response.text

        await station.boot()
        await eventually(lambda: registry.find_routes(["CP-1"]), bool)
        with Redis.from_url(server.url, decode_responses=True) as admin, state(admin):
            if word is not None:
                await eventually(readiness, lambda text: word in text)
            assert (await station.call("Heartbeat", {}))[0] == 3
            async with station_client(gateway.url, "CP-2") as newcomer:
                assert (await newcomer.boot())["status"] == "Accepted"
                assert (await newcomer.call("Heartbeat", {}))[0] == 3
        await eventually(readiness, lambda text: text == "ready\n")
        await eventually(lambda: registry.find_routes(["CP-1"]), bool)
        assert (await station.call("Heartbeat", {}))[0] == 3
