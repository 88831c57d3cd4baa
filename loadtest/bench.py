"""`make bench`: what a message costs the gateway, beside a raw echo measured in the same run.

The cluster is the one that `voltaro up` starts; the stations connect to its gateway directly, so
that the figure is the gateway's own. Costs are processor time as the processes themselves account
for it, because the time on the wall belongs to whoever else uses the machine.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvloop
from websockets.asyncio.client import ClientConnection

from loadtest.clients import Frames, boot, drive, heartbeats, meter_values, open_station
from loadtest.figures import Figure, compare, report, to_markdown

_PASSWORD = "bench-password-0123456"  # noqa: S105 - of stations that live for one run
_STOP_TIMEOUT_S = 30.0


def main() -> None:
    """Measure, print a table, write build/bench.json; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()
    with _cluster() as cluster, _echo_server() as echo:
        figures = uvloop.run(_measure(cluster, echo, options))
    print(to_markdown(figures))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report(figures, commit=_commit()), indent=2) + "\n")
    if not all(figure.met for figure in figures):
        raise SystemExit("a goal was missed: see the table")


async def _measure(
    cluster: dict[str, Any], echo: "_EchoServer", options: argparse.Namespace
) -> list[Figure]:
    gateway = psutil.Process(cluster["pids"]["gateway-1"])
    station_ids = [f"BENCH-{number}" for number in range(options.stations)]
    await _register(cluster, station_ids)
    stations = await asyncio.gather(
        *(open_station(cluster["gateway_urls"]["gateway-1"], i, _PASSWORD) for i in station_ids)
    )
    for station in stations:
        await boot(station)
    echoes = await asyncio.gather(
        *(open_station(echo.url, station_id, _PASSWORD) for station_id in station_ids)
    )
    figures = []
    for name, frames, goal in (
        ("gateway CPU per Heartbeat", heartbeats, 3.0),
        ("gateway CPU per durable 5-sample MeterValues", meter_values, 4.0),
    ):
        costs, yardsticks = [], []
        await _cost_us(gateway, stations, frames, seconds=1.0)  # warm
        for _ in range(options.rounds):
            yardsticks.append(await _cost_us(echo.process, echoes, frames, seconds=options.seconds))
            costs.append(await _cost_us(gateway, stations, frames, seconds=options.seconds))
        figures.append(
            compare(name, costs, yardsticks, unit="µs", yardstick_name="raw echo", goal=goal)
        )
    for connection in (*stations, *echoes):
        await connection.close()
    return figures


async def _cost_us(
    process: psutil.Process, stations: list[ClientConnection], frames: Frames, *, seconds: float
) -> float:
    """Return the processor time in µs that one message costs `process`."""
    before = process.cpu_times()
    load = await drive(stations, frames, seconds=seconds)
    after = process.cpu_times()
    spent_s = after.user + after.system - before.user - before.system
    return spent_s / load.messages * 1e6


async def _register(cluster: dict[str, Any], station_ids: list[str]) -> None:
    async with httpx.AsyncClient(
        base_url=cluster["http_url"], headers={"Authorization": f"Bearer {cluster['api_key']}"}
    ) as api:
        for station_id in station_ids:
            answer = await api.post(
                "/v1/stations", json={"station_id": station_id, "password": _PASSWORD}
            )
            answer.raise_for_status()


@contextmanager
def _cluster() -> Iterator[dict[str, Any]]:
    """Run a cluster of one gateway for as long as the context lasts."""
    command = [
        *(sys.executable, "-m", "cli", "up", "--json", "--gateways", "1", "--stations", "0"),
        *("--ocpp-port", "0", "--http-port", "0"),
    ]
    with (
        tempfile.TemporaryDirectory(prefix="voltaro-bench-") as directory,
        _running([*command, "--data", f"{directory}/data"]) as line,
    ):
        yield json.loads(line)


@dataclass(frozen=True)
class _EchoServer:
    url: str
    process: psutil.Process


@contextmanager
def _echo_server() -> Iterator[_EchoServer]:
    command = [sys.executable, "-m", "loadtest.echo_server"]
    with _running(command) as line:
        ready = json.loads(line)
        url = f"ws://127.0.0.1:{ready['port']}/ocpp"
        yield _EchoServer(url, psutil.Process(ready["pid"]))


@contextmanager
def _running(command: list[str]) -> Iterator[str]:
    """Run a program that says on one line that it is ready; the context gets the line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for above
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{' '.join(command)} did not start: see above")
            yield line
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_TIMEOUT_S)


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git is there
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
