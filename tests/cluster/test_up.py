"""`voltaro up` as a user meets it: what it prints, what it survives, what it leaves behind."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster, started_up
from tests.support.processes import descendants, session_of, survivors

KILLED_LEFTOVERS_TIMEOUT_S = 10
STOP_TIMEOUT_S = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory for starts one after another, whose database is made only once."""
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture(scope="module")
def kept_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """One that only this file uses: what it says at its start is read, and all of it is killed."""
    with running_cluster(tmp_path_factory.mktemp("cluster") / "data") as running:
        yield running


class TestReport:
    def test_one_json_line_says_where_everything_is(self, shared_cluster: Cluster) -> None:
        lines = shared_cluster.start.output.read_text(encoding="utf-8").splitlines()

        assert len(lines) == 1
        report = json.loads(lines[0])
        services = {"haproxy", "gateway-1", "gateway-2", "control", "worker"}
        assert set(report["pids"]) == {"postgres", "redis", *services}
        assert set(report["management_urls"]) == services
        assert set(report["gateway_urls"]) == {"gateway-1", "gateway-2"}
        assert report["ocpp_url"].startswith("ws://127.0.0.1:")
        assert report["ocpp_url"].endswith("/ocpp")
        assert report["http_url"].startswith("http://127.0.0.1:")
        assert report["database_url"].startswith("postgresql://")
        assert report["redis_url"].startswith("redis://")
        assert Path(report["data"]).is_dir()
        assert len(report["api_key"]) >= 32
        assert shared_cluster.state() == report

    async def test_every_process_is_ready_and_has_metrics(self, shared_cluster: Cluster) -> None:
        async with http_client() as client:
            for url in shared_cluster.management_urls.values():
                ready = await client.get(f"{url}/readyz")
                metrics = await client.get(f"{url}/metrics")
                assert (ready.status_code, metrics.status_code) == (200, 200), url
                assert "# TYPE" in metrics.text, url

    async def test_the_api_key_opens_the_api(self, shared_cluster: Cluster) -> None:
        assert (await shared_cluster.api.get("/v1/stations")).status_code == 200
        without = await shared_cluster.api.get("/v1/stations", headers={"Authorization": ""})
        assert without.status_code == 401

    def test_secrets_are_readable_by_the_owner_only(self, shared_cluster: Cluster) -> None:
        for name in ("credentials.json", "up.json", "logs", "redis", "postgres"):
            assert (shared_cluster.data / name).stat().st_mode & 0o077 == 0, name


class TestStations:
    def test_simulated_stations_come_online(self, data: Path) -> None:
        with running_cluster(
            data, "--stations", "3", "--gateways", "1", is_first_start=True
        ) as cluster:
            assert "sim" in cluster.report["pids"]
            headers = {"Authorization": f"Bearer {cluster.api_key}"}
            with httpx.Client(base_url=cluster.http_url, headers=headers) as api:
                online = api.get("/v1/stations", params={"online": True}).json()["items"]
        assert {station["station_id"] for station in online} <= {"SIM-1", "SIM-2", "SIM-3"}
        assert online


class TestCrashes:
    @pytest.mark.parametrize(
        "name", ["gateway-1", "control", "worker", "haproxy", "redis", "postgres"]
    )
    async def test_what_dies_is_started_again_and_that_is_said(
        self, shared_cluster: Cluster, name: str
    ) -> None:
        pid = shared_cluster.kill(name)

        async def look() -> int | None:
            return shared_cluster.pids.get(name)

        new_pid = await eventually(look, lambda now: now not in {None, pid}, timeout_s=30)

        said = shared_cluster.messages()
        assert f"{name} (pid {pid}) was ended by SIGKILL and is started again" in said
        assert f"{name} serves again (pid {new_pid})" in said
        assert str(shared_cluster.data / "logs" / f"{name}.log") in said

        async def api_status() -> int:
            try:
                return (await shared_cluster.api.get("/v1/stations")).status_code
            except httpx.HTTPError:
                return 0

        await eventually(api_status, lambda status: status == 200, timeout_s=30)

    def test_what_cannot_start_ends_the_cluster_with_its_last_words(
        self, data: Path, tmp_path: Path
    ) -> None:
        broken = tmp_path / "redis-server"
        broken.write_text("#!/bin/sh\necho out of luck\nexit 3\n", encoding="utf-8")
        broken.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        with started_up(data, environment={"PATH": path}) as start:
            assert start.process.wait(60) == 1
        said = start.messages()
        assert "redis ended with exit code 3, 5 times in a row" in said
        assert said.endswith("redis.log:\n" + "out of luck\n" * 5)


class TestEnds:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_stops_everything_in_order(self, data: Path, number: signal.Signals) -> None:
        with running_cluster(data, "--gateways", "1") as cluster:
            processes = descendants(cluster.process.pid)
            assert {each.pid for each in processes} >= set(cluster.pids.values())

            # As a terminal does at Ctrl-C: to the whole group, which children must not be in.
            os.killpg(cluster.process.pid, number)

            assert cluster.process.wait(STOP_TIMEOUT_S) == 0
            assert survivors(processes, timeout_s=0) == {}
            assert "killed" not in cluster.messages()
            assert "database system is shut down" in cluster.log("postgres")
            assert not (cluster.data / "up.json").exists()

    def test_sigkill_leaves_no_process_and_no_damage(
        self, data: Path, record_property: Callable[[str, object], None]
    ) -> None:
        with running_cluster(data, "--gateways", "1") as cluster:
            processes = descendants(cluster.process.pid)
            cluster.process.kill()
            assert survivors(processes, timeout_s=KILLED_LEFTOVERS_TIMEOUT_S) == {}

        with running_cluster(data, "--gateways", "1") as again:
            record_property("second start, after SIGKILL", f"{again.seconds_to_ready:.1f} s")
            assert again.api_key == cluster.api_key
            assert again.database_url == cluster.database_url

    def test_children_are_in_sessions_of_their_own(self, shared_cluster: Cluster) -> None:
        for name, pid in shared_cluster.pids.items():
            assert session_of(pid) == pid, name


class TestRefusals:
    def test_a_second_up_on_the_same_data(self, shared_cluster: Cluster) -> None:
        result = refused(shared_cluster.data)
        assert f"Another `voltaro up` (pid {shared_cluster.process.pid}) uses" in result
        assert "--data" in result

    def test_a_second_up_with_reset_removes_nothing(self, shared_cluster: Cluster) -> None:
        assert "Another `voltaro up`" in refused(shared_cluster.data, "--reset")
        assert (shared_cluster.data / "postgres" / "PG_VERSION").exists()

    @pytest.mark.parametrize("option", ["--ocpp-port", "--http-port"])
    def test_a_busy_port(self, tmp_path: Path, option: str) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            result = refused(tmp_path / "data", option, str(port))
        assert f"Port {port} on 127.0.0.1 is taken" in result
        assert option in result

    def test_a_directory_that_is_not_ours(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("do not remove", encoding="utf-8")
        assert "it holds thesis.txt" in refused(tmp_path, "--reset")
        assert (tmp_path / "thesis.txt").exists()

    def test_data_of_another_postgres(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        (data / "postgres").mkdir(parents=True)
        (data / "voltaro-data").write_text("1\n", encoding="ascii")
        (data / "postgres" / "PG_VERSION").write_text("17\n", encoding="ascii")
        assert "was written by Postgres 17, and this is Postgres 18" in refused(data)


def refused(data: Path, *options: str) -> str:
    """Start `up` where it must refuse, and return its one sentence."""
    with started_up(data, *options) as start:
        assert start.process.wait(30) == 1
    errors = [line for line in start.messages().splitlines() if line.startswith("voltaro up: ")]
    assert len(errors) == 1, start.messages()
    return errors[0]
