"""Postgres and Redis for the tests of one pytest process."""

import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import asyncpg
from redis import Redis

from cli.up import servers
from cli.up.ports import free_ports
from cli.up.program import Program, launch

_PASSWORD = "only-for-tests"
_POLL_INTERVAL_S = 0.01
_SLOTS = 16_384
_AGREEMENT_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class PostgresServer:
    """A running Postgres; `pid` is the postmaster's."""

    port: int
    pid: int

    def url(self, database: str) -> str:
        return servers.postgres_url(self.port, _PASSWORD, database)

    async def create_database(self, name: str, *, template: str = "template1") -> None:
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    @asynccontextmanager
    async def database(self, *, template: str = "template1") -> AsyncIterator[str]:
        """Lend the URL of a new database, dropped afterwards even if somebody is connected."""
        name = f"test_{uuid4().hex}"
        await self.create_database(name, template=template)
        yield self.url(name)
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True)
class RedisServer:
    """A running Redis."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return servers.redis_url(self.port, _PASSWORD)

    def flush(self) -> None:
        """Remove every key of every logical database."""
        with Redis.from_url(self.url) as client:
            client.flushall()


@contextmanager
def running(program: Program, log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block runs; a killed pytest takes it along."""
    with log_file.open("wb") as log:
        process = launch(program, log)
    try:
        deadline = time.monotonic() + program.ready_timeout_s
        while not program.is_ready(process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{program.name} does not start:\n{log_file.read_text()}")
            time.sleep(_POLL_INTERVAL_S)
        yield process
    finally:
        process.send_signal(program.stop_signal)
        try:
            process.wait(program.stop_timeout_s)
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_postgres(directory: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a new Postgres below a directory.

    Unless it is to be durable, it does not wait for the disk: the tests outlive no power cut.
    """
    cluster = directory / "postgres"
    servers.create_postgres(cluster, _PASSWORD)
    (port,) = free_ports(1)
    settings = {} if durable else {"fsync": "off", "full_page_writes": "off"}
    program = servers.postgres(cluster, port, settings=settings)
    with running(program, directory / "postgres.log") as process:
        yield PostgresServer(port, process.pid)


class RestartablePostgres:
    """A Postgres that a test stops and starts again, on the same port and with the same data.

    Args:
        directory: below which it lives.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (self._port,) = free_ports(1)
        self._stack = ExitStack()
        servers.create_postgres(directory / "postgres", _PASSWORD)

    def url(self, database: str) -> str:
        return servers.postgres_url(self._port, _PASSWORD, database)

    def start(self) -> None:
        program = servers.postgres(
            self._directory / "postgres", self._port, settings={"fsync": "off"}
        )
        self._stack.enter_context(running(program, self._directory / "postgres.log"))

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self._stack.close()


@contextmanager
def running_redis(directory: Path) -> Iterator[RedisServer]:
    """Run a new, empty Redis below a directory."""
    (port,) = free_ports(1)
    program = servers.redis(directory / "redis", port, _PASSWORD)
    with running(program, directory / "redis.log") as process:
        yield RedisServer(port, process.pid)


class RedisClusterServers:
    """A Redis Cluster of three masters, of which a test stops and starts single ones.

    Args:
        directory: below which they live.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ports = free_ports(8)
        self.ports = ports[:4]
        """Of the masters, and of one more node that has no slots."""
        self._bus_ports = dict(zip(self.ports, ports[4:], strict=True))
        self._nodes: dict[int, ExitStack] = {}

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{port}" for port in self.ports[:3])
        return f"redis+cluster://:{_PASSWORD}@{nodes}"

    def node(self, port: int) -> Redis:
        """Return a client of one node alone."""
        return Redis.from_url(servers.redis_url(port, _PASSWORD), decode_responses=True)

    def start(self) -> None:
        """Start three masters that share all slots, and one more node."""
        for port in self.ports:
            self.start_node(port)
        first, *others = self.ports
        for number, port in enumerate(self.ports[:3]):
            with self.node(port) as node:
                slots = range(_SLOTS)[number * _SLOTS // 3 : (number + 1) * _SLOTS // 3]
                node.execute_command("CLUSTER ADDSLOTSRANGE", slots[0], slots[-1])
                # Epochs of their own from the start, instead of a quarrel about them.
                node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        with self.node(first) as node:
            for port in others:
                node.execute_command("CLUSTER MEET", "127.0.0.1", port, self._bus_ports[port])
        self.wait_until_agreed()

    def wait_until_agreed(self) -> None:
        """Wait until every running node knows every other and finds all slots served."""
        deadline = time.monotonic() + _AGREEMENT_TIMEOUT_S
        while not all(self._agrees(port) for port in self._nodes):
            if time.monotonic() > deadline:
                raise RuntimeError("the nodes of the Redis Cluster do not agree")
            time.sleep(_POLL_INTERVAL_S)

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
        self._nodes[port] = ExitStack()
        self._nodes[port].enter_context(
            running(
                replace(program, argv=(*program.argv, *argv), stop_signal=signal.SIGKILL), self._directory / f"redis-{port}.log"
            )
        )

    def stop_node(self, port: int) -> None:
        """Stop one node: what it held is gone."""
        self._nodes.pop(port).close()

    def stop(self) -> None:
        for port in list(self._nodes):
            self.stop_node(port)

    def _agrees(self, port: int) -> bool:
        with self.node(port) as node:
            info = node.execute_command("CLUSTER INFO")
            known = (
                dict(line.split(":") for line in info.split() if ":" in line)
                if isinstance(info, str)
                else info
            )
            return known["cluster_state"] == "ok" and int(known["cluster_known_nodes"]) == len(
                self.ports
            )
