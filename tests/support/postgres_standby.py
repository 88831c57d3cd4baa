"""Two Postgres servers: a primary, and a hot standby that takes its place."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from cli.up import servers
from cli.up.account import account_of
from cli.up.ports import LOOPBACK, free_ports
from cli.up.program import launch
from tests.support.eventually import eventually
from tests.support.processes import descendants

_PASSWORD = "only-for-tests"
_TIMEOUT_S = 60.0
_ASK_TIMEOUT_S = 5.0


class Node:
    """One of the two servers.

    Args:
        name: by which the other knows it as its standby.
        directory: below which it lives.
        port: which it keeps in every role.
    """

    def __init__(self, name: str, directory: Path, port: int) -> None:
        self.name = name
        self.directory = directory / name
        self.port = port
        self._log_file = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = servers.POSTGRES_DATABASE) -> str:
        return servers.postgres_url(self.port, _PASSWORD, database)

    async def start(self) -> None:
        """Start it with the defaults of Postgres, which wait for the disk, and wait until it is up.

        Raises:
            RuntimeError: It ended at once; the message holds its log.
        """
        settings = {
            # Under this name it reports to a primary, which waits for it by it.
            "cluster_name": self.name,
            # Below its directory, so that one that is killed leaves nothing in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
        }
        program = servers.postgres(self.directory, self.port, settings=settings)
        with self._log_file.open("ab") as log:
            process = self._process = launch(program, log)

        async def is_ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} does not start:\n{self._log_file.read_text()}")
            return program.is_ready(process.pid)

        await eventually(is_ready, bool, timeout_s=_TIMEOUT_S)

    async def ask(self, statement: str, *arguments: object) -> Any:
        """Carry out one statement on this server and no other, and return its first value."""
        connection = await asyncpg.connect(self.url("postgres"), timeout=_ASK_TIMEOUT_S)
        try:
            return await connection.fetchval(statement, *arguments, timeout=_TIMEOUT_S)
        finally:
            await connection.close()

    async def set(self, name: str, value: str) -> None:
        """Change a setting while it runs."""
        await self.ask(f"ALTER SYSTEM SET {name} = '{value}'")
        await self.ask("SELECT pg_reload_conf()")

    def hang(self) -> None:
        """Have it answer nothing more, as a machine that is lost: not even a refusal."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Kill every one of its processes, as a machine that loses its power."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            pids = self._pids()
            for pid in reversed(pids):  # the postmaster last: it would start some of them again
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _pids(self) -> list[int]:
        assert self._process is not None, f"{self.name} does not run"
        os.kill(self._process.pid, signal.SIGSTOP)  # so that it starts no more
        return [self._process.pid, *(child.pid for child in descendants(self._process.pid))]


class PostgresPair:
    """A primary and its standby. They change places, and keep their ports.

    Args:
        directory: below which they live.
    """

    def __init__(self, directory: Path) -> None:
        ports = free_ports(2)
        self._nodes = [
            Node(f"postgres_{letter}", directory, port)
            for letter, port in zip("ab", ports, strict=True)
        ]

    @property
    def primary(self) -> Node:
        """The one that takes writes, or took them last."""
        return self._nodes[0]

    @property
    def standby(self) -> Node:
        """The other one, which may be down."""
        return self._nodes[1]

    def url(self) -> str:
        """Return the URL that names both, always in one order, as pods are told it."""
        hosts = ",".join(
            f"{LOOPBACK}:{node.port}" for node in sorted(self._nodes, key=lambda node: node.name)
        )
        credentials = f"{servers.POSTGRES_SUPERUSER}:{_PASSWORD}"
        return f"postgresql://{credentials}@{hosts}/{servers.POSTGRES_DATABASE}"

    async def start(self, *, synchronous: bool) -> None:
        """Start a new primary and its standby."""
        servers.create_postgres(self.primary.directory, _PASSWORD)
        await self.primary.start()
        await self.attach_standby(synchronous=synchronous)

    def stop(self) -> None:
        """End both; nobody needs what they hold any more."""
        for node in self._nodes:
            node.kill()

    async def attach_standby(self, *, synchronous: bool) -> None:
        """Make the other server anew as a copy of the primary that follows it.

        Args:
            synchronous: whether from then on a commit waits until the standby has it on its disk.
        """
        primary, standby = self.primary, self.standby
        await asyncio.to_thread(_copy, primary, standby)
        await standby.start()
        await _until(lambda: _state(primary, standby), "streaming async")
        if synchronous:
            # After the copy was made, so that the setting is not in it: a standby that takes over
            # must not wait for itself.
            await primary.set("synchronous_standby_names", standby.name)
            await _until(lambda: _state(primary, standby), "streaming sync")

    async def cut_replication(self) -> None:
        """Have the standby hear no more of the primary, as one that lags behind."""
        await self.standby.set("primary_conninfo", "")
        count = "SELECT count(*) FROM pg_stat_wal_receiver"
        await _until(lambda: self.standby.ask(count), 0)

    async def promote(self) -> None:
        """Have the standby take the primary's place, and return when it takes writes."""
        self._nodes.reverse()
        promoted = await self.primary.ask(
            "SELECT pg_promote(wait => true, wait_seconds => $1)", int(_TIMEOUT_S)
        )
        assert promoted, f"{self.primary.name} does not become the primary"


def _copy(primary: Node, standby: Node) -> None:
    shutil.rmtree(standby.directory, ignore_errors=True)
    standby.directory.mkdir(mode=0o700)
    account = account_of(standby.directory)
    servers._run_to_end(
        account,
        (
            str(servers._postgres_binaries() / "pg_basebackup"),
            *("-d", primary.url("postgres"), "-D", str(standby.directory)),
            # Writes `standby.signal` and `primary_conninfo`.
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
        ),
        paths=(standby.directory,),
    )


async def _state(primary: Node, standby: Node) -> Any:
    return await primary.ask(
        "SELECT state || ' ' || sync_state FROM pg_stat_replication WHERE application_name = $1",
        standby.name,
    )


async def _until(look: Callable[[], Awaitable[Any]], wanted: object) -> None:
    await eventually(look, lambda seen: bool(seen == wanted), timeout_s=_TIMEOUT_S)
