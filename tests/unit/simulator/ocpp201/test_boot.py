"""Boot and registration (B01 to B04)."""

import json

import pytest

from simulator.events import CommandAnswered, FrameIgnored
from tests.unit.simulator.ocpp201.bench import Bench201

REQUEST_START = {"remoteStartId": 1, "idToken": {"idToken": "APP", "type": "Central"}, "evseId": 1}


def test_a_station_says_who_it_is_and_why_it_boots_before_anything_else(
    bench: type[Bench201],
) -> None:
    station = bench(connectors=2).power_on().connect()
    boot = station.expect("BootNotification")
    assert boot.payload == {
        "reason": "PowerUp",
        "chargingStation": {
            "vendorName": "Voltaro",
            "model": "Simulator",
            "serialNumber": "SIM-1",
            "firmwareVersion": "1.0.0",
        },
    }
    station.silent()
    station.answer(boot)
    # B01.FR.05: of each connector, and of nothing else.
    assert station.statuses_in(station.settle()) == [(1, "Available"), (2, "Available")]


def test_a_status_names_the_connector_of_the_evse(bench: type[Bench201]) -> None:
    station = bench().power_on().connect()
    station.answer(station.expect("BootNotification"))
    assert station.expect("StatusNotification").payload == {
        "timestamp": "2026-02-02T02:40:00.000Z",
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    }


def test_long_names_are_cut_to_what_the_schema_allows(bench: type[Bench201]) -> None:
    station = bench(station_id="S" * 48, model="M" * 30).power_on().connect()
    assert station.expect("BootNotification").payload["chargingStation"]["model"] == "M" * 20


def test_pending_tells_about_itself_but_starts_nothing(bench: type[Bench201]) -> None:
    station = bench().power_on().connect()
    boot = station.expect("BootNotification")
    station.reply(boot, {**station.ACCEPTED, "status": "Pending"})
    assert station.get("OCPPCommCtrlr", "HeartbeatInterval") == "300"
    assert station.command("RequestStartTransaction", REQUEST_START) == {"status": "Rejected"}
    stop = {"transactionId": "none"}
    assert station.command("RequestStopTransaction", stop) == {"status": "Rejected"}
    station.silent()
    report = {"requestId": 5, "reportBase": "SummaryInventory"}
    assert station.command("GetBaseReport", report) == {"status": "Accepted"}
    station.answer(station.expect("NotifyReport"))
    station.silent()


def test_pending_boots_earlier_when_triggered_and_says_so(bench: type[Bench201]) -> None:
    station = bench().power_on().connect()
    boot = station.expect("BootNotification")
    station.reply(boot, {**station.ACCEPTED, "status": "Pending"})
    trigger = {"requestedMessage": "BootNotification"}
    assert station.command("TriggerMessage", trigger) == {"status": "Accepted"}
    assert station.expect("BootNotification").payload["reason"] == "Triggered"


def test_rejected_refuses_every_request_until_it_asks_again(bench: type[Bench201]) -> None:
    station = bench().power_on().connect()
    boot = station.expect("BootNotification")
    station.reply(boot, {**station.ACCEPTED, "status": "Rejected", "interval": 60})
    frame = station.ask("ClearCache", {})
    assert frame[0] == 4
    assert frame[2] == "SecurityError"
    assert station.events_of(CommandAnswered)[-1].error == "SecurityError"
    station.tick(59)
    station.silent()
    station.tick(1)
    station.answer(station.expect("BootNotification"))
    assert station.command("ClearCache", {}) == {"status": "Accepted"}


def test_transactions_wait_until_the_station_is_accepted_again(bench: type[Bench201]) -> None:
    station = bench(boots_on_reconnect=True).booted()
    station.begin()
    station.disconnect()
    station.tick(15)
    station.connect()
    boot = station.expect("BootNotification")
    station.reply(boot, {**station.ACCEPTED, "status": "Pending"})
    station.stop()
    station.tick(10)
    station.silent()
    trigger = {"requestedMessage": "BootNotification"}
    station.command("TriggerMessage", trigger)
    events = station.events_in(station.settle())
    assert [event["eventType"] for event in events] == ["Updated", "Ended"]


@pytest.mark.parametrize(
    ("offline_s", "told"),
    [(50, [(2, "Unavailable")]), (70, [(1, "Available"), (2, "Unavailable")])],
)
def test_after_a_long_time_offline_every_status_is_told_again(
    bench: type[Bench201], offline_s: float, told: list[tuple[int, str]]
) -> None:
    station = bench(connectors=2).booted()
    assert station.get("OCPPCommCtrlr", "OfflineThreshold") == "60"
    request = {"operationalStatus": "Inoperative", "evse": {"id": 2}}
    station.command("ChangeAvailability", request)
    station.sent.clear()  # The status does not get through.
    station.disconnect()
    station.tick(offline_s)
    station.connect()
    assert station.statuses_in(station.settle()) == told


def test_the_cache_expiry_of_a_token_is_heeded(bench: type[Bench201]) -> None:
    station = bench().booted()
    expiry = station.station.context.timestamp(station.now + 100).removesuffix("Z")
    accepted = {"idTokenInfo": {"status": "Accepted", "cacheExpiryDateTime": expiry}}
    station.answers["Authorize"] = lambda _: accepted
    station.answers["TransactionEvent"] = lambda event: accepted if "idToken" in event else {}
    station.begin()
    station.stop()
    station.live(5)
    station.disconnect()
    station.plug_in()
    assert station.station.connectors[1].charge is not None
    station.stop()
    station.tick(100)
    station.plug_in()
    assert station.station.connectors[1].charge is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", "RpcFrameworkError"),
        ('{"a":1}', "RpcFrameworkError"),
        ("[" * 5000, "RpcFrameworkError"),
        ('[2,7,"ClearCache",{}]', "RpcFrameworkError"),
    ],
)
def test_what_is_no_frame_is_answered_with_the_id_minus_one(
    bench: type[Bench201], text: str, code: str
) -> None:
    station = bench().booted()
    station.receive(text)
    frame = station.sent.pop()
    assert frame[:3] == [4, "-1", code]
    assert len(frame[3]) <= 255


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[2,"a","ClearCache"]', "RpcFrameworkError"),
        ('[2,"a","ClearCache",[]]', "RpcFrameworkError"),
        (f'[2,"{"x" * 37}","ClearCache",{{}}]', "RpcFrameworkError"),
        ('[5,"a","B",{}]', "MessageTypeNotSupported"),
    ],
)
def test_a_frame_that_is_broken_is_answered_with_its_id(
    bench: type[Bench201], text: str, code: str
) -> None:
    station = bench().booted()
    station.receive(text)
    assert station.sent.pop()[:3] == [4, json.loads(text)[1], code]


@pytest.mark.parametrize("text", ["[3]", "[4,7]", '[3,"a"]', '[3,"a",[]]', '[4,"a"]'])
def test_a_broken_answer_is_not_answered(bench: type[Bench201], text: str) -> None:
    station = bench().booted()
    station.receive(text)
    station.silent()
    assert len(station.events_of(FrameIgnored)) == 1
