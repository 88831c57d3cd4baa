"""The asyncio driver against a real WebSocket server that speaks OCPP with the stock package."""

import asyncio
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio
from ocpp.v16 import call
from ocpp.v16.enums import ResetType
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from simulator.backoff import ReconnectPolicy
from simulator.errors import ChargeRefused, ConnectorNotReady, UnexpectedSilence
from simulator.events import (
    Acknowledged,
    ChargeEnded,
    ChargeSampled,
    ChargeStarted,
    CommandAnswered,
    Connected,
    ConnectionRefused,
    Disconnected,
    Event,
    Rebooting,
    Registered,
)
from simulator.profile import Scenario, StationProfile
from simulator.running import SimulatedStation, run_station
from tests.unit.simulator.csms import Csms, running_csms


@pytest_asyncio.fixture
async def csms() -> AsyncIterator[Csms]:
    async with running_csms() as csms:
        yield csms


def _profile(**profile: Any) -> StationProfile:
    profile.setdefault("station_id", "SIM-1")
    profile.setdefault("meter_interval_s", 1)
    profile.setdefault("reboot_s", (0.05, 0.05))
    profile.setdefault("reconnect", ReconnectPolicy(minimum_s=0.05, maximum_s=0.2))
    profile.setdefault("scenario", Scenario(plug_in_s=(0, 0), unplug_s=(0.05, 0.05)))
    return StationProfile(**profile)


async def test_a_session_is_known_to_the_csms(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url, seed=1) as station:
        await station.wait_for(Registered)
        charge = await station.start_charging(id_token="TOKEN")
        assert charge.transaction_id == 1
        await station.wait_for(Acknowledged, lambda event: event.kind == "metered")
        await station.stop_charging()
    assert [event.action for event in station.acknowledged] == [
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    ]
    for event in station.acknowledged:
        assert csms.payloads(event.action) == [event.payload]
    assert csms.payloads("StopTransaction")[0]["transactionId"] == 1
    await csms.until(lambda: csms.closes == [1000])


async def test_callbacks_get_every_event_in_order(csms: Csms) -> None:
    told: list[Event] = []
    async with run_station(_profile(), url=csms.url, on_event=told.append) as station:
        await station.wait_for(Registered)
        await station.start_charging(id_token="TOKEN")
        await station.stop_charging()
    assert tuple(told) == station.events
    assert [event.at for event in told] == sorted(event.at for event in told)


async def test_a_driver_is_served_at_once_even_when_nothing_else_happens(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url, seed=1) as station:
        await station.wait_for(Registered)
        await csms.until(lambda: len(csms.payloads("StatusNotification")) == 2)
        await asyncio.sleep(0.1)
        await station.start_charging(id_token="TOKEN", timeout_s=1)


async def test_an_input_from_a_callback_is_acted_on_at_once(csms: Csms) -> None:
    stations: list[SimulatedStation] = []

    def on_event(event: Event) -> None:
        if isinstance(event, CommandAnswered):
            stations[0].lose_connection()

    async with run_station(_profile(), url=csms.url, seed=1, on_event=on_event) as station:
        stations.append(station)
        await station.wait_for(Registered)
        await csms.until(lambda: len(csms.payloads("StatusNotification")) == 2)
        await asyncio.sleep(0.1)
        await csms.peers["SIM-1"].call(call.ClearCache())
        await station.wait_for(Disconnected, timeout_s=2)


def test_a_seed_repeats_a_station_but_not_its_neighbour() -> None:
    def chance(station_id: str, seed: int | None) -> float:
        profile = _profile(station_id=station_id)
        station = SimulatedStation(profile, url="ws://127.0.0.1:1/ocpp", seed=seed)
        return station.station.context.rng.random()

    assert chance("SIM-1", 5) == chance("SIM-1", 5)
    assert chance("SIM-1", 5) != chance("SIM-2", 5)
    assert chance("SIM-1", 5) != chance("SIM-1", 6)
    assert chance("SIM-1", None) != chance("SIM-1", None)


async def test_a_blocked_token_is_refused_in_words(csms: Csms) -> None:
    csms.blocked.add("THIEF")
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        with pytest.raises(ChargeRefused, match="'THIEF'"):
            await station.start_charging(id_token="THIEF")
        with pytest.raises(ConnectorNotReady):
            await station.stop_charging()


async def test_silence_of_the_csms_is_told_and_not_waited_out_for_ever(csms: Csms) -> None:
    csms.silent_about.add("StartTransaction")
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        with pytest.raises(UnexpectedSilence, match=r"within 0\.3 s"):
            await station.start_charging(id_token="TOKEN", timeout_s=0.3)


async def test_the_password_is_sent_as_basic_authentication(csms: Csms) -> None:
    csms.password = "c0rrect:horse"
    async with run_station(_profile(), url=csms.url, password="c0rrect:horse") as station:
        await station.wait_for(Registered)


async def test_a_wrong_password_is_tried_again_with_growing_waits(csms: Csms) -> None:
    csms.password = "right"
    async with run_station(_profile(), url=csms.url, password="wrong") as station:
        for _ in range(3):
            refused = await station.wait_for(ConnectionRefused)
            assert refused.status == 401
        csms.password = "wrong"
        await station.wait_for(Registered)


async def test_retry_after_of_a_full_server_is_honoured(csms: Csms) -> None:
    def full(connection: ServerConnection) -> Response:
        response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "come back later\n")
        response.headers["Retry-After"] = "1"
        return response

    csms.refuse = full
    async with run_station(_profile(), url=csms.url) as station:
        refused = await station.wait_for(ConnectionRefused)
        assert refused.status == 503
        assert 1.0 <= refused.retry_in_s <= 1.1
        csms.refuse = lambda _: None
        connected = await station.wait_for(Connected)
        assert connected.at - refused.at >= 1.0


async def test_nobody_there_is_tried_again() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}/ocpp"
        async with run_station(_profile(), url=url) as station:
            for _ in range(2):
                refused = await station.wait_for(ConnectionRefused)
                assert refused.status is None


async def test_a_server_of_another_version_is_left_alone() -> None:
    async with (
        running_csms("ocpp2.0.1") as csms,
        run_station(_profile(), url=csms.url) as station,
    ):
        refused = await station.wait_for(ConnectionRefused)
        assert "ocpp1.6" in refused.reason
        assert csms.received == []


async def test_a_charge_goes_on_offline_and_is_told_in_order(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url, seed=1) as station:
        await station.wait_for(Registered)
        await station.start_charging(id_token="TOKEN")
        csms.refuse = lambda each: each.respond(HTTPStatus.SERVICE_UNAVAILABLE, "down\n")
        csms.peers["SIM-1"].connection.transport.abort()
        await station.wait_for(Disconnected)
        for _ in range(2):
            await station.wait_for(ChargeSampled)
        await station.stop_charging(delivered=False)
        assert csms.payloads("StopTransaction") == []
        csms.refuse = lambda _: None
        await station.wait_for(Acknowledged, lambda event: event.kind == "ended")
    told = [
        (action, payload.get("transactionId"))
        for _, action, payload in csms.received
        if action in {"StartTransaction", "MeterValues", "StopTransaction"}
    ]
    assert told == [
        ("StartTransaction", None),
        ("MeterValues", 1),
        ("MeterValues", 1),
        ("StopTransaction", 1),
    ]
    # 1.6J, 5.4: no second BootNotification.
    assert len(csms.payloads("BootNotification")) == 1


async def test_a_transaction_begun_offline_is_numbered_afterwards(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        csms.refuse = lambda each: each.respond(HTTPStatus.SERVICE_UNAVAILABLE, "down\n")
        station.lose_connection()
        await station.wait_for(Disconnected)
        charge = await station.start_charging(id_token="STRANGER")
        assert charge.offline
        assert charge.transaction_id is None
        await station.wait_for(ChargeSampled)
        csms.refuse = lambda _: None
        await station.wait_for(Acknowledged, lambda event: event.kind == "metered")
        assert charge.transaction_id == 1
    assert csms.payloads("MeterValues")[0]["transactionId"] == 1


async def test_what_was_not_answered_is_sent_again_on_the_next_connection(csms: Csms) -> None:
    csms.silent_about.add("StopTransaction")
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        await station.start_charging(id_token="TOKEN")
        await station.stop_charging(delivered=False)
        await csms.until(lambda: bool(csms.payloads("StopTransaction")))
        csms.silent_about.clear()
        station.lose_connection()
        await station.wait_for(Acknowledged, lambda event: event.kind == "ended")
    first, second = csms.payloads("StopTransaction")
    assert first == second


async def test_commands_of_the_stock_package_are_answered(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        peer = csms.peers["SIM-1"]
        keys = await peer.call(call.GetConfiguration(key=["NumberOfConnectors", "Nonsense"]))
        assert keys.configuration_key[0]["value"] == "1"
        assert keys.unknown_key == ["Nonsense"]
        started = await peer.call(call.RemoteStartTransaction(id_tag="APP", connector_id=1))
        assert started.status == "Accepted"
        await station.wait_for(ChargeStarted)
        await station.wait_for(Acknowledged)
        stopped = await peer.call(call.RemoteStopTransaction(transaction_id=1))
        assert stopped.status == "Accepted"
        ended = await station.wait_for(ChargeEnded)
        assert ended.reason == "remote"
        reset = await peer.call(call.Reset(type=ResetType.soft))
        assert reset.status == "Accepted"
        await station.wait_for(Rebooting)
        await station.wait_for(Registered)
    await csms.until(lambda: csms.closes == [1000, 1000])


async def test_a_hanging_handshake_does_not_stop_the_clock_of_the_station(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        await station.start_charging(id_token="TOKEN")
        csms.open.clear()
        station.lose_connection()
        await station.wait_for(Disconnected)
        for _ in range(2):
            sampled = await station.wait_for(ChargeSampled)
        assert csms.handshakes == 2
        csms.open.set()
        connected = await station.wait_for(Connected)
        assert connected.at >= sampled.at


async def test_stopping_in_the_middle_of_a_handshake_is_clean(csms: Csms) -> None:
    csms.open.clear()
    async with run_station(_profile(), url=csms.url):
        await asyncio.sleep(0.05)
    assert csms.handshakes == 1
    csms.open.set()


async def test_a_failure_of_the_driver_reaches_whoever_waits() -> None:
    station = SimulatedStation(_profile(), url="ws://127.0.0.1:1/ocpp")

    def broken(event: Event) -> None:
        raise ZeroDivisionError(event)

    station._on_event = broken
    running = asyncio.create_task(station.run())
    with pytest.raises(ZeroDivisionError):
        await station.wait_for(Registered)
    with pytest.raises(ZeroDivisionError):
        await running
