"""A Redis Cluster whose masters go away."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis.exceptions
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterPubSub

from shared.bus import keys
from shared.bus.client import require_writable
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import (
    OutcomeAnnouncer,
    OutcomeListener,
    PodRequestReader,
    PodRequestSender,
    RunCommand,
)
from shared.domain.errors import UnavailableError
from tests.support.eventually import eventually
from tests.support.redis_cluster import RedisClusterServers, client_of, name_in, owned


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[RedisClusterServers]:
    servers = RedisClusterServers(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


async def test_a_replica_takes_over_from_its_master(servers: RedisClusterServers) -> None:
    master = servers.masters[0]
    station_id = name_in(servers.slots(master), keys.owner)
    pod_id = name_in(servers.slots(master), keys.pod_stream)
    servers.replicate(master)
    async with client_of(servers) as client:
        registry = OwnershipRegistry(client)
        sender, reader = PodRequestSender(client), PodRequestReader(client, pod_id, block_s=0.1)
        listener = OutcomeListener(client, "control", timeout_s=1)
        assert not await registry.renew_lease("pod-1", lease_s=60)
        assert await registry.renew_lease("pod-1", lease_s=60)
        await reader.read()

        async def still_works() -> bool:
            try:
                await registry.claim([owned(station_id)])
                assert station_id in await registry.find_routes([station_id])
                await sender.send(pod_id, RunCommand("command", station_id, "control"))
                while not (entries := await reader.read()):
                    pass
                await reader.acknowledge([entry_id for entry_id, _ in entries])
                async with listener.subscribe() as outcomes, asyncio.timeout(1):
                    announcer = OutcomeAnnouncer(client)
                    await announcer.announce(control_id="control", command_id="command")
                    return await anext(outcomes) == "command"
            except UnavailableError:
                return False

        assert await still_works()
        servers.stop_node(master)
        assert not await still_works()
        assert await eventually(still_works, bool, timeout_s=15)
        # Its new master may not have had the latest of the old one.
        assert not await registry.renew_lease("pod-1", lease_s=60)
        assert await registry.renew_lease("pod-1", lease_s=60)


async def test_a_cluster_that_was_away_altogether_is_found_again(
    servers: RedisClusterServers,
) -> None:
    async with client_of(servers) as client:
        registry = OwnershipRegistry(client)
        await registry.renew_lease("pod-1", lease_s=60)
        assert await registry.renew_lease("pod-1", lease_s=60)
        servers.stop()
        with pytest.raises(UnavailableError):
            await require_writable(client)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await registry.renew_lease("pod-1", lease_s=60)
        servers.restart()

        async def takes_writes() -> bool:
            with suppress(UnavailableError):
                return await require_writable(client)
            return False

        assert await eventually(takes_writes, bool)
        assert not await registry.renew_lease("pod-1", lease_s=60)
        mine = [owned(f"CS-{number}") for number in range(100)]
        assert all(claim.claimed for claim in await registry.claim(mine))
        assert len(await registry.find_routes([each.station_id for each in mine])) == len(mine)


async def test_what_works_is_left_alone_while_a_master_is_away(
    servers: RedisClusterServers,
) -> None:
    """Only its slots fail, and nothing that reads from another master is cut."""
    away, there, _ = servers.masters
    for port in servers.masters:
        servers.tell(port, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    async with client_of(servers) as client:
        registry = OwnershipRegistry(client)
        lost = owned(name_in(servers.slots(away), keys.owner))
        kept = owned(name_in(servers.slots(there), keys.owner))
        await registry.claim([lost, kept])
        listeners = [client.pubsub() for _ in range(12)]  # each at a master of its choice
        for listener in listeners:
            await listener.subscribe("words")
        pod_id = name_in(servers.slots(there), keys.pod_stream)
        reader = PodRequestReader(client, pod_id, block_s=0.8)
        await reader.read()
        servers.stop_node(away)
        reading = asyncio.create_task(reader.read())
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await registry.claim([lost])
            assert (await registry.claim([kept]))[0].claimed
        assert await reading == []
        servers.tell(there, "PUBLISH", "words", "heard")
        for listener in listeners:
            assert isinstance(listener, ClusterPubSub)
            assert listener.node is not None
            if listener.node.port == away:
                with pytest.raises(redis.exceptions.ConnectionError):
                    await heard(listener)
            else:
                assert await heard(listener) == "heard"
            await listener.aclose()


async def heard(listener: PubSub) -> str:
    """Return the next word, past what confirms the subscription."""
    async with asyncio.timeout(2):
        while True:
            message = await listener.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                return str(message["data"])
