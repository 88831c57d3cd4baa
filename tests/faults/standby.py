"""Pods of ours on a Postgres that has a standby, all told of both servers by one URL."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from cli.up import servers
from cli.up.haproxy import haproxy
from cli.up.layout import Gateway, Layout
from cli.up.ports import LOOPBACK, free_ports
from cli.up.program import Program, launch
from cli.up.services import Services
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_servers import running
from tests.support.postgres_standby import PostgresPair

_PASSWORD = "only-for-tests"
_API_KEY = "key-only-for-tests"
_READY_TIMEOUT_S = 60.0
_MIGRATE_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Two gateways behind HAProxy, the control plane and the worker, on a pair of Postgres.

    Nobody starts them again if they end.
    """

    postgres: PostgresPair
    layout: Layout
    programs: dict[str, Program]
    processes: dict[str, subprocess.Popen[bytes]]

    def ended(self) -> list[str]:
        """Return the names of those that have ended."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def unready(self) -> list[str]:
        """Return the names of those that do not say that they are ready."""
        return [
            name
            for name, process in self.processes.items()
            if not self.programs[name].is_ready(process.pid)
        ]


@dataclass(frozen=True)
class ReplicatedCluster:
    """Those pods, with a client of their API that belongs to the test's event loop."""

    pods: Pods
    api: httpx.AsyncClient

    @property
    def ocpp_url(self) -> str:
        return self.pods.layout.ocpp_url

    @property
    def postgres(self) -> PostgresPair:
        return self.pods.postgres


@asynccontextmanager
async def running_pods(
    directory: Path, *, synchronous: bool, environment: Mapping[str, str]
) -> AsyncIterator[Pods]:
    """Run a pair of Postgres and pods on it while the block runs.

    Args:
        directory: below which everything lives.
        synchronous: whether a commit waits for the standby.
        environment: further settings of the pods.
    """
    postgres = PostgresPair(directory)
    free = iter(free_ports(10))
    layout = Layout(
        host=LOOPBACK,
        ocpp_port=next(free),
        http_port=next(free),
        postgres_port=0,  # there are two; the services take their URL
        redis_port=next(free),
        haproxy_port=next(free),
        worker_port=next(free),
        control_port=next(free),
        gateways=tuple(
            Gateway(name=name, ocpp_port=next(free), management_port=next(free))
            for name in ("gateway-1", "gateway-2")
        ),
    )
    services = Services(
        layout,
        database_url=postgres.url(),
        redis_url=servers.redis_url(layout.redis_port, _PASSWORD),
        files=directory / "files",
        files_signing_key=secrets.token_hex(32),
        accounts_encryption_key=secrets.token_hex(32),
    )
    redis = servers.redis(directory / "redis", layout.redis_port, _PASSWORD)
    try:
        await postgres.start(synchronous=synchronous)
        await _migrate(services.migrate())
        ours = (
            *(services.gateway(gateway) for gateway in layout.gateways),
            services.control(_API_KEY),
            services.worker(),
        )
        programs = [
            *(replace(program, env={**program.env, **environment}) for program in ours),
            haproxy(directory / "haproxy", layout),
        ]
        with (
            running(redis, directory / "redis.log"),
            _launched(programs, directory) as processes,
        ):
            pods = Pods(
                postgres=postgres,
                layout=layout,
                programs={program.name: program for program in programs},
                processes=processes,
            )
            await until_ready(pods)
            yield pods
    finally:
        postgres.stop()


@asynccontextmanager
async def with_client(pods: Pods) -> AsyncIterator[ReplicatedCluster]:
    """Add a client of the API."""
    headers = {"Authorization": f"Bearer {_API_KEY}"}
    async with http_client(base_url=pods.layout.http_url, headers=headers, timeout=30) as api:
        yield ReplicatedCluster(pods, api)


async def until_ready(pods: Pods) -> None:
    """Wait until every pod says that it is ready."""
    await eventually(
        lambda: asyncio.to_thread(pods.unready), lambda names: not names, timeout_s=_READY_TIMEOUT_S
    )


async def _migrate(program: Program) -> None:
    ended = await asyncio.to_thread(
        subprocess.run,
        program.command(),
        env=program.env,
        capture_output=True,
        text=True,
        timeout=_MIGRATE_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@contextmanager
def _launched(
    programs: list[Program], directory: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start programs at the same time, and stop them likewise after the block."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        for program in programs:
            with (directory / f"{program.name}.log").open("wb") as log:
                processes[program.name] = launch(program, log)
            stack.callback(_end, processes[program.name], program.stop_timeout_s)
        try:
            yield processes
        finally:
            for program in programs:
                processes[program.name].send_signal(program.stop_signal)


def _end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    finally:
        process.kill()
        process.wait()
