import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.up import ports
from cli.up.data import DataDirectory
from cli.up.errors import UpError
from cli.up.layout import Layout, choose_layout
from cli.up.ports import free_ports, is_free


def layout(
    tmp_path: Path, *, ocpp_port: int = 0, http_port: int = 0, host: str = "127.0.0.1"
) -> Layout:
    return choose_layout(
        DataDirectory(tmp_path),
        host=host,
        ocpp_port=ocpp_port,
        http_port=http_port,
        gateway_count=2,
    )


def only_this_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Leave one port to choose, that nobody was given lately."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(ports, "_LOWEST", port)
    monkeypatch.setattr(ports, "_first_ephemeral_port", lambda: port + 1)
    return int(port)


def every_port(chosen: Layout) -> list[int]:
    return [
        chosen.ocpp_port,
        chosen.http_port,
        chosen.postgres_port,
        chosen.redis_port,
        chosen.haproxy_port,
        chosen.worker_port,
        *(port for each in chosen.gateways for port in (each.ocpp_port, each.management_port)),
    ]


class TestFreePorts:
    def test_they_differ_and_are_outside_the_range_of_outgoing_connections(self) -> None:
        found = free_ports(50)
        assert len(set(found)) == 50
        range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
        first_outgoing = int(range_file.read_text(encoding="ascii").split()[0])
        assert max(found) < first_outgoing

    def test_a_port_that_is_listened_on_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = server.getsockname()[1]
            monkeypatch.setattr(ports, "_LOWEST", taken)
            monkeypatch.setattr(ports, "_first_ephemeral_port", lambda: taken + 1)
            with pytest.raises(UpError, match="Not enough free TCP ports"):
                free_ports(1)

    def test_excluded_ports_are_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        only_this_port(monkeypatch)
        with pytest.raises(UpError):
            free_ports(1, excluded=[ports._LOWEST])

    def test_a_port_is_not_given_again_to_whoever_asks_but_a_server_can_have_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = only_this_port(monkeypatch)
        assert free_ports(1) == [port]
        with pytest.raises(UpError):
            free_ports(1)
        other_process = (
            "from cli.up import ports; ports._LOWEST, ports._first_ephemeral_port = "
            f"{port}, lambda: {port + 1}; ports.free_ports(1)"
        )
        asked = subprocess.run(
            [sys.executable, "-c", other_process], capture_output=True, text=True, check=False
        )
        assert "UpError: Not enough free TCP ports" in asked.stderr
        for host in ("127.0.0.1", "0.0.0.0"):
            with socket.create_server((host, port)):
                pass


class TestIsFree:
    def test_a_listening_port_is_not(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            assert not is_free(server.getsockname()[1])
            assert not is_free(server.getsockname()[1], "0.0.0.0")

    def test_a_foreign_address_is_refused(self) -> None:
        with pytest.raises(UpError, match=r"192\.0\.2\.1 is not an address of this machine"):
            is_free(9000, "192.0.2.1")

    def test_a_host_name_is_refused(self) -> None:
        with pytest.raises(UpError, match=r"no-such-host\.invalid is not an address"):
            is_free(9000, "no-such-host.invalid")


class TestLayout:
    def test_no_two_servers_share_a_port(self, tmp_path: Path) -> None:
        chosen = every_port(layout(tmp_path))
        assert len(set(chosen)) == len(chosen) == 10

    def test_ports_asked_for_are_used(self, tmp_path: Path) -> None:
        ocpp_port, http_port = free_ports(2)
        chosen = layout(tmp_path, ocpp_port=ocpp_port, http_port=http_port)
        assert chosen.ocpp_url == f"ws://127.0.0.1:{ocpp_port}/ocpp"
        assert chosen.http_url == f"http://127.0.0.1:{http_port}"

    def test_postgres_keeps_its_port(self, tmp_path: Path) -> None:
        assert layout(tmp_path).postgres_port == layout(tmp_path).postgres_port

    def test_postgres_moves_when_its_port_is_taken(self, tmp_path: Path) -> None:
        first = layout(tmp_path).postgres_port
        with socket.create_server(("127.0.0.1", first)):
            moved = layout(tmp_path).postgres_port
        assert moved != first
        assert layout(tmp_path).postgres_port == moved

    def test_one_port_for_two_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UpError, match="--ocpp-port and --http-port are both 9000"):
            layout(tmp_path, ocpp_port=9000, http_port=9000)

    @pytest.mark.parametrize(
        ("host", "authority"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
    )
    def test_urls_are_reachable_ones(self, tmp_path: Path, host: str, authority: str) -> None:
        chosen = layout(tmp_path, host=host)
        assert chosen.http_url == f"http://{authority}:{chosen.http_port}"
