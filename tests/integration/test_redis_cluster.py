"""A Redis Cluster of three masters in the place of one Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.exceptions
from redis.asyncio import Redis
from redis.crc import key_slot

from control.settings import ControlSettings
from shared.bus import keys
from shared.bus.allowances import Allowance, AllowanceRegistry
from shared.bus.authorization import Change, ChangeListener, ChangePublisher, Kind, SharedCache
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import (
    OutcomeAnnouncer,
    OutcomeListener,
    PodRequestReader,
    PodRequestSender,
    RunCommand,
)
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenType
from shared.domain.errors import UnavailableError
from shared.settings import DatabaseSettings, ServiceSettings
from shared.store.access import id_tokens
from shared.store.pool import open_database
from tests.integration.control.players import API_KEY, Api, running
from tests.support.eventually import eventually
from tests.support.pods import running_pod
from tests.support.redis_cluster import RedisClusterServers, client_of, name_in, owned
from tests.support.stations import StationClient, register, station_client

STATIONS = 500
LEASE_S = 3.0


@pytest.fixture(scope="module")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisClusterServers]:
    """For tests that leave it as it was, but for keys."""
    servers = RedisClusterServers(tmp_path_factory.mktemp("redis-cluster"))
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[RedisClusterServers]:
    """For tests that break it or move its slots."""
    servers = RedisClusterServers(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
async def client(shared_servers: RedisClusterServers) -> AsyncIterator[Redis]:
    shared_servers.flush()
    async with client_of(shared_servers) as client:
        yield client


async def test_stations_in_all_slots_are_claimed_found_and_released(
    shared_servers: RedisClusterServers, client: Redis
) -> None:
    registry = OwnershipRegistry(client)
    station_ids = [f"CS-{number}" for number in range(STATIONS)]
    old = [owned(each) for each in station_ids]
    new = [owned(each, epoch=2, pod_id="pod-2") for each in station_ids]
    assert {claim.other_pod_id for claim in await registry.claim(old)} == {None}
    assert min(shared_servers.keys_held()) > STATIONS / 4
    assert {claim.other_pod_id for claim in await registry.claim(new)} == {"pod-1"}
    assert not any(claim.claimed for claim in await registry.claim(old))
    assert await registry.find_routes(station_ids) == {}
    assert not await registry.renew_lease("pod-2", lease_s=60)
    assert await registry.renew_lease("pod-2", lease_s=60)
    routes = await registry.find_routes(station_ids)
    assert list(routes) == station_ids
    assert {(route.pod_id, route.epoch) for route in routes.values()} == {("pod-2", 2)}
    assert not any(await registry.release(old))
    assert all(await registry.release(new))
    assert await registry.find_routes(station_ids) == {}


async def test_requests_of_callers_in_all_slots_are_counted(client: Redis) -> None:
    registry = AllowanceRegistry(
        client, timeout_s=5, pause_s=1, max_at_once=256, on_not_counted=lambda _: None
    )
    one = Allowance("test", 0.01, 1)
    for expected in (True, False):
        taken = await asyncio.gather(*(registry.take(one, f"user:{n}") for n in range(100)))
        assert [each is not None and each.allowed for each in taken] == [expected] * 100


async def test_a_script_over_two_slots_is_our_mistake_and_no_outage(client: Redis) -> None:
    """What a script of the bus would meet that touched two keys."""
    for names, touched in ((2, "KEYS[2]"), (1, "ARGV[1]")):
        async with client.pipeline(transaction=False) as pipeline:
            script = f"redis.call('SET', KEYS[1], '1') return redis.call('SET', {touched}, '1')"
            pipeline.eval(script, names, keys.owner("CS-1"), keys.owner("CS-2"))
            with pytest.raises(
                (redis.exceptions.RedisClusterException, redis.exceptions.ResponseError),
                match=r"slot|non local key",
            ):
                await pipeline.execute()


async def test_one_node_taken_for_a_single_redis_says_what_to_do(
    shared_servers: RedisClusterServers,
) -> None:
    settings = ServiceSettings(
        database_url="", redis_url=shared_servers.url_of_node(shared_servers.masters[0])
    )
    async with open_redis(settings) as client:
        with pytest.raises(UnavailableError, match=r"write redis\+cluster://host:port into"):
            await OwnershipRegistry(client).find_routes([f"CS-{number}" for number in range(20)])


async def test_streams_of_pods_on_all_masters(client: Redis) -> None:
    pods = [f"pod-{number}" for number in range(12)]
    readers = [PodRequestReader(client, pod, block_s=0.05) for pod in pods]
    for reader in readers:
        assert await reader.read() == []  # it makes the stream
    requests = [
        (pod, RunCommand(f"command-{n}", "CS-1", "control")) for n in (1, 2) for pod in pods
    ]
    await PodRequestSender(client).send_many(requests)
    for reader in readers:
        entries = await reader.read()
        assert [request and request.command_id for _, request in entries] == [
            "command-1",
            "command-2",
        ]
        await reader.acknowledge([entry_id for entry_id, _ in entries])
        assert await reader.read() == []
        await reader.delete()


async def test_words_are_heard_from_any_client(
    shared_servers: RedisClusterServers, client: Redis
) -> None:
    """Each listener and each announcer is at a master of its choice."""
    async with client_of(shared_servers) as other:
        for number in range(12):
            control_id = f"control-{number}"
            listener = OutcomeListener(client, control_id, timeout_s=1)
            async with listener.subscribe() as outcomes:
                await OutcomeAnnouncer(other).announce(control_id=control_id, command_id="command")
                async with asyncio.timeout(1):
                    assert await anext(outcomes) == "command"


async def test_a_change_is_heard_when_its_tombstone_stands(
    shared_servers: RedisClusterServers, client: Redis
) -> None:
    cache = SharedCache(client, Kind.ID_TOKEN, IdToken, ttl_s=60)
    names = [f"tag-{number}" for number in range(100)]
    await cache.add([(name, None) for name in names])
    assert await cache.get(names) == [(None,)] * len(names)
    async with (
        client_of(shared_servers) as other,
        ChangeListener(client, timeout_s=1).subscribe() as changes,
    ):
        publisher = ChangePublisher(other, tombstone_s=20)
        await publisher.publish([Change(Kind.ID_TOKEN, name) for name in names])
        missing = set(names)
        while missing:
            async with asyncio.timeout(1):
                change = await anext(changes)
            await cache.add([(change.key, None)])
            assert await cache.get([change.key]) == [None]
            missing.remove(change.key)


@asynccontextmanager
async def api_of(database_url: str, servers: RedisClusterServers) -> AsyncIterator[Api]:
    settings = ControlSettings(
        database_url=database_url, redis_url=servers.url, redis_timeout_s=1.0, api_keys=API_KEY
    )
    async with running(settings) as api:
        yield api


async def clear_cache(api: Api, station_id: str, station: StationClient) -> None:
    """Have the API ask something of a station, and see its answer."""

    async def answer() -> None:
        _, message_id, action, _ = await station.receive()
        assert action == "ClearCache"
        await station.send([3, message_id, {"status": "Accepted"}])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer())
        response = await api.client.post(
            f"/v1/stations/{station_id}/commands", json={"type": "ClearCache", "timeout_s": 5}
        )
    assert response.status_code == 200, response.text
    assert response.json()["state"] == "accepted"


async def authorize(station: StationClient) -> str:
    frame = await station.call("Authorize", {"idTag": "TAG"})
    return str(frame[2]["idTagInfo"]["status"])


async def routed(api: Api, station_id: str) -> bool:
    return (await api.client.get(f"/v1/stations/{station_id}")).json()["owner"] is not None


async def test_a_pod_and_the_api_serve_stations(
    database_url: str, shared_servers: RedisClusterServers
) -> None:
    """A command goes there and back, and a change of a token is heard at once."""
    async with (
        open_database(DatabaseSettings(database_url=database_url)) as db,
        running_pod(database_url, shared_servers.url, redis_timeout_s=1.0) as pod,
        api_of(database_url, shared_servers) as api,
    ):
        await id_tokens.create(
            db,
            id_token="TAG",
            type=IdTokenType.ISO14443,
            status=AuthorizationStatus.ACCEPTED,
            expires_at=None,
            group_id_token=None,
        )
        for number in range(6):
            station_id = await register(db, f"CS-{number}")
            async with station_client(pod.url, station_id) as station:
                await station.boot()
                await eventually(lambda sid=station_id: routed(api, sid), bool)
                await clear_cache(api, station_id, station)
                assert await authorize(station) == "Accepted"
                await api.client.patch("/v1/id-tokens/TAG", json={"status": "Blocked"})
                await eventually(lambda s=station: authorize(s), "Blocked".__eq__, timeout_s=2)
                await api.client.patch("/v1/id-tokens/TAG", json={"status": "Accepted"})
                await eventually(lambda s=station: authorize(s), "Accepted".__eq__, timeout_s=2)


async def test_a_master_that_comes_back_empty_gets_its_routes_back(
    database_url: str, servers: RedisClusterServers
) -> None:
    """Whichever it is: the pod's lease stands on one of them, and tells of that one alone."""
    async with (
        open_database(DatabaseSettings(database_url=database_url)) as db,
        running_pod(database_url, servers.url, redis_timeout_s=1.0, pod_lease_s=LEASE_S) as pod,
        api_of(database_url, servers) as api,
    ):
        for port in servers.masters:
            station_id = await register(db, name_in(servers.slots(port), keys.owner))
            async with station_client(pod.url, station_id) as station:
                await station.boot()
                await eventually(lambda sid=station_id: routed(api, sid), bool)
                servers.stop_node(port)
                servers.start_node(port)
                await eventually(lambda sid=station_id: routed(api, sid), bool, timeout_s=15)
                await clear_cache(api, station_id, station)
                assert (await station.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize("connections", [1, 2, 3, 4])
async def test_a_slot_that_moves_costs_nothing(
    shared_servers: RedisClusterServers, connections: int
) -> None:
    """While it moves (ASK), and when it has moved (MOVED)."""
    source, target = shared_servers.masters[:2]
    station_id = name_in(shared_servers.slots(source), keys.owner)
    slot = key_slot(keys.owner(station_id).encode())
    async with client_of(shared_servers) as client:
        registry = OwnershipRegistry(client)
        await registry.renew_lease("pod-1", lease_s=60)
        with shared_servers.moving(slot, source=source, target=target):
            # As many commands at once, so that the node has as many connections.
            for epoch in range(1, 4):
                mine = owned(station_id, epoch=epoch)
                answers = await asyncio.gather(
                    *(registry.claim([mine]) for _ in range(connections))
                )
                assert all(claim.claimed for claims in answers for claim in claims)
        for _ in range(3):
            routes = await registry.find_routes([station_id])
            assert routes[station_id].epoch == 3
