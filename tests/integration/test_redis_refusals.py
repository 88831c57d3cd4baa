"""A Redis that answers, but does not do what it is asked, is as good as one that is away."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from shared.bus.authorization import Change, ChangePublisher, Kind, SharedCache
from shared.bus.client import open_redis, require_writable
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestReader, PodRequestSender, RunCommand
from shared.domain.access.tokens import IdToken
from shared.domain.errors import UnavailableError
from shared.settings import ServiceSettings
from tests.support import redis_states
from tests.support.eventually import eventually
from tests.support.local_servers import RedisServer, running_redis
from tests.support.redis_cluster import RedisClusterServers, client_of, name_in, owned
from tests.support.redis_states import State

REFUSALS = [
    pytest.param(redis_states.read_only, "READONLY", id="read-only"),
    pytest.param(redis_states.out_of_memory, "OOM", id="out-of-memory"),
    pytest.param(redis_states.without_replicas, "NOREPLICAS", id="without-replicas"),
    pytest.param(redis_states.cut_off_from_its_master, "MASTERDOWN|READONLY", id="master-down"),
    pytest.param(redis_states.unable_to_save, "MISCONF", id="unable-to-save"),
    pytest.param(redis_states.busy_with_a_script, "BUSY", id="busy"),
    pytest.param(redis_states.forbidding_writes, "NOPERM|ACL failure", id="no-permission"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own: some states outlast a flush."""
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[AsyncRedis]:
    settings = ServiceSettings(database_url="", redis_url=server.url)
    async with open_redis(settings) as client:
        yield client


async def everything_written(client: AsyncRedis) -> list[str | None]:
    """Do everything that writes, and return what was said of each: None if it was done."""
    registry = OwnershipRegistry(client)
    reader = PodRequestReader(client, "pod-2", block_s=0.05)  # has no group yet
    cache = SharedCache(client, Kind.ID_TOKEN, IdToken, ttl_s=60)
    publisher = ChangePublisher(client, tombstone_s=1)
    attempts = [
        registry.claim([owned("CS-1")]),
        registry.renew_lease("pod-1", lease_s=60),
        PodRequestSender(client).send("pod-1", RunCommand("id", "CS-1", "control")),
        PodRequestSender(client).require_writable("pod-1"),
        reader.read(),
        cache.add([("TAG", None)]),
        publisher.publish([Change(Kind.ID_TOKEN, "TAG")]),
        require_writable(client),
    ]
    said: list[str | None] = []
    for attempt in attempts:
        try:
            await attempt
        except UnavailableError as error:
            said.append(str(error))
        else:
            said.append(None)
    return said


@pytest.mark.parametrize(("state", "word"), REFUSALS)
async def test_what_redis_refuses_is_unavailable_until_it_does_it(
    client: AsyncRedis, admin: Redis, state: State, word: str
) -> None:
    with state(admin):
        said = await everything_written(client)
    assert all(each is not None and re.search(word, each) for each in said), said
    assert all("redis.call" not in str(each) for each in said), "no script of ours in a message"
    assert await everything_written(client) == [None] * len(said)


async def test_who_waits_at_a_stream_and_is_unblocked_waits_again(
    client: AsyncRedis, admin: Redis
) -> None:
    reader = PodRequestReader(client, "pod-1")
    await reader.read()
    with redis_states.unblocked(admin), pytest.raises(UnavailableError, match="UNBLOCKED"):
        await reader.read()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0.1)
    # A role that changes unblocks as well.
    with redis_states.read_only(admin), pytest.raises(UnavailableError, match="UNBLOCKED"):
        await reading
    await PodRequestSender(client).send("pod-1", RunCommand("id", "CS-1", "control"))
    assert len(await reader.read()) == 1


async def test_a_key_that_somebody_else_wrote_ends_nobody(client: AsyncRedis, admin: Redis) -> None:
    admin.set("own:{CS-1}", "not a hash")
    with pytest.raises(UnavailableError, match="WRONGTYPE"):
        await OwnershipRegistry(client).claim([owned("CS-1")])


async def test_a_connection_to_a_master_that_became_a_replica_is_not_used_again(
    client: AsyncRedis, admin: Redis
) -> None:
    """Its name means another server by now, and this one would stay connected for ever."""

    async def connections() -> set[str]:
        listed = await asyncio.to_thread(admin.client_list)
        mine = admin.client_id()
        return {each["id"] for each in listed if int(each["id"]) != mine}

    await require_writable(client)
    before = await connections()
    with redis_states.read_only(admin):
        with pytest.raises(UnavailableError, match="READONLY"):
            await require_writable(client)
        await eventually(connections, before.isdisjoint)
    assert await require_writable(client)


@pytest.mark.parametrize(
    ("state", "word"), [each for each in REFUSALS if "read-only" != each.id != "master-down"]
)
async def test_one_master_of_a_cluster_that_refuses_costs_only_its_own_slots(
    tmp_path: Path, state: State, word: str
) -> None:
    servers = RedisClusterServers(tmp_path)
    try:
        servers.start()
        refusing, there, _ = servers.masters
        async with client_of(servers) as client:
            registry = OwnershipRegistry(client)
            lost, kept = (
                owned(name_in(servers.slots(port), lambda name: f"own:{{{name}}}"))
                for port in (refusing, there)
            )
            await registry.claim([lost, kept])
            url = servers.url_of_node(refusing)
            with Redis.from_url(url, decode_responses=True) as admin, state(admin):
                with pytest.raises(UnavailableError, match=word):
                    await registry.claim([lost])
                with pytest.raises(UnavailableError, match=word):
                    await require_writable(client)
                assert (await registry.claim([kept]))[0].claimed
            assert (await registry.claim([lost]))[0].claimed
    finally:
        servers.stop()
