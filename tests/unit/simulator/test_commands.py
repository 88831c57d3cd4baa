"""What a CSMS may ask for (1.6, chapter 5), and frames that ask for nothing sensible."""

import json

import pytest

from simulator.events import CommandAnswered, Rebooting
from tests.unit.simulator.bench import Bench, Frame, Payload


def _statuses(frames: list[Frame]) -> list[tuple[int, str]]:
    return [
        (frame.payload["connectorId"], frame.payload["status"])
        for frame in frames
        if frame.action == "StatusNotification"
    ]


# Remote start and stop


def test_remote_start_answers_first_and_then_starts_without_asking(bench: type[Bench]) -> None:
    station = bench().booted()
    answer = station.command("RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"})
    assert answer == {"status": "Accepted"}
    station.skip("StatusNotification")
    start = station.expect("StartTransaction")
    assert start.payload["idTag"] == "APP"


def test_remote_start_asks_first_if_told_to(bench: type[Bench]) -> None:
    station = bench().booted()
    change = {"key": "AuthorizeRemoteTxRequests", "value": "true"}
    station.command("ChangeConfiguration", change)
    station.command("RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"})
    station.skip("StatusNotification")
    assert station.expect("Authorize").payload == {"idTag": "APP"}


def test_remote_start_without_a_connector_takes_a_free_one(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.charge(connector_id=1)
    assert station.command("RemoteStartTransaction", {"idTag": "APP"}) == {"status": "Accepted"}
    station.settle()
    assert station.station.connectors[2].charge is not None
    assert station.command("RemoteStartTransaction", {"idTag": "APP"}) == {"status": "Rejected"}


@pytest.mark.parametrize("number", [0, 2, -1, 1])
def test_remote_start_where_it_cannot_be_is_rejected(bench: type[Bench], number: int) -> None:
    station = bench().booted()
    if number == 1:
        station.charge()
    answer = station.command("RemoteStartTransaction", {"connectorId": number, "idTag": "APP"})
    assert answer == {"status": "Rejected"}


def test_remote_stop_ends_that_transaction_and_no_other(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.charge(connector_id=1, transaction_id=11)
    station.charge(connector_id=2, transaction_id=22)
    assert station.command("RemoteStopTransaction", {"transactionId": 33}) == {"status": "Rejected"}
    assert station.command("RemoteStopTransaction", {"transactionId": 22}) == {"status": "Accepted"}
    stop = station.expect("StopTransaction")
    assert stop.payload["transactionId"] == 22
    assert stop.payload["reason"] == "Remote"
    assert station.station.connectors[1].charge is not None


# Reset


def test_a_soft_reset_delivers_the_stop_then_restarts_and_boots(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    assert station.command("Reset", {"type": "Soft"}) == {"status": "Accepted"}
    stop = station.expect("StopTransaction")
    assert stop.payload["reason"] == "SoftReset"
    assert "idTag" not in stop.payload
    assert not station.hang_ups
    station.tick(5)
    assert not station.hang_ups
    station.reply(stop, {})
    station.settle()
    station.tick(0.5)
    assert len(station.hang_ups) == 1
    station.tick(1)
    assert not station.dials
    station.tick(2)
    station.connect()
    station.reply(
        station.expect("BootNotification"),
        {"status": "Accepted", "currentTime": "2026-02-02T00:00:00Z", "interval": 300},
    )
    assert _statuses(station.settle()) == [(0, "Available"), (1, "Available")]
    assert [event.reason for event in station.events_of(Rebooting)] == ["orderly reset"]


def test_a_soft_reset_does_not_wait_for_ever(bench: type[Bench]) -> None:
    station = bench(reset_timeout_s=10).booted()
    station.charge()
    station.command("Reset", {"type": "Soft"})
    station.tick(9.5)
    assert not station.hang_ups
    station.tick(1)
    assert station.hang_ups


def test_a_hard_reset_asks_nobody_and_tells_the_stop_afterwards(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge(transaction_id=5)
    assert station.command("Reset", {"type": "Hard"}) == {"status": "Accepted"}
    assert not station.hang_ups  # Its answer must get away first.
    station.tick(0.5)
    assert station.hang_ups
    reset_at = station.now
    station.silent()
    station.tick(3)
    station.connect()
    boot = station.expect("BootNotification")
    station.silent()
    station.answer(boot)
    stop = next(frame for frame in station.settle() if frame.action == "StopTransaction")
    assert stop.payload["reason"] == "HardReset"
    assert stop.payload["transactionId"] == 5
    assert stop.payload["timestamp"] == station.station.context.timestamp(reset_at)


def test_nobody_can_start_while_a_reset_is_under_way(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.charge(connector_id=1)
    station.command("Reset", {"type": "Soft"})
    answer = station.command("RemoteStartTransaction", {"connectorId": 2, "idTag": "APP"})
    assert answer == {"status": "Rejected"}


# Availability


def test_availability_of_a_free_connector_changes_at_once(bench: type[Bench]) -> None:
    station = bench().booted()
    request = {"connectorId": 1, "type": "Inoperative"}
    assert station.command("ChangeAvailability", request) == {"status": "Accepted"}
    assert _statuses(station.settle()) == [(1, "Unavailable")]
    assert station.command("ChangeAvailability", request) == {"status": "Accepted"}
    station.silent()
    remote = station.command("RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"})
    assert remote == {"status": "Rejected"}
    request["type"] = "Operative"
    assert station.command("ChangeAvailability", request) == {"status": "Accepted"}
    assert _statuses(station.settle()) == [(1, "Available")]


def test_availability_of_a_charging_connector_is_scheduled(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    request = {"connectorId": 1, "type": "Inoperative"}
    assert station.command("ChangeAvailability", request) == {"status": "Scheduled"}
    station.silent()
    station.stop()
    assert _statuses(station.live(5)) == [(1, "Finishing"), (1, "Unavailable")]


def test_a_scheduled_change_can_be_taken_back(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    request = {"connectorId": 1, "type": "Inoperative"}
    assert station.command("ChangeAvailability", request) == {"status": "Scheduled"}
    request["type"] = "Operative"
    assert station.command("ChangeAvailability", request) == {"status": "Accepted"}
    station.stop()
    assert _statuses(station.live(5)) == [(1, "Finishing"), (1, "Available")]


def test_connector_zero_is_the_station_with_all_connectors(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.charge(connector_id=2)
    request = {"connectorId": 0, "type": "Inoperative"}
    assert station.command("ChangeAvailability", request) == {"status": "Scheduled"}
    assert _statuses(station.settle()) == [(0, "Unavailable"), (1, "Unavailable")]
    station.stop(connector_id=2)
    assert _statuses(station.live(5)) == [(2, "Finishing"), (2, "Unavailable")]


def test_unavailability_survives_a_restart(bench: type[Bench]) -> None:
    station = bench().booted()
    station.command("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    station.settle()
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    station.connect()
    assert _statuses(station.settle()) == [(0, "Available"), (1, "Unavailable")]


def test_availability_of_a_connector_there_is_not_is_rejected(bench: type[Bench]) -> None:
    station = bench().booted()
    request = {"connectorId": 9, "type": "Operative"}
    assert station.command("ChangeAvailability", request) == {"status": "Rejected"}


# Unlock, cache, data


def test_unlock_ends_the_transaction_first(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    assert station.command("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
    assert station.expect("StopTransaction").payload["reason"] == "UnlockCommand"
    assert station.command("UnlockConnector", {"connectorId": 7}) == {"status": "NotSupported"}


def test_clear_cache_forgets_and_is_rejected_without_a_cache(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    station.stop()
    station.live(5)
    station.command("ChangeConfiguration", {"key": "LocalPreauthorize", "value": "true"})

    def asks() -> bool:
        station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
        said = [frame.action for frame in station.live(1)]
        station.stop()
        station.live(5)
        return "Authorize" in said

    assert not asks()
    assert station.command("ClearCache", {}) == {"status": "Accepted"}
    assert asks()
    station.command("ChangeConfiguration", {"key": "AuthorizationCacheEnabled", "value": "false"})
    assert station.command("ClearCache", {}) == {"status": "Rejected"}


def test_no_vendor_is_known(bench: type[Bench]) -> None:
    station = bench().booted()
    request = {"vendorId": "'; DROP TABLE x; --", "data": "<script>"}
    assert station.command("DataTransfer", request) == {"status": "UnknownVendorId"}


# Triggers


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Heartbeat", {}),
        ("DiagnosticsStatusNotification", {"status": "Idle"}),
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ],
)
def test_triggered_messages_follow_the_answer(
    bench: type[Bench], message: str, expected: Payload
) -> None:
    station = bench().booted()
    answer = station.command("TriggerMessage", {"requestedMessage": message, "connectorId": 77})
    assert answer == {"status": "Accepted"}
    assert station.expect(message).payload == expected


def test_a_triggered_status_is_of_one_connector_or_of_all(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.command("TriggerMessage", {"requestedMessage": "StatusNotification"})
    assert [number for number, _ in _statuses(station.settle())] == [0, 1, 2]
    station.command("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 2})
    assert [number for number, _ in _statuses(station.settle())] == [2]
    station.command("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 0})
    assert [number for number, _ in _statuses(station.settle())] == [0]


def test_triggered_meter_values_name_the_transaction_if_there_is_one(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.charge(connector_id=2, transaction_id=8)
    station.command("TriggerMessage", {"requestedMessage": "MeterValues"})
    first, second = station.settle()
    assert "transactionId" not in first.payload
    assert second.payload["transactionId"] == 8
    sample = second.payload["meterValue"][0]["sampledValue"][0]
    assert sample["context"] == "Trigger"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"requestedMessage": "BootNotification"}, "Rejected"),
        ({"requestedMessage": "MeterValues", "connectorId": 9}, "Rejected"),
        ({"requestedMessage": "StatusNotification", "connectorId": 9}, "Rejected"),
        ({"requestedMessage": "SignChargePointCertificate"}, "NotImplemented"),
    ],
)
def test_triggers_that_are_not_followed(bench: type[Bench], request_: Payload, status: str) -> None:
    station = bench().booted()
    assert station.command("TriggerMessage", request_) == {"status": status}
    station.silent()


# Frames that are no request


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Dance", {}, "NotImplemented"),
        ("BootNotification", {}, "NotImplemented"),
        ("SetChargingProfile", {}, "OccurenceConstraintViolation"),
        ("ReserveNow", {}, "OccurenceConstraintViolation"),
        ("Reset", {}, "OccurenceConstraintViolation"),
        ("Reset", {"type": "Medium"}, "PropertyConstraintViolation"),
        ("UnlockConnector", {"connectorId": "one"}, "TypeConstraintViolation"),
        ("ClearCache", {"all": True}, "FormationViolation"),
        ("RemoteStartTransaction", {"idTag": "x" * 21}, "PropertyConstraintViolation"),
    ],
)
def test_a_request_that_breaks_the_rules_gets_a_callerror(
    bench: type[Bench], action: str, payload: Payload, code: str
) -> None:
    station = bench().booted()
    frame = station.ask(action, payload)
    assert frame[0] == 4
    assert frame[2] == code
    assert station.events_of(CommandAnswered)[-1].error == code


def test_null_is_an_empty_payload(bench: type[Bench]) -> None:
    station = bench().booted()
    assert station.ask("ClearCache", None)[2] == {"status": "Accepted"}


@pytest.mark.parametrize(
    "text",
    [
        '[2,"a"]',
        '[2,"a","ClearCache"]',
        '[2,"a","ClearCache",[]]',
        '[2,"a",7,{}]',
        '[2,"a","ClearCache",{},{}]',
        f'[2,"{"x" * 37}","ClearCache",{{}}]',
    ],
)
def test_a_call_that_is_none_gets_a_callerror_with_its_id(bench: type[Bench], text: str) -> None:
    station = bench().booted()
    station.receive(text)
    frame = station.sent.pop()
    assert frame[0] == 4
    assert frame.id == json.loads(text)[1]
    assert frame[2] == "FormationViolation"


@pytest.mark.parametrize(
    "text", ["nonsense", "[" * 5000, '{"a":1}', '[2,7,"ClearCache",{}]', '[5,"a","B",{}]', "\ud800"]
)
def test_what_is_no_frame_is_ignored(bench: type[Bench], text: str) -> None:
    station = bench().booted()
    station.receive(text)
    station.silent()
