"""The loops that send, against an echo server in this process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from websockets.asyncio.server import ServerConnection, serve

from loadtest.bench.fleet import fleet
from loadtest.bench.load import LoadError, closed_loop, open_loop
from loadtest.bench.websocket import StationSocket

STATIONS = [f"CP-{number}" for number in range(4)]


class Server:
    """Answers after `delay_s`, with `answer` or an echo, and notes how many wait at once."""

    def __init__(self) -> None:
        self.url = ""
        self.delay_s = 0.0
        self.answer: str | None = None
        self.waiting = 0
        self.most_waiting = 0
        self.received: dict[str, list[str | bytes]] = {}

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        station_id = connection.request.path.rpartition("/")[2]
        async for message in connection:
            self.received.setdefault(station_id, []).append(message)
            if self.answer == "close":
                await connection.close(1011, "broken")
                return
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
            await asyncio.sleep(self.delay_s)
            self.waiting -= 1
            await connection.send(self.answer or message)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    handler = Server()
    async with serve(handler.handle, "127.0.0.1", 0) as running:
        handler.url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/ocpp"
        yield handler


@pytest.fixture
async def stations(server: Server) -> AsyncIterator[list[StationSocket]]:
    async with fleet(server.url, STATIONS, booted=False) as connected:
        yield connected


def messages() -> Iterator[bytes]:
    for number in count():
        yield b"%d" % number


async def test_a_closed_loop_keeps_so_many_messages_in_flight(
    server: Server, stations: list[StationSocket]
) -> None:
    server.delay_s = 0.01
    load = await closed_loop(stations, messages(), in_flight=2, seconds=1.0)
    assert server.most_waiting == 2
    assert load.messages == sum(map(len, server.received.values())) >= 2
    assert min(load.latencies_s) >= 0.01


async def test_every_station_has_its_turn(server: Server, stations: list[StationSocket]) -> None:
    await closed_loop(stations, messages(), in_flight=1, seconds=0.5)
    turns = [len(server.received.get(station_id, ())) for station_id in STATIONS]
    assert sum(turns) > 0
    assert max(turns) - min(turns) <= 1


async def test_no_message_is_sent_twice(server: Server, stations: list[StationSocket]) -> None:
    await closed_loop(stations, messages(), in_flight=4, seconds=0.1)
    sent = [message for each in server.received.values() for message in each]
    assert len(sent) == len(set(sent))


async def test_an_open_loop_keeps_to_its_rate(stations: list[StationSocket]) -> None:
    load = await open_loop(stations, messages(), rate_per_s=200, seconds=0.5)
    assert load.messages == 100
    # Never faster; how much slower is the machine's business.
    assert load.seconds >= 0.49
    assert load.generator_share > 0


async def test_an_open_loop_counts_the_wait_for_a_free_station_as_latency(
    server: Server, stations: list[StationSocket]
) -> None:
    # Four stations and 50 ms per answer make 80 a second; so 200 a second pile up.
    server.delay_s = 0.05
    load = await open_loop(stations, messages(), rate_per_s=200, seconds=0.5)
    assert load.messages == 100
    assert max(load.latencies_s) > 0.5
    assert len(load.lags_s) < load.messages


async def test_a_refused_message_ends_the_run(
    server: Server, stations: list[StationSocket]
) -> None:
    server.answer = '[4,"1","SecurityError","",{}]'
    with pytest.raises(LoadError, match="SecurityError"):
        await closed_loop(stations, messages(), in_flight=2, seconds=5.0)


async def test_a_lost_connection_ends_the_run(
    server: Server, stations: list[StationSocket]
) -> None:
    server.answer = "close"
    with pytest.raises(LoadError, match="ended with 1011"):
        await open_loop(stations, messages(), rate_per_s=100, seconds=5.0)
