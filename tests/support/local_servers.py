"""Postgres and Redis for the tests of one pytest process."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
from redis import Redis

from cli.up import servers
from cli.up.ports import free_ports
from cli.up.program import Program, launch

_PASSWORD = "only-for-tests"
_POLL_INTERVAL_S = 0.01


@dataclass(frozen=True)
class PostgresServer:
    """A running Postgres; `pid` is the postmaster's."""

    port: int
    pid: int

    def url(self, database: str) -> str:
        # It speaks no TLS; to ask for that first is a third of what a connection costs us.
        return f"{servers.postgres_url(self.port, _PASSWORD, database)}?sslmode=disable"

    async def create_database(self, name: str, *, template: str = "template1") -> None:
        # Copied as files it takes 46 ms to make and to drop, and 72 ms through the log.
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')

    @asynccontextmanager
    async def database(self, *, template: str = "template1") -> AsyncIterator[str]:
        """Lend the URL of a new database, dropped afterwards even if somebody is connected."""
        name = f"test_{uuid4().hex}"
        await self.create_database(name, template=template)
        yield self.url(name)
        await self.drop_database(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database even if somebody is connected."""
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
def running_postgres(
    directory: Path, *, durable: bool = False, password: str = _PASSWORD
) -> Iterator[PostgresServer]:
    """Run a new Postgres below a directory.

    Unless it is to be durable, it does not wait for the disk: the tests outlive no power cut. Nor
    does it vacuum or analyze by itself, which changes plans, and what `lent_databases` compares,
    whenever it likes.
    """
    cluster = directory / "postgres"
    # A guess is to be slow to check; with 4096 rounds each connection takes 1 ms longer.
    servers.create_postgres(cluster, password, settings={"scram_iterations": "1"})
    (port,) = free_ports(1)
    quick = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    settings = {} if durable else quick
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
