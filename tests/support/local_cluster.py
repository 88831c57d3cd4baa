"""`voltaro up`, started as a user starts it."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from cli.up.program import Program
from cli.up.servers import postgres_url
from tests.support.http import http_client

_READY_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.02
_COPY = shutil.which("cp") or "cp"


class UpFailedError(Exception):
    """`voltaro up` ended before it was ready; the message is all it said."""


@dataclass(frozen=True)
class UpProcess:
    """A `voltaro up`, perhaps not ready yet, and the files that take what it prints."""

    process: subprocess.Popen[bytes]
    output: Path
    said: Path

    def messages(self) -> str:
        """Return everything it has said on stderr."""
        return self.said.read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class RunningCluster:
    """A cluster that is ready. `report` is its JSON line, the rest is taken from there."""

    start: UpProcess
    seconds_to_ready: float
    report: Mapping[str, Any]

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The `voltaro up` itself."""
        return self.start.process

    @property
    def ocpp_url(self) -> str:
        """Where stations connect, through HAProxy; `/{station_id}` follows."""
        return str(self.report["ocpp_url"])

    @property
    def http_url(self) -> str:
        return str(self.report["http_url"])

    @property
    def api_key(self) -> str:
        return str(self.report["api_key"])

    @property
    def database_url(self) -> str:
        return str(self.report["database_url"])

    @property
    def superuser_url(self) -> str:
        """The database as its superuser, whom the cluster's own processes do not know."""
        file = self.data / "credentials.json"
        password = json.loads(file.read_text(encoding="utf-8"))["postgres_password"]
        return postgres_url(urlsplit(self.database_url).port or 0, password)

    @property
    def redis_url(self) -> str:
        return str(self.report["redis_url"])

    @property
    def gateway_urls(self) -> dict[str, str]:
        """Where each gateway takes connections past HAProxy, by name."""
        return dict(self.report["gateway_urls"])

    @property
    def management_urls(self) -> dict[str, str]:
        """Of each process that has `/metrics` and `/readyz`, by name."""
        return dict(self.report["management_urls"])

    @property
    def data(self) -> Path:
        return Path(self.report["data"])

    @property
    def pids(self) -> dict[str, int]:
        """The pids now, by name; those of restarted processes have changed."""
        return dict(self.state()["pids"])

    def state(self) -> dict[str, Any]:
        """Return what `up.json` says now."""
        state: dict[str, Any] = json.loads((self.data / "up.json").read_text(encoding="utf-8"))
        return state

    def messages(self) -> str:
        """Return everything `up` has said on stderr."""
        return self.start.messages()

    def log(self, name: str) -> str:
        """Return the log of one process."""
        return (self.data / "logs" / f"{name}.log").read_text(encoding="utf-8")

    def kill(self, name: str) -> int:
        """Kill one process as a crash would, and return the pid it had."""
        pid = self.pids[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def client(self) -> httpx.AsyncClient:
        """Return a client of the API that carries the key."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return http_client(base_url=self.http_url, headers=headers, timeout=30)


@dataclass(frozen=True, kw_only=True)
class Cluster(RunningCluster):
    """A running cluster, with a client of its API that belongs to the test's event loop."""

    api: httpx.AsyncClient


@contextmanager
def started_up(
    data: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[UpProcess]:
    """Start `voltaro up` on free ports, and stop it after the block.

    It leads a process group of its own, as it would in a terminal, and a killed pytest takes it
    along.
    """
    start = f"{data.name}-{uuid4().hex}"
    output, said = data.with_name(f"{start}.stdout"), data.with_name(f"{start}.stderr")
    ports = ("--ocpp-port", "0", "--http-port", "0")
    program = Program(
        name="up",
        argv=(sys.executable, "-P", "-m", "cli", "up", "--data", str(data), *ports, *options),
        env={**os.environ, **(environment or {})},
        is_ready=lambda _pid: True,
        orphan_signal=signal.SIGTERM,
    )
    with output.open("wb") as output_file, said.open("wb") as said_file:
        process = subprocess.Popen(
            program.command(),
            env=program.env,
            stdin=subprocess.DEVNULL,
            stdout=output_file,
            stderr=said_file,
            start_new_session=True,
        )
    try:
        yield UpProcess(process, output, said)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_cluster(
    data: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    is_first_start: bool = False,
) -> Iterator[RunningCluster]:
    """Run a cluster while the block runs, without stations unless told so.

    Args:
        data: its directory.
        options: of `voltaro up`.
        environment: beside this process's own.
        is_first_start: make everything anew, as `up` does on an empty directory. Else a directory
            that is not there is copied from that of another first start.

    Raises:
        UpFailedError: It did not become ready.
    """
    if not (is_first_start or data.exists()):
        data.parent.mkdir(parents=True, exist_ok=True)
        # Postgres runs under an account of its own, which the files stay with.
        subprocess.run([_COPY, "-a", str(_data_of_a_first_start()), str(data)], check=True)
    started_at = time.monotonic()
    with started_up(data, "--json", "--stations", "0", *options, environment=environment) as start:
        report = _report(start, started_at)
        yield RunningCluster(
            start=start, seconds_to_ready=time.monotonic() - started_at, report=report
        )


def _report(start: UpProcess, started_at: float) -> Mapping[str, Any]:
    """Wait until a cluster is ready, and return its JSON line."""
    while not (line := start.output.read_text(encoding="utf-8")).endswith("\n"):
        waited_s = time.monotonic() - started_at
        if start.process.poll() is not None or waited_s > _READY_TIMEOUT_S:
            raise UpFailedError(start.messages())
        time.sleep(_POLL_INTERVAL_S)
    report: Mapping[str, Any] = json.loads(line)
    return report


@cache
def _data_of_a_first_start() -> Path:
    """Return the data of a cluster that was started once and stopped: made once per process.

    Making a Postgres and its schema is a quarter of the processor time that a first start takes.
    """
    directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    atexit.register(directory.cleanup)
    data = Path(directory.name) / "data"
    with started_up(data, "--json", "--stations", "0", "--gateways", "1") as start:
        _report(start, time.monotonic())
    shutil.rmtree(data / "logs")
    return data
