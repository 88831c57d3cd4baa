"""Starts what is measured: the cluster, and the servers that are yardsticks."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STOP_TIMEOUT_S = 60.0
_GATEWAY = "gateway-1"


# What storms and messages cost is measured, and not at which pace they are let in.
_NOBODY_IS_PUT_OFF = {
    "VOLTARO_HANDSHAKES_PER_S": "1000000",
    "VOLTARO_HANDSHAKES_BURST": "1000000",
    "VOLTARO_STATION_FRAMES_PER_S": "1000000",
    "VOLTARO_STATION_BYTES_PER_S": "1000000000",
    "VOLTARO_STATION_PROCESSOR_SHARE": "1000",
}


class ServerFailedError(Exception):
    """A server ended before it was ready; it has said why on stderr."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running `voltaro up` with one gateway.

    Attributes:
        report: what it printed when it was ready.
        start_s: how long that took.
    """

    report: Mapping[str, Any]
    start_s: float

    @property
    def gateway_url(self) -> str:
        """Where stations connect past HAProxy."""
        return str(self.report["gateway_urls"][_GATEWAY])

    @property
    def haproxy_url(self) -> str:
        """Where stations connect through HAProxy."""
        return str(self.report["ocpp_url"])

    @property
    def http_url(self) -> str:
        """The API."""
        return str(self.report["http_url"])

    @property
    def api_key(self) -> str:
        """What opens the API."""
        return str(self.report["api_key"])

    @property
    def database_url(self) -> str:
        """Postgres."""
        return str(self.report["database_url"])

    @property
    def redis_url(self) -> str:
        """Redis."""
        return str(self.report["redis_url"])

    @property
    def gateway_pid(self) -> int:
        """The gateway's process."""
        return self.pid(_GATEWAY)

    def pid(self, name: str) -> int:
        """Return the process of a program by its name: `postgres`, `redis`, `haproxy`."""
        return int(self.report["pids"][name])


@dataclass(frozen=True)
class Yardstick:
    """A server that stations connect to at `url`."""

    url: str
    pid: int


@contextmanager
def cluster(data: Path, **environment: str) -> Iterator[Cluster]:
    """Run a cluster of one gateway and no stations for as long as the context lasts.

    Args:
        data: where it keeps what it keeps.
        environment: settings of its processes.

    Raises:
        ServerFailedError: it did not start.
    """
    started_at_s = time.perf_counter()
    options = ("--json", "--gateways", "1", "--stations", "0", "--ocpp-port", "0")
    with _running(
        "cli",
        "up",
        "--data",
        str(data),
        *options,
        "--http-port",
        "0",
        **_NOBODY_IS_PUT_OFF,
        **environment,
    ) as line:
        yield Cluster(report=json.loads(line), start_s=time.perf_counter() - started_at_s)


@contextmanager
def yardstick(name: str, **environment: str) -> Iterator[Yardstick]:
    """Run a server of `loadtest.bench.yardsticks` for as long as the context lasts.

    Raises:
        ServerFailedError: it did not start.
    """
    with _running(f"loadtest.bench.yardsticks.{name}", **environment) as line:
        ready = json.loads(line)
        yield Yardstick(f"ws://127.0.0.1:{ready['port']}/ocpp", ready["pid"])


@contextmanager
def _running(module: str, *arguments: str, **environment: str) -> Iterator[str]:
    """Run a module that says on one line that it is ready; the context gets the line.

    It ends with this process, even if this one is killed.
    """
    up = importlib.util.find_spec("cli.up")
    if up is None or up.origin is None:
        raise ServerFailedError("the package cli is not installed: set up with `make bench`")
    tether = Path(up.origin).with_name("tether.py")
    command = [
        *(sys.executable, "-I", "-S", str(tether), str(os.getpid()), str(int(signal.SIGTERM))),
        *(sys.executable, "-P", "-m", module, *arguments),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for above
            line = process.stdout.readline()
            if not line:
                raise ServerFailedError(f"`python -m {module}` did not start: see above")
            yield line
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_TIMEOUT_S)
            finally:
                process.kill()
