"""A Redis Cluster whose nodes a test stops, and whose slots it moves."""

import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.crc import key_slot

from cli.up import servers
from cli.up.ports import LOOPBACK, free_ports
from shared.bus.client import open_redis
from shared.domain.stations.stations import Ownership
from shared.settings import ServiceSettings
from tests.support.local_servers import running

_PASSWORD = "only-for-tests"
_SLOTS = 16_384
_MASTERS = 3
_TIMEOUT_S = 20.0
_POLL_INTERVAL_S = 0.02


class RedisClusterServers:
    """Three masters that share all slots, and a spare node that serves none.

    Args:
        directory: below which they live.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ports = free_ports(2 * (_MASTERS + 1))
        self.masters = ports[:_MASTERS]
        """The ports of those that were masters at first."""
        self._spare = ports[_MASTERS]
        self._bus_ports = dict(zip(ports, ports[_MASTERS + 1 :], strict=False))
        self._nodes: dict[int, ExitStack] = {}

    @property
    def url(self) -> str:
        nodes = ",".join(f"{LOOPBACK}:{port}" for port in self.masters)
        return f"redis+cluster://:{_PASSWORD}@{nodes}"

    @staticmethod
    def url_of_node(port: int) -> str:
        return servers.redis_url(port, _PASSWORD)

    def start(self) -> None:
        for port in self._bus_ports:
            self.start_node(port)
        for number, port in enumerate(self.masters):
            slots = range(_SLOTS)[number * _SLOTS // _MASTERS : (number + 1) * _SLOTS // _MASTERS]
            self.tell(port, "CLUSTER ADDSLOTSRANGE", slots[0], slots[-1])
            # An epoch of its own from the start, instead of a quarrel about it.
            self.tell(port, "CLUSTER SET-CONFIG-EPOCH", number + 1)
        for port, bus_port in self._bus_ports.items():
            self.tell(self.masters[0], "CLUSTER MEET", LOOPBACK, port, bus_port)
        self._wait_until(self._agree, "agree on who serves what")

    def restart(self) -> None:
        """Start all nodes again, without any key."""
        for port in self._bus_ports:
            self.start_node(port)
        self._wait_until(self._agree, "agree again")

    def stop(self) -> None:
        for port in list(self._nodes):
            self.stop_node(port)

    def start_node(self, port: int) -> None:
        """Start one node, without any key; it remembers which slots it serves."""
        program = servers.redis(self._directory / f"redis-{port}", port, _PASSWORD)
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(self._bus_ports[port]),
            "cluster-node-timeout": "1000",
            "masterauth": _PASSWORD,
            "repl-diskless-sync-delay": "0",
        }
        argv = [word for name, value in options.items() for word in (f"--{name}", value)]
        program = replace(
            program, argv=(*program.argv, *argv), stop_signal=signal.SIGKILL, stop_timeout_s=5.0
        )
        stack = ExitStack()
        stack.enter_context(running(program, self._directory / f"redis-{port}.log"))
        self._nodes[port] = stack

    def stop_node(self, port: int) -> None:
        """Kill one node: what it held is gone."""
        self._nodes.pop(port).close()

    def tell(self, port: int, *command: object) -> Any:
        """Have one node carry out a command."""
        with Redis.from_url(self.url_of_node(port), decode_responses=True) as node:
            return node.execute_command(*command)

    def flush(self) -> None:
        """Remove every key."""
        for port in self.masters:
            self.tell(port, "FLUSHALL")

    def keys_held(self) -> list[int]:
        """Return how many keys each master has."""
        return [self.tell(port, "DBSIZE") for port in self.masters]

    def slots(self, port: int) -> set[int]:
        """Return the slots that a master serves."""
        return {
            slot
            for first, last, master, *_ in self.tell(port, "CLUSTER SLOTS")
            for slot in range(first, last + 1)
            if master[1] == port
        }

    @contextmanager
    def moving(self, slot: int, *, source: int, target: int) -> Iterator[None]:
        """Have a slot without keys move while the block runs; then it has moved."""
        source_id, target_id = (self.tell(port, "CLUSTER MYID") for port in (source, target))
        self.tell(target, "CLUSTER SETSLOT", slot, "IMPORTING", source_id)
        self.tell(source, "CLUSTER SETSLOT", slot, "MIGRATING", target_id)
        yield
        for port in (target, source):
            self.tell(port, "CLUSTER SETSLOT", slot, "NODE", target_id)

    def replicate(self, master: int) -> None:
        """Make the spare node a replica that takes over when its master is away."""
        master_id = self.tell(master, "CLUSTER MYID")
        self.tell(self._spare, "CLUSTER REPLICATE", master_id)
        self._wait_until(
            lambda: (
                all(self.tell(port, "CLUSTER REPLICAS", master_id) for port in self._nodes)
                and self.tell(self._spare, "INFO", "replication")["master_link_status"] == "up"
            ),
            "know the replica",
        )

    def _agree(self) -> bool:
        return all(
            info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == len(self._nodes)
            for info in (self.tell(port, "CLUSTER INFO") for port in self._nodes)
        )

    @staticmethod
    def _wait_until(happened: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while not happened():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the nodes of the Redis Cluster do not {what}")
            time.sleep(_POLL_INTERVAL_S)


@asynccontextmanager
async def client_of(cluster: RedisClusterServers) -> AsyncIterator[AsyncRedis]:
    """Open a client the way every process does."""
    settings = ServiceSettings(database_url="", redis_url=cluster.url, redis_timeout_s=1.0)
    async with open_redis(settings) as client:
        yield client


def owned(station_id: str, *, epoch: int = 1, pod_id: str = "pod-1") -> Ownership:
    """Return that a connection of a pod owns a station."""
    return Ownership(
        station_id=station_id,
        epoch=epoch,
        pod_id=pod_id,
        connection_id=f"connection-{station_id}-{epoch}",
    )


def name_in(slots: set[int], key: Callable[[str], str]) -> str:
    """Return a station or pod whose key is in one of these slots."""
    names = (f"NAME-{number}" for number in count())
    return next(name for name in names if key_slot(key(name).encode()) in slots)
