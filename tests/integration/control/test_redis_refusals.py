"""A Redis that does not do what it is asked: commands are refused in words, the rest goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import assert_problem, playing_pod, running
from tests.support import redis_states
from tests.support.local_servers import RedisServer, running_redis
from tests.support.redis_states import State


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own: some states outlast a flush."""
    with running_redis(tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    ("state", "word"),
    [
        pytest.param(redis_states.read_only, "READONLY", id="read-only"),
        pytest.param(redis_states.out_of_memory, "OOM", id="out-of-memory"),
        pytest.param(redis_states.without_replicas, "NOREPLICAS", id="without-replicas"),
    ],
)
async def test_what_needs_redis_is_refused_with_its_reason_and_nothing_is_kept(
    db: Database, server: RedisServer, make_settings: MakeSettings, state: State, word: str
) -> None:
    settings = make_settings(redis_url=server.url)
    ask = {"type": "Reset", "wait_s": 0}
    change = {"registration_status": "Rejected"}
    async with playing_pod(db, settings) as pod, running(settings) as api:
        await pod.hold("CS-1")
        with Redis.from_url(server.url, decode_responses=True) as admin, state(admin):
            refused = await api.client.post("/v1/stations/CS-1/commands", json=ask)
            assert word in assert_problem(refused, 503, "unavailable")["detail"]
            # A change whose closing of the connection cannot be carried out is not made.
            changed = await api.client.patch("/v1/stations/CS-1", json=change)
            assert word in assert_problem(changed, 503, "unavailable")["detail"]
            removed = await api.client.delete("/v1/stations/CS-1")
            assert word in assert_problem(removed, 503, "unavailable")["detail"]
            ready = await api.management.get("/readyz")
            assert ready.status_code == 200
            assert ready.json()["dependencies"] == {"postgres": "ok", "redis": "away"}
            assert word in ready.json()["reasons"]["redis"]
        station = (await api.client.get("/v1/stations/CS-1")).json()
        assert station["registration_status"] == "Accepted"
        assert (await api.client.get("/v1/stations/CS-1/commands")).json()["items"] == []
        assert (await api.client.post("/v1/stations/CS-1/commands", json=ask)).is_success


async def test_a_lease_that_ran_out_because_redis_refuses_does_not_make_a_station_offline(
    db: Database, server: RedisServer, make_settings: MakeSettings
) -> None:
    settings = make_settings(redis_url=server.url)
    async with playing_pod(db, settings) as pod, running(settings) as api:
        await pod.hold("CS-1")
        with Redis.from_url(server.url, decode_responses=True) as admin:
            admin.delete(*admin.keys("alive:*"))
            with redis_states.out_of_memory(admin):
                refused = await api.client.post(
                    "/v1/stations/CS-1/commands", json={"type": "Reset", "wait_s": 0}
                )
        assert_problem(refused, 503, "unavailable")
