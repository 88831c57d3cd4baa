"""HAProxy with our configuration, in front of servers that answer as gateways do."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.up.data import DataDirectory
from cli.up.haproxy import haproxy
from cli.up.layout import Layout, choose_layout
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_servers import running


@dataclass
class Peer:
    """What HAProxy sees of a gateway: a port for stations, and `/readyz` on another."""

    ocpp_port: int
    management_port: int
    ready: bool = True
    readiness_takes_s: float = 0.0
    servers: list[ThreadingHTTPServer] = field(default_factory=list)

    def start(self) -> None:
        for port in (self.ocpp_port, self.management_port):
            server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            self.servers.append(server)

    def stop(self) -> None:
        while self.servers:
            server = self.servers.pop()
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/ocpp/DROPPED":
                    return  # and the connection ends without an answer
                if self.path == "/readyz":
                    time.sleep(peer.readiness_takes_s)
                refused = (self.path == "/readyz" and not peer.ready) or self.path == "/ocpp/STORM"
                self.send_response(503 if refused else 200)
                if refused:
                    self.send_header("Retry-After", "17")
                self.send_header("X-Peer", str(peer.ocpp_port))
                for forwarded in self.headers.get_all("X-Forwarded-For", []):
                    self.send_header("X-Seen-Forwarded-For", forwarded)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return choose_layout(
        DataDirectory(tmp_path), host="127.0.0.1", ocpp_port=0, http_port=0, gateway_count=3
    )


@pytest.fixture
def peers(layout: Layout) -> Iterator[list[Peer]]:
    peers = [Peer(gateway.ocpp_port, gateway.management_port) for gateway in layout.gateways]
    for peer in peers:
        peer.start()
    yield peers
    for peer in peers:
        peer.stop()


@pytest.fixture
async def stations(
    layout: Layout, peers: list[Peer], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that connects where stations do, once HAProxy has found every gateway ready."""
    assert peers
    base_url = layout.ocpp_url.replace("ws:", "http:").removesuffix("/ocpp")
    with running(haproxy(tmp_path / "haproxy", layout), tmp_path / "haproxy.log"):
        async with http_client(base_url=base_url) as client:
            yield client


async def peer_of(stations: httpx.AsyncClient, station_id: str) -> int:
    response = await stations.get(f"/ocpp/{station_id}")
    assert response.status_code == 200
    return int(response.headers["X-Peer"])


async def peers_of(stations: httpx.AsyncClient, station_ids: list[str]) -> dict[str, int]:
    return {station_id: await peer_of(stations, station_id) for station_id in station_ids}


async def test_stations_spread_evenly(stations: httpx.AsyncClient) -> None:
    found = await peers_of(stations, [f"CP-{number}" for number in range(300)])
    shares = Counter(found.values())
    assert len(shares) == 3
    assert min(shares.values()) > 70


async def test_a_station_stays_with_its_gateway(stations: httpx.AsyncClient) -> None:
    names = [f"CP-{number}" for number in range(50)]
    assert await peers_of(stations, names) == await peers_of(stations, names)


async def test_an_id_in_percent_encoding_is_the_same_id(stations: httpx.AsyncClient) -> None:
    for number in range(20):
        assert await peer_of(stations, f"CP%2D{number}") == await peer_of(stations, f"CP-{number}")


@pytest.mark.parametrize("path", ["/ocpp//{}", "//ocpp/{}", "/ocpp///{}"])
async def test_a_base_url_that_ends_in_a_slash_leads_to_the_same_gateway(
    stations: httpx.AsyncClient, path: str
) -> None:
    names = [f"CP-{number}" for number in range(20)]
    base_url = str(stations.base_url).rstrip("/")
    found = {}
    for name in names:
        answer = await stations.get(base_url + path.format(name.replace("-", "%2D")))
        found[name] = int(answer.headers["X-Peer"])
    assert found == await peers_of(stations, names)
    assert len(set(found.values())) == 3


async def test_only_the_stations_of_a_lost_gateway_move(
    stations: httpx.AsyncClient, peers: list[Peer]
) -> None:
    names = [f"CP-{number}" for number in range(60)]
    before = await peers_of(stations, names)
    lost = peers[0]
    lost.stop()

    # At once, so its check has not failed yet: the refused connection itself must be passed over.
    after = await peers_of(stations, names)

    assert lost.ocpp_port in before.values()
    assert lost.ocpp_port not in after.values()
    for name, peer in before.items():
        if peer != lost.ocpp_port:
            assert after[name] == peer


async def test_a_draining_gateway_gets_no_new_stations_until_it_is_ready_again(
    stations: httpx.AsyncClient, peers: list[Peer]
) -> None:
    names = [f"CP-{number}" for number in range(30)]
    before = await peers_of(stations, names)
    draining = peers[0]
    draining.ready = False

    async def used() -> set[int]:
        return set((await peers_of(stations, names)).values())

    await eventually(used, lambda found: draining.ocpp_port not in found)
    draining.ready = True
    await eventually(used, lambda found: draining.ocpp_port in found)
    assert await peers_of(stations, names) == before


async def test_without_gateways_stations_are_told_to_come_back(
    stations: httpx.AsyncClient, peers: list[Peer], layout: Layout
) -> None:
    for peer in peers:
        peer.ready = False

    async def answer() -> httpx.Response:
        return await stations.get("/ocpp/CP-1")

    response = await eventually(answer, lambda seen: seen.status_code == 503)
    assert response.headers["Retry-After"] == "5"
    async with http_client() as client:
        readiness = await client.get(f"{layout.management_urls['haproxy']}/readyz")
    assert readiness.status_code == 503


async def test_a_station_whose_gateway_gives_no_answer_is_told_to_come_back(
    stations: httpx.AsyncClient, peers: list[Peer]
) -> None:
    response = await stations.get("/ocpp/DROPPED")
    assert response.status_code == 502
    assert 5 <= int(response.headers["Retry-After"]) < 15
    for peer in peers:
        peer.stop()
    # Before the checks have failed: nobody accepts the connection.
    response = await stations.get("/ocpp/CP-1")
    assert response.status_code == 503
    assert 5 <= int(response.headers["Retry-After"]) < 15


async def test_a_gateways_own_refusal_reaches_the_station_with_its_time(
    stations: httpx.AsyncClient,
) -> None:
    response = await stations.get("/ocpp/STORM")
    assert response.status_code == 503
    assert response.headers.get_list("Retry-After") == ["17"]
    assert "X-Peer" in response.headers


async def test_a_gateway_that_is_slow_to_say_that_it_is_ready_keeps_its_stations(
    stations: httpx.AsyncClient, peers: list[Peer]
) -> None:
    names = [f"CP-{number}" for number in range(30)]
    before = await peers_of(stations, names)
    for peer in peers:
        peer.readiness_takes_s = 1.5
    await asyncio.sleep(5)  # longer than two checks and their answers
    assert await peers_of(stations, names) == before


async def test_other_paths_are_answered_with_a_hint(stations: httpx.AsyncClient) -> None:
    response = await stations.get("/")
    assert response.status_code == 404
    assert response.text == "Stations connect to /ocpp/{station_id}.\n"


async def test_the_senders_own_forwarded_for_is_dropped(stations: httpx.AsyncClient) -> None:
    response = await stations.get("/ocpp/CP-1", headers={"X-Forwarded-For": "203.0.113.7"})
    assert response.headers.get_list("X-Seen-Forwarded-For") == ["127.0.0.1"]
