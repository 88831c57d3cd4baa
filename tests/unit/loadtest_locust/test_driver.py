"""The blocking driver, on plain threads, against a server of the stock `ocpp` package."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio
from ocpp.v16 import call
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from loadtest.locust.behaviour import Behaviour, Demand
from loadtest.locust.calls import TimedCall
from loadtest.locust.driver import StationDriver, WebSocketSettings
from simulator.backoff import ReconnectPolicy
from simulator.events import Acknowledged, Event
from simulator.profile import OcppVersion, Scenario, StationProfile
from simulator.station import Station
from simulator.versions import DIALECTS
from tests.support.eventually import eventually
from tests.unit.simulator.csms import Csms, running_csms

BUSY = Demand(session_s=0.5, busy_share=lambda _: 0.9, peak_busy_share=0.9)
QUIET = Demand(session_s=1.0, busy_share=lambda _: 0.0, peak_busy_share=0.0)


class Told:
    """What a listener was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None]] = []
        self.latencies_s: list[float] = []
        self.connections: list[str | None] = []
        self.put_offs: list[bool] = []
        self.losses: list[bool] = []
        self.events: list[Event] = []

    def connected(self, latency_s: float) -> None:
        self.latencies_s.append(latency_s)
        self.connections.append(None)

    def not_connected(self, latency_s: float, problem: str) -> None:
        self.latencies_s.append(latency_s)
        self.connections.append(problem)

    def put_off(self, *, again: bool) -> None:
        self.put_offs.append(again)

    def disconnected(self, reason: str, *, orderly: bool) -> None:
        assert reason
        self.losses.append(orderly)

    def called(self, call: TimedCall, problem: str | None) -> None:
        self.latencies_s.append(call.latency_s)
        self.calls.append((call.action, problem))

    def happened(self, event: Event) -> None:
        self.events.append(event)

    @property
    def actions(self) -> list[str]:
        return [action for action, problem in self.calls if problem is None]


class Running:
    """A driver on a thread of its own."""

    def __init__(
        self, csms: Csms, demand: Demand, losses_in_s: tuple[float, ...], **profile: Any
    ) -> None:
        profile.setdefault("meter_interval_s", 1)
        profile.setdefault("reconnect", ReconnectPolicy(minimum_s=0.05, maximum_s=0.2))
        profile.setdefault("scenario", Scenario(unplug_s=(0.05, 0.05)))
        rng, now = random.Random(1), time.time()  # noqa: S311
        described = StationProfile(station_id="LOAD-0-0", **profile)
        station = Station(
            described,
            make_dialect=DIALECTS[described.version],
            rng=rng,
            now=now,
            password=b"secret",
        )
        behaviour = Behaviour(
            demand,
            connectors=[1],
            losses=[now + each for each in losses_in_s],
            run_began_at=now,
            now=now,
            id_token="TOKEN",
            rng=rng,
        )
        self.told = Told()
        self.driver = StationDriver(
            station,
            behaviour,
            url=csms.url,
            listener=self.told,
            settings=WebSocketSettings(open_timeout_s=0.5, close_timeout_s=0.5),
        )
        self.thread = threading.Thread(target=self.driver.run, daemon=True)
        self.thread.start()

    async def until(self, holds: Callable[[Told], bool]) -> None:
        async def look() -> bool:
            return holds(self.told)

        await eventually(look, bool, timeout_s=5)

    async def settle(self) -> None:
        await asyncio.to_thread(self.driver.settle)
        await asyncio.to_thread(self.thread.join, 5)
        assert not self.thread.is_alive()


@asynccontextmanager
async def running(
    csms: Csms, demand: Demand = QUIET, losses_in_s: tuple[float, ...] = (), **profile: Any
) -> AsyncIterator[Running]:
    station = Running(csms, demand, losses_in_s, **profile)
    try:
        yield station
    finally:
        await station.settle()


@pytest_asyncio.fixture
async def csms() -> AsyncIterator[Csms]:
    async with running_csms("ocpp1.6", "ocpp2.0.1") as csms:
        csms.password = "secret"
        yield csms


@contextmanager
def refusing(csms: Csms, refuse: Callable[[ServerConnection], Response]) -> Iterator[None]:
    csms.refuse = refuse
    yield
    csms.refuse = lambda _: None


async def test_a_station_boots_and_every_call_is_timed(csms: Csms) -> None:
    async with running(csms) as station:
        await station.until(lambda told: told.actions.count("StatusNotification") == 2)
    assert station.told.connections == [None]
    assert station.told.calls == [
        ("BootNotification", None),
        ("StatusNotification", None),
        ("StatusNotification", None),
    ]
    assert all(0 < latency_s < 5 for latency_s in station.told.latencies_s)
    assert station.told.losses == []
    assert csms.closes == [1000]


@pytest.mark.parametrize("version", OcppVersion)
async def test_drivers_charge_and_at_the_end_everything_is_delivered(
    csms: Csms, version: OcppVersion
) -> None:
    async with running(csms, BUSY, version=version) as station:
        await station.until(
            lambda told: any(isinstance(each, Acknowledged) for each in told.events)
        )
    kinds = [each.kind for each in station.told.events if isinstance(each, Acknowledged)]
    assert kinds.count("started") == kinds.count("ended") >= 1
    assert station.driver.station.link.undelivered == 0
    assert all(problem is None for _, problem in station.told.calls)


async def test_a_station_that_is_put_off_comes_again_and_a_second_time_is_told(csms: Csms) -> None:
    def busy(connection: ServerConnection) -> Response:
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "later\n")
        response.headers["Retry-After"] = "0"
        return response

    with refusing(csms, busy):
        async with running(csms) as station:
            await station.until(lambda told: len(told.put_offs) >= 2)
            csms.refuse = lambda _: None
            await station.until(lambda told: "BootNotification" in told.actions)
    assert station.told.put_offs[:2] == [False, True]
    assert station.told.connections == [None]


async def test_a_refusal_without_a_time_to_come_again_is_a_failure(csms: Csms) -> None:
    def broken(connection: ServerConnection) -> Response:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no\n")

    with refusing(csms, broken):
        async with running(csms) as station:
            await station.until(lambda told: bool(told.connections))
            csms.refuse = lambda _: None
            await station.until(lambda told: "BootNotification" in told.actions)
    assert station.told.connections[0] == "HTTP 503"
    assert station.told.connections[-1] is None
    assert station.told.put_offs == []


async def test_a_handshake_that_hangs_is_given_up(csms: Csms) -> None:
    csms.open.clear()
    async with running(csms) as station:
        await station.until(lambda told: bool(told.connections))
        csms.open.set()
        await station.until(lambda told: "BootNotification" in told.actions)
    assert "timed out" in str(station.told.connections[0])


async def test_a_csms_of_another_version_is_no_csms() -> None:
    async with running_csms("ocpp2.0.1") as csms, running(csms) as station:
        await station.until(lambda told: bool(told.connections))
    assert station.told.connections[0] == "the CSMS does not speak ocpp1.6"


async def test_a_call_that_is_not_answered_counts_as_failed(csms: Csms) -> None:
    csms.silent_about.add("StatusNotification")
    async with running(csms, call_timeout_s=1) as station:
        await station.until(lambda told: len(told.calls) >= 2)
        csms.silent_about.clear()
    assert station.told.calls[1] == ("StatusNotification", "no answer within 1 s")


@pytest.mark.parametrize(("code", "orderly"), [(1000, True), (1012, True), (1011, False)])
async def test_a_connection_the_csms_closes_in_order_is_no_loss(
    csms: Csms, code: int, *, orderly: bool
) -> None:
    async with running(csms) as station:
        await station.until(lambda told: told.actions.count("StatusNotification") == 2)
        await csms.peers["LOAD-0-0"].connection.close(code)
        await station.until(lambda told: len(told.connections) == 2)
    assert station.told.losses == [orderly]


async def test_a_call_that_the_end_of_the_connection_interrupts_counts_as_failed(
    csms: Csms,
) -> None:
    csms.silent_about.add("BootNotification")
    async with running(csms) as station:
        await csms.until(lambda: bool(csms.received))
        csms.silent_about.clear()
        await csms.peers["LOAD-0-0"].connection.close(1012)
        await station.until(lambda told: bool(told.calls))
    problem = "the connection was lost before the answer"
    assert station.told.calls[0] == ("BootNotification", problem)


async def test_a_connection_that_is_to_be_lost_is_cut_and_dialled_again(csms: Csms) -> None:
    async with running(csms, losses_in_s=(0.3,)) as station:
        await station.until(lambda told: len(told.connections) == 2)
    # It was our own doing.
    assert station.told.losses == []
    assert all(problem is None for _, problem in station.told.calls)


async def test_commands_are_answered_while_it_waits(csms: Csms) -> None:
    async with running(csms) as station:
        await station.until(lambda told: told.actions.count("StatusNotification") == 2)
        answer = await csms.peers["LOAD-0-0"].call(call.GetConfiguration(["HeartbeatInterval"]))
    assert answer.configuration_key[0]["key"] == "HeartbeatInterval"


async def test_files_are_transferred_by_nobody_and_the_csms_is_told(csms: Csms) -> None:
    async with running(csms) as station:
        await station.until(lambda told: told.actions.count("StatusNotification") == 2)
        peer = csms.peers["LOAD-0-0"]
        await peer.call(call.GetDiagnostics(location="http://127.0.0.1:1/log"))
        await csms.until(
            lambda: (
                [each["status"] for each in csms.payloads("DiagnosticsStatusNotification")]
                == ["Uploading", "UploadFailed"]
            )
        )


async def test_a_station_that_settles_offline_ends(csms: Csms) -> None:
    with refusing(csms, lambda each: each.respond(HTTPStatus.NOT_FOUND, "no\n")):
        async with running(csms) as station:
            await station.until(lambda told: bool(told.connections))
    assert not station.thread.is_alive()
