"""The load test against a whole cluster: its exit codes, its verdict, and that the verdict is true.

Locust replaces sockets and threads of its process, so it runs in processes of its own.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from cli.up.ports import free_ports
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_cluster import Cluster

_TIMEOUT_S = 100


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    exit_code: int
    output: str
    errors: str


def run(cluster: Cluster, module: str, *arguments: str, **environment: str) -> Ended:
    """Run one of our programs against the cluster and wait for its end."""
    with started(cluster, module, *arguments, **environment) as process:
        output, errors = process.communicate(timeout=_TIMEOUT_S)
    return Ended(process.returncode, output, errors)


@contextmanager
def started(
    cluster: Cluster, module: str, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Start one of our programs; what still runs at the end of the block is killed."""
    outside = {name: value for name, value in os.environ.items() if "VOLTARO" not in name}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={
            **outside,
            "LOCUST_HOST": cluster.ocpp_url,
            "VOLTARO_LOAD_API_URL": cluster.http_url,
            "VOLTARO_LOAD_API_KEY": cluster.api_key,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def load(cluster: Cluster, *arguments: str, **environment: str) -> Ended:
    options = ("--headless", "--only-summary", "--session", "3", "--meter-interval", "1")
    # A machine that runs other tests meanwhile may well be late; what is asked here is not that.
    patience = ("--max-p95-ms", "30000", "--max-lag-ms", "0")
    return run(
        cluster, "loadtest.locust", *options, *patience, "-r", "50", *arguments, **environment
    )


def check_storage(cluster: Cluster, ledger: Path, **environment: str) -> Ended:
    return run(cluster, "loadtest.locust.storage_check", str(ledger), **environment)


async def test_a_run_that_meets_everything_ends_with_0_and_a_lost_row_is_found_afterwards(
    shared_cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ledger = tmp_path / "ledger.bin"
    mixed = ("--ocpp-version", "1.6", "--ocpp-version", "2.0.1")
    ended = load(
        shared_cluster,
        *("--users", "10", "--run-time", "10s", "--commands-per-minute", "120", *mixed),
        *("--ledger-file", str(ledger)),
        VOLTARO_DATABASE_URL=shared_cluster.database_url,
    )
    assert ended.exit_code == 0, ended.output + ended.errors
    assert "Everything that was asked was met." in ended.output
    for line in (
        "OCPP 1.6  BootNotification",
        "OCPP 1.6  StartTransaction",
        "OCPP 1.6  MeterValues",
        "OCPP 1.6  StopTransaction",
        "OCPP 2.0.1  TransactionEvent",
        "command:",
        "handshake",
        "lag",
    ):
        assert line in ended.errors, line
    (told,) = [line for line in ended.output.splitlines() if "messages about charges" in line]
    record_property("load test of 10 stations in 10 s", told.strip())

    # What the run itself found, found again by both ways of looking.
    by_sql = check_storage(shared_cluster, ledger, VOLTARO_DATABASE_URL=shared_cluster.database_url)
    by_api = check_storage(shared_cluster, ledger)
    assert by_sql.output.strip() in told
    assert (by_sql.exit_code, by_api.exit_code) == (0, 0)

    connection = await asyncpg.connect(shared_cluster.database_url)
    try:
        await connection.execute(
            "DELETE FROM meter_values WHERE (station_id, sampled_at) IN "
            "(SELECT station_id, sampled_at FROM meter_values WHERE station_id LIKE 'LOAD-%' "
            "AND transaction_id IS NOT NULL GROUP BY station_id, sampled_at "
            "HAVING count(*) = 1 LIMIT 1)"
        )
    finally:
        await connection.close()
    for again in (
        check_storage(shared_cluster, ledger, VOLTARO_DATABASE_URL=shared_cluster.database_url),
        check_storage(shared_cluster, ledger),
    ):
        assert again.exit_code == 1
        assert "lost 1, twice 0" in again.output
        assert "was acknowledged and is not stored" in again.output


async def test_workers_share_the_stations_and_a_missed_threshold_is_1_with_its_sentence(
    shared_cluster: Cluster,
) -> None:
    (port,) = free_ports(1)
    ended = load(
        shared_cluster,
        *("--processes", "2", "--master-bind-port", str(port), "--master-port", str(port)),
        *("--users", "6", "--run-time", "4s", "--station-prefix", "SHARED"),
        *("--max-connect-p95-ms", "0.5"),
    )
    assert ended.exit_code == 1, ended.output + ended.errors
    (missed,) = [line for line in ended.output.splitlines() if "MISSED" in line]
    assert "95% of the handshakes took up to" in missed
    assert "longer than the 0.5 ms of --max-connect-p95-ms" in missed
    assert "in 2 process(es)" in ended.output
    listed = (await shared_cluster.api.get("/v1/stations", params={"limit": 1000})).json()["items"]
    ours = {each["station_id"] for each in listed if each["station_id"].startswith("SHARED")}
    assert ours == {f"SHARED-{process}-{number}" for process in (0, 1) for number in range(3)}
    connected = {each["station_id"] for each in listed if each["connected_at"] is not None}
    assert ours <= connected


async def test_a_run_begun_on_the_web_page_and_ended_by_sigterm_has_its_verdict(
    shared_cluster: Cluster,
) -> None:
    (port,) = free_ports(1)
    options = ("--web-port", str(port), "--station-prefix", "WEB", "--max-lag-ms", "0")
    gateway = shared_cluster.management_urls["gateway-1"]
    options += ("--metrics-url", gateway)
    with started(shared_cluster, "loadtest.locust", *options) as process:
        async with http_client(base_url=f"http://127.0.0.1:{port}") as page:

            async def status() -> int:
                try:
                    return (await page.get("/")).status_code
                except httpx.TransportError:
                    return 0

            async def booted() -> int:
                entries = (await page.get("/stats/requests")).json()["stats"]
                boots = [each for each in entries if each["name"] == "BootNotification"]
                return sum(each["num_requests"] for each in boots)

            await eventually(status, lambda seen: seen == 200)
            form = {"user_count": "3", "spawn_rate": "3", "run_time": "1h", "profile": "soak"}
            swarm = await page.post("/swarm", data={**form, "host": shared_cluster.ocpp_url})
            assert swarm.json()["success"] is True
            # The page shows figures that are up to two seconds old.
            await eventually(booted, lambda seen: seen == 3, timeout_s=20)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=_TIMEOUT_S)
    assert process.returncode == 0, output + errors
    assert "Load test soak: 3 stations" in output
    assert "of 3600 s" in output
    assert f"memory of {gateway.removeprefix('http://')}: " in output
    assert "it told nothing" not in output


async def test_stations_of_others_are_neither_changed_nor_played(shared_cluster: Cluster) -> None:
    station = {"station_id": "THEIRS-0-0", "name": "A real one", "password": "x" * 16}
    (await shared_cluster.api.post("/v1/stations", json=station)).raise_for_status()
    ended = load(shared_cluster, "--users", "1", "--run-time", "5s", "--station-prefix", "THEIRS")
    assert ended.exit_code == 2
    assert "THEIRS-0-0 is known and was not made by a load test" in ended.output
    assert "--station-prefix" in ended.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--host", "ws://csms.example.com/ocpp"), "which is not this machine"),
        (("--profile", "nothing"), "--profile nothing is none of"),
    ],
)
async def test_options_that_cannot_be_used_are_refused_with_2(
    shared_cluster: Cluster, arguments: tuple[str, ...], sentence: str
) -> None:
    ended = load(shared_cluster, *arguments)
    assert ended.exit_code == 2
    assert sentence in ended.errors
    assert "Traceback" not in ended.errors
