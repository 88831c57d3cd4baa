"""What a CSMS may ask for: remote control, reset, availability, triggers."""

from typing import Any

import pytest
from ocpp.v201.enums import Action

from simulator.events import CommandAnswered, Rebooting
from tests.unit.simulator.bench import Payload
from tests.unit.simulator.ocpp201.bench import ACCEPTED, Bench201

APP = {"idToken": "APP", "type": "Central"}


def _request_start(**fields: Any) -> Payload:
    return {"remoteStartId": 42, "idToken": APP, **fields}


# Remote start and stop


def test_remote_start_answers_first_and_then_starts_without_asking(bench: type[Bench201]) -> None:
    station = bench().booted()
    request = _request_start(evseId=1)
    assert station.command("RequestStartTransaction", request) == {"status": "Accepted"}
    station.skip("StatusNotification")
    started = station.expect("TransactionEvent").payload
    assert started["triggerReason"] == "RemoteStart"
    assert started["transactionInfo"]["remoteStartId"] == 42
    assert started["idToken"] == APP


def test_the_remote_start_id_is_told_once(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.command("RequestStartTransaction", _request_start(remoteStartId=0))
    said = station.live(15)
    station.stop()
    events = station.events_in(said + station.settle())
    ids = [event["transactionInfo"].get("remoteStartId") for event in events]
    assert ids == [0, None, None, None]


def test_remote_start_asks_first_if_told_to(bench: type[Bench201]) -> None:
    station = bench().booted()
    assert station.set("AuthCtrlr", "AuthorizeRemoteStart", "true") == "Accepted"
    station.command("RequestStartTransaction", _request_start(evseId=1))
    station.skip("StatusNotification")
    authorize = station.expect("Authorize")
    assert authorize.payload == {"idToken": APP}
    station.reply(authorize, ACCEPTED)
    assert station.expect("TransactionEvent").payload["triggerReason"] == "RemoteStart"


def test_remote_start_without_an_evse_takes_a_free_one(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    station.begin(connector_id=1)
    assert station.command("RequestStartTransaction", _request_start()) == {"status": "Accepted"}
    started = station.events_in(station.settle())[0]
    assert started["evse"] == {"id": 2, "connectorId": 1}
    assert station.command("RequestStartTransaction", _request_start()) == {"status": "Rejected"}


@pytest.mark.parametrize("evse_id", [0, 2, -1, 1])
def test_remote_start_where_it_cannot_be_is_rejected(bench: type[Bench201], evse_id: int) -> None:
    station = bench().booted()
    if evse_id == 1:
        station.begin()
    request = _request_start(evseId=evse_id)
    assert station.command("RequestStartTransaction", request) == {"status": "Rejected"}


def test_a_charging_profile_is_ignored(bench: type[Bench201]) -> None:
    station = bench().booted()
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
            }
        ],
    }
    request = _request_start(evseId=1, chargingProfile=profile)
    assert station.command("RequestStartTransaction", request) == {"status": "Accepted"}


def test_remote_stop_ends_that_transaction_and_no_other(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    station.begin(connector_id=1)
    transaction_id = station.begin(connector_id=2)
    stop = {"transactionId": "another"}
    assert station.command("RequestStopTransaction", stop) == {"status": "Rejected"}
    stop = {"transactionId": transaction_id}
    assert station.command("RequestStopTransaction", stop) == {"status": "Accepted"}
    ended = station.expect("TransactionEvent").payload
    assert ended["triggerReason"] == "RemoteStop"
    assert ended["transactionInfo"]["transactionId"] == transaction_id
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    assert "idToken" not in ended
    assert station.station.connectors[1].charge is not None
    assert station.command("RequestStopTransaction", stop) == {"status": "Rejected"}


# Reset


def _reboot(station: Bench201) -> str:
    """Wait for the restart; returns the reason of the boot."""
    station.tick(5)
    assert len(station.hang_ups) == 1
    station.connect()
    boot = station.expect("BootNotification")
    station.answer(boot)
    return str(boot.payload["reason"])


def test_an_immediate_reset_tells_the_end_first(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.begin()
    assert station.command("Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    ended = station.expect("TransactionEvent")
    assert ended.payload["triggerReason"] == "ResetCommand"
    assert ended.payload["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert "idToken" not in ended.payload
    station.tick(5)
    assert not station.hang_ups
    station.reply(ended, {})
    station.settle()
    assert _reboot(station) == "RemoteReset"
    assert station.statuses_in(station.settle()) == [(1, "Available")]
    assert [event.reason for event in station.events_of(Rebooting)] == ["immediate reset"]


def test_an_end_that_is_not_confirmed_is_told_after_the_restart(bench: type[Bench201]) -> None:
    station = bench(reset_timeout_s=10).booted()
    station.begin()
    station.command("Reset", {"type": "Immediate"})
    first = station.expect("TransactionEvent")
    station.tick(11)  # B12.FR.05
    assert _reboot(station) == "RemoteReset"
    station.skip("StatusNotification")
    assert station.expect("TransactionEvent").payload == {**first.payload, "offline": True}


def test_an_idle_station_restarts_at_once(bench: type[Bench201]) -> None:
    station = bench().booted()
    assert station.command("Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    assert _reboot(station) == "RemoteReset"


def test_a_reset_on_idle_waits_for_the_driver_and_lets_nobody_else_begin(
    bench: type[Bench201],
) -> None:
    station = bench(connectors=2).booted()
    station.begin(connector_id=1)
    answer = station.command("Reset", {"type": "OnIdle"})
    assert answer["status"] == "Scheduled"
    assert station.statuses_in(station.settle()) == [(2, "Unavailable")]
    request = _request_start(evseId=2)
    assert station.command("RequestStartTransaction", request) == {"status": "Rejected"}
    assert station.command("Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    station.live(3600)
    assert not station.hang_ups
    station.stop()
    ended = station.expect("TransactionEvent")
    # B12.FR.03: ended normally, by who charges.
    assert ended.payload["transactionInfo"]["stoppedReason"] == "Local"
    station.reply(ended, ACCEPTED)
    station.settle()
    assert _reboot(station) == "ScheduledReset"
    assert station.statuses_in(station.settle()) == [(1, "Available"), (2, "Available")]


def test_a_reset_that_waits_can_be_made_immediate(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.begin()
    station.command("Reset", {"type": "OnIdle"})
    station.command("Reset", {"type": "Immediate"})
    ended = station.expect("TransactionEvent")
    assert ended.payload["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    station.reply(ended, {})
    station.settle()
    assert _reboot(station) == "RemoteReset"
    station.settle()
    station.begin()  # What was scheduled is forgotten.
    station.stop()
    station.live(30)
    assert len(station.hang_ups) == 1


def test_a_single_evse_cannot_be_reset(bench: type[Bench201]) -> None:
    station = bench().booted()
    answer = station.command("Reset", {"type": "Immediate", "evseId": 1})
    assert answer["status"] == "Rejected"
    station.tick(20)
    assert not station.hang_ups


# Availability


def _change(station: Bench201, status: str, **evse: int) -> str:
    request: Payload = {"operationalStatus": status}
    if evse:
        request["evse"] = evse
    return str(station.command("ChangeAvailability", request)["status"])


def test_availability_of_a_free_evse_changes_at_once(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    assert _change(station, "Inoperative", id=2) == "Accepted"
    assert station.statuses_in(station.settle()) == [(2, "Unavailable")]
    assert _change(station, "Inoperative", id=2) == "Accepted"
    station.silent()
    assert _change(station, "Operative", id=2, connectorId=1) == "Accepted"
    assert station.statuses_in(station.settle()) == [(2, "Available")]


def test_availability_of_a_charging_evse_is_scheduled(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.begin()
    assert _change(station, "Inoperative", id=1) == "Scheduled"
    # G03.FR.03: what it is to become already.
    assert _change(station, "Inoperative", id=1) == "Accepted"
    station.silent()
    station.stop()
    assert station.statuses_in(station.live(5)) == [(1, "Unavailable")]


def test_a_scheduled_change_can_be_taken_back(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.begin()
    assert _change(station, "Inoperative", id=1) == "Scheduled"
    assert _change(station, "Operative", id=1) == "Accepted"
    station.stop()
    assert station.statuses_in(station.live(5)) == [(1, "Available")]


def test_the_whole_station_and_its_evses_are_put_out_of_use_apart(bench: type[Bench201]) -> None:
    station = bench(connectors=3).booted()
    station.begin(connector_id=1)
    assert _change(station, "Inoperative", id=3) == "Accepted"
    station.settle()
    assert _change(station, "Inoperative") == "Scheduled"
    assert station.statuses_in(station.settle()) == [(2, "Unavailable")]
    assert station.get("ChargingStation", "AvailabilityState") == "Unavailable"
    station.stop(1)
    assert station.statuses_in(station.live(5)) == [(1, "Unavailable")]
    assert _change(station, "Operative") == "Accepted"
    # G04.FR.08, note 1: EVSE 3 was asked to stay out of use.
    assert station.statuses_in(station.settle()) == [(1, "Available"), (2, "Available")]


def test_unavailability_survives_a_restart(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    _change(station, "Inoperative", id=2)
    station.settle()
    station.command("Reset", {"type": "Immediate"})
    _reboot(station)
    assert station.statuses_in(station.settle()) == [(1, "Available"), (2, "Unavailable")]
    _change(station, "Inoperative")
    station.settle()
    station.command("Reset", {"type": "Immediate"})
    station.hang_ups.clear()
    _reboot(station)
    assert station.statuses_in(station.settle()) == [(1, "Unavailable"), (2, "Unavailable")]


@pytest.mark.parametrize(
    ("evse", "why"),
    [({"id": 9}, "UnknownEvse"), ({"id": 1, "connectorId": 2}, "UnknownConnectorId")],
)
def test_availability_of_what_there_is_not_is_rejected(
    bench: type[Bench201], evse: Payload, why: str
) -> None:
    station = bench().booted()
    request = {"operationalStatus": "Operative", "evse": evse}
    answer = station.command("ChangeAvailability", request)
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": why}}


# Unlock, cache, data


def test_unlock_does_not_interrupt_who_charges(bench: type[Bench201]) -> None:
    station = bench().booted()
    request = {"evseId": 1, "connectorId": 1}
    assert station.command("UnlockConnector", request) == {"status": "Unlocked"}
    station.begin()
    answer = station.command("UnlockConnector", request)
    assert answer == {"status": "OngoingAuthorizedTransaction"}
    station.silent()
    assert station.station.connectors[1].charge is not None


@pytest.mark.parametrize(
    "request_", [{"evseId": 7, "connectorId": 1}, {"evseId": 1, "connectorId": 2}]
)
def test_unlock_of_what_there_is_not(bench: type[Bench201], request_: Payload) -> None:
    station = bench().booted()
    assert station.command("UnlockConnector", request_) == {"status": "UnknownConnector"}


def test_clear_cache_forgets_and_is_rejected_without_a_cache(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.set("AuthCtrlr", "LocalPreAuthorize", "true")

    def asks() -> bool:
        station.plug_in()
        said = [frame.action for frame in station.live(1)]
        station.stop()
        station.live(5)
        return "Authorize" in said

    assert asks()
    assert not asks()
    assert station.command("ClearCache", {}) == {"status": "Accepted"}
    assert asks()
    station.set("AuthCacheCtrlr", "Enabled", "false")
    assert station.command("ClearCache", {}) == {"status": "Rejected"}


def test_no_vendor_is_known(bench: type[Bench201]) -> None:
    station = bench().booted()
    request = {"vendorId": "'; DROP TABLE x; --", "data": {"any": ["<script>"]}}
    assert station.command("DataTransfer", request) == {"status": "UnknownVendorId"}


# Triggers


def _trigger(station: Bench201, message: str, **evse: int) -> str:
    request: Payload = {"requestedMessage": message}
    if evse:
        request["evse"] = evse
    return str(station.command("TriggerMessage", request)["status"])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Heartbeat", {}),
        ("LogStatusNotification", {"status": "Idle"}),
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ],
)
def test_triggered_messages_follow_the_answer(
    bench: type[Bench201], message: str, expected: Payload
) -> None:
    station = bench().booted()
    assert _trigger(station, message, id=77) == "Accepted"  # F06.FR.03
    assert station.expect(message).payload == expected


def test_a_triggered_status_is_of_one_connector(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    assert _trigger(station, "StatusNotification", id=2, connectorId=1) == "Accepted"
    assert station.statuses_in(station.settle()) == [(2, "Available")]


def test_triggered_meter_values_are_of_one_evse_or_of_all(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    station.begin(connector_id=2)
    assert _trigger(station, "MeterValues") == "Accepted"
    first, second = station.settle()
    assert (first.action, second.action) == ("MeterValues", "MeterValues")
    assert (first.payload["evseId"], second.payload["evseId"]) == (1, 2)
    samples = second.payload["meterValue"][0]["sampledValue"]
    assert {sample["context"] for sample in samples} == {"Trigger"}
    assert station.set("AlignedDataCtrlr", "Measurands", "Voltage") == "Accepted"
    assert _trigger(station, "MeterValues", id=1) == "Accepted"
    (only,) = station.settle()
    assert only.payload["evseId"] == 1
    (sample,) = only.payload["meterValue"][0]["sampledValue"]
    assert sample["measurand"] == "Voltage"


def test_a_triggered_transaction_event_tells_state_and_sample(bench: type[Bench201]) -> None:
    station = bench(connectors=2).booted()
    assert _trigger(station, "TransactionEvent") == "Rejected"
    transaction_id = station.begin(connector_id=2)
    assert _trigger(station, "TransactionEvent", id=1) == "Rejected"
    for evse in ({}, {"id": 2}):
        assert _trigger(station, "TransactionEvent", **evse) == "Accepted"
        (event,) = station.events_in(station.settle())
        assert event["eventType"] == "Updated"
        assert event["triggerReason"] == "Trigger"
        assert event["transactionInfo"] == {
            "transactionId": transaction_id,
            "chargingState": "Charging",
        }
        assert event["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


@pytest.mark.parametrize(
    ("message", "evse", "status"),
    [
        ("BootNotification", {}, "Rejected"),
        ("MeterValues", {"id": 9}, "Rejected"),
        ("StatusNotification", {}, "Rejected"),
        ("StatusNotification", {"id": 1}, "Rejected"),
        ("StatusNotification", {"id": 1, "connectorId": 2}, "Rejected"),
        ("SignChargingStationCertificate", {}, "NotImplemented"),
        ("PublishFirmwareStatusNotification", {}, "NotImplemented"),
    ],
)
def test_triggers_that_are_not_followed(
    bench: type[Bench201], message: str, evse: dict[str, int], status: str
) -> None:
    station = bench().booted()
    assert _trigger(station, message, **evse) == status
    station.silent()


def test_without_measurands_no_meter_values_are_promised(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.set("AlignedDataCtrlr", "Measurands", "")
    assert _trigger(station, "MeterValues") == "Rejected"


# Requests that break the rules


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Dance", {}, "NotImplemented"),
        ("BootNotification", {}, "NotImplemented"),
        ("RemoteStartTransaction", {}, "NotImplemented"),
        ("SetChargingProfile", {}, "OccurrenceConstraintViolation"),
        ("GetReport", {}, "NotSupported"),
        ("Reset", {}, "OccurrenceConstraintViolation"),
        ("GetVariables", {"getVariableData": []}, "OccurrenceConstraintViolation"),
        ("Reset", {"type": "Soft"}, "PropertyConstraintViolation"),
        ("TriggerMessage", {"requestedMessage": "Dance"}, "PropertyConstraintViolation"),
        ("TriggerMessage", {"requestedMessage": {}}, "TypeConstraintViolation"),
        ("UnlockConnector", {"evseId": "one", "connectorId": 1}, "TypeConstraintViolation"),
        ("ClearCache", {"all": True}, "FormatViolation"),
        ("RequestStopTransaction", {"transactionId": "x" * 37}, "PropertyConstraintViolation"),
    ],
)
def test_a_request_that_breaks_the_rules_gets_a_callerror(
    bench: type[Bench201], action: str, payload: Payload, code: str
) -> None:
    station = bench().booted()
    frame = station.ask(action, payload)
    assert frame[0] == 4
    assert frame[2] == code
    assert station.events_of(CommandAnswered)[-1].error == code


#: What only stations send.
_TO_THE_CSMS = {
    "Authorize",
    "BootNotification",
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "StatusNotification",
    "TransactionEvent",
}


@pytest.mark.parametrize("action", sorted({action.value for action in Action} - _TO_THE_CSMS))
def test_every_request_of_the_version_is_known(bench: type[Bench201], action: str) -> None:
    station = bench().booted()
    frame = station.ask(action, {"nonsense": 1})
    assert frame[0] == 4
    assert frame[2] != "NotImplemented"
