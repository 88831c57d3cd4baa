"""A station of OCPP 2.0.1 against a real WebSocket server of the stock `ocpp` package."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio
from ocpp.v201 import call

from simulator.backoff import ReconnectPolicy
from simulator.errors import ChargeRefused
from simulator.events import (
    Acknowledged,
    ChargeEnded,
    ChargeSampled,
    ChargeStarted,
    ConnectionRefused,
    Disconnected,
    Rebooting,
    Registered,
)
from simulator.profile import OcppVersion, Scenario, StationProfile
from simulator.running import run_station
from tests.unit.simulator.csms import Csms, running_csms


@pytest_asyncio.fixture
async def csms() -> AsyncIterator[Csms]:
    async with running_csms("ocpp2.0.1") as csms:
        yield csms


def _profile(**profile: Any) -> StationProfile:
    profile.setdefault("meter_interval_s", 1)
    return StationProfile(
        station_id="SIM-1",
        version=OcppVersion.V2_0_1,
        reboot_s=(0.05, 0.05),
        reconnect=ReconnectPolicy(minimum_s=0.05, maximum_s=0.2),
        scenario=Scenario(plug_in_s=(0, 0), unplug_s=(0.05, 0.05)),
        **profile,
    )


async def test_a_session_is_known_to_the_csms(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url, seed=1) as station:
        await station.wait_for(Registered)
        charge = await station.start_charging(id_token="TOKEN")
        await station.wait_for(Acknowledged, lambda event: event.kind == "metered")
        await station.stop_charging()
    events = csms.payloads("TransactionEvent")
    assert [event["eventType"] for event in events] == ["Started", "Updated", "Updated", "Ended"]
    assert [event["seqNo"] for event in events] == [0, 1, 2, 3]
    ids = {event["transactionInfo"]["transactionId"] for event in events}
    assert ids == {charge.transaction_id}
    assert [event.payload for event in station.acknowledged] == events
    await csms.until(lambda: csms.closes == [1000])


async def test_a_blocked_token_is_refused_in_words(csms: Csms) -> None:
    csms.blocked.add("THIEF")
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        with pytest.raises(ChargeRefused, match="'THIEF'"):
            await station.start_charging(id_token="THIEF")


async def test_a_server_of_another_version_is_left_alone() -> None:
    async with (
        running_csms("ocpp1.6") as csms,
        run_station(_profile(), url=csms.url) as station,
    ):
        refused = await station.wait_for(ConnectionRefused)
        assert "ocpp2.0.1" in refused.reason
        assert csms.received == []


async def test_a_server_of_both_versions_hears_the_one_the_station_speaks() -> None:
    async with (
        running_csms("ocpp1.6", "ocpp2.0.1") as csms,
        run_station(_profile(), url=csms.url) as station,
    ):
        await station.wait_for(Registered)
        assert csms.payloads("BootNotification")[0]["reason"] == "PowerUp"


async def test_a_charge_goes_on_offline_and_is_told_in_order(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url, seed=1) as station:
        await station.wait_for(Registered)
        await station.start_charging(id_token="TOKEN")
        await station.wait_for(Acknowledged, lambda event: event.kind == "state changed")
        csms.refuse = lambda each: each.respond(HTTPStatus.SERVICE_UNAVAILABLE, "down\n")
        csms.peers["SIM-1"].connection.transport.abort()
        await station.wait_for(Disconnected)
        for _ in range(2):
            await station.wait_for(ChargeSampled)
        await station.stop_charging(delivered=False)
        csms.refuse = lambda _: None
        await station.wait_for(Acknowledged, lambda event: event.kind == "ended")
    told = [
        (event["seqNo"], event.get("offline", False)) for event in csms.payloads("TransactionEvent")
    ]
    assert told == [(0, False), (1, False), (2, True), (3, True), (4, True)]
    assert len(csms.payloads("BootNotification")) == 1  # OCPP-J 2.0.1, 5.3


async def test_commands_of_the_stock_package_are_answered(csms: Csms) -> None:
    async with run_station(_profile(), url=csms.url) as station:
        await station.wait_for(Registered)
        peer = csms.peers["SIM-1"]
        variable = {
            "component": {"name": "OCPPCommCtrlr"},
            "variable": {"name": "OfflineThreshold"},
        }
        got = await peer.call(call.GetVariables(get_variable_data=[variable]))
        assert got.get_variable_result[0]["attribute_value"] == "60"
        report = call.GetBaseReport(request_id=3, report_base="FullInventory")
        assert (await peer.call(report)).status == "Accepted"
        await csms.until(lambda: any(not each["tbc"] for each in csms.payloads("NotifyReport")))
        token = {"idToken": "APP", "type": "Central"}
        start = call.RequestStartTransaction(id_token=token, remote_start_id=9, evse_id=1)
        assert (await peer.call(start)).status == "Accepted"
        await station.wait_for(ChargeStarted)
        acknowledged = await station.wait_for(Acknowledged)
        info = acknowledged.payload["transactionInfo"]
        assert info["remoteStartId"] == 9
        stop = call.RequestStopTransaction(transaction_id=info["transactionId"])
        assert (await peer.call(stop)).status == "Accepted"
        ended = await station.wait_for(ChargeEnded)
        assert ended.reason == "remote"
        assert (await peer.call(call.Reset(type="Immediate"))).status == "Accepted"
        await station.wait_for(Rebooting)
        await station.wait_for(Registered)
    assert [boot["reason"] for boot in csms.payloads("BootNotification")] == [
        "PowerUp",
        "RemoteReset",
    ]
