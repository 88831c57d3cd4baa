"""Local list, reservations and smart charging as 2.0.1 words them (D, H, K).

What they do is the same in both versions, and is tested with 1.6.
"""

from typing import Any

import pytest

from tests.unit.simulator.bench import Payload
from tests.unit.simulator.ocpp201.bench import Bench201

ACCEPTED = {"status": "Accepted"}


def _token(value: str, type_: str = "ISO14443") -> Payload:
    return {"idToken": value, "type": type_}


def _profile(purpose: str, limit: float, *, id_: int = 1, **more: Any) -> Payload:
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "id": id_,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
        **more,
    }


def _set(station: Bench201, evse_id: int, profile: Payload) -> Payload:
    request = {"evseId": evse_id, "chargingProfile": profile}
    return station.command("SetChargingProfile", request)


# D


def test_a_list_is_kept_by_token_and_type(bench: type[Bench201]) -> None:
    station = bench().booted()
    entries = [
        {"idToken": _token("A"), "idTokenInfo": {"status": "Accepted"}},
        {"idToken": _token("a", "Central"), "idTokenInfo": {"status": "Blocked"}},
    ]
    request = {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": entries}
    assert station.command("SendLocalList", request) == ACCEPTED
    assert station.command("GetLocalListVersion", {}) == {"versionNumber": 3}
    assert station.get("LocalAuthListCtrlr", "Entries") == "2"
    removal = {"versionNumber": 4, "updateType": "Differential"}
    removal["localAuthorizationList"] = [{"idToken": _token("a")}]
    assert station.command("SendLocalList", removal) == ACCEPTED
    assert station.command("SendLocalList", removal) == {"status": "VersionMismatch"}
    assert station.get("LocalAuthListCtrlr", "Entries") == "1"
    station.set("LocalAuthListCtrlr", "Enabled", "false")
    assert station.command("GetLocalListVersion", {}) == {"versionNumber": 0}
    assert station.command("SendLocalList", removal)["status"] == "Failed"


# H


def _reserve(station: Bench201, *, lasts_s: float = 600, **more: Any) -> str:
    moment = station.station.context.timestamp(station.now + lasts_s)
    request = {"id": 7, "expiryDateTime": moment, "idToken": _token("VIP"), **more}
    return str(station.command("ReserveNow", request)["status"])


def test_a_reservation_is_used_by_the_transaction(bench: type[Bench201]) -> None:
    station = bench().booted()
    assert _reserve(station, evseId=1) == "Accepted"
    assert station.statuses_in(station.settle()) == [(1, "Reserved")]
    assert _reserve(station, evseId=1, id=8) == "Occupied"
    station.plug_in("VIP")
    started = station.events_in(station.settle())[0]
    assert started["reservationId"] == 7


def test_the_end_of_a_reservation_is_told(bench: type[Bench201]) -> None:
    station = bench().booted()
    _reserve(station, lasts_s=60)
    said = station.live(60)
    updates = [frame.payload for frame in said if frame.action == "ReservationStatusUpdate"]
    assert updates == [{"reservationId": 7, "reservationUpdateStatus": "Expired"}]
    _reserve(station, evseId=1, groupIdToken=_token("FLEET", "Central"))
    station.settle()
    unavailable = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    station.command("ChangeAvailability", unavailable)
    said = station.settle()
    updates = [frame.payload for frame in said if frame.action == "ReservationStatusUpdate"]
    assert updates == [{"reservationId": 7, "reservationUpdateStatus": "Removed"}]


def test_a_cancelled_reservation_is_not_told(bench: type[Bench201]) -> None:
    station = bench().booted()
    _reserve(station, evseId=1)
    station.settle()
    assert station.command("CancelReservation", {"reservationId": 7}) == ACCEPTED
    assert [frame.action for frame in station.settle()] == ["StatusNotification"]
    assert station.command("CancelReservation", {"reservationId": 7})["status"] == "Rejected"


# K


def test_profiles_limit_what_flows(bench: type[Bench201]) -> None:
    station = bench(meter_interval_s=1).booted()
    transaction_id = station.begin()
    profile = _profile("TxProfile", 8.1, transactionId=transaction_id)
    assert _set(station, 1, profile) == ACCEPTED
    station.live(30)
    assert 7 < station.station.connectors[1].meter.read(station.now).current_a <= 8.1
    request = {"evseId": 1, "duration": 60, "chargingRateUnit": "A"}
    schedule = station.command("GetCompositeSchedule", request)["schedule"]
    assert schedule["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 8.1, "numberPhases": 3}
    ]
    assert station.get("SmartChargingCtrlr", "Entries", instance="ChargingProfiles") == "1"
    criteria = {"chargingProfileCriteria": {"evseId": 1, "chargingProfilePurpose": "TxProfile"}}
    assert station.command("ClearChargingProfile", criteria) == ACCEPTED
    assert station.command("ClearChargingProfile", criteria) == {"status": "Unknown"}


@pytest.mark.parametrize(
    ("evse_id", "profile", "why"),
    [
        (9, _profile("TxDefaultProfile", 10), "UnknownEvse"),
        (1, _profile("ChargingStationMaxProfile", 10), "InvalidProfile"),
        (0, _profile("ChargingStationExternalConstraints", 10), "InvalidProfile"),
        (1, _profile("TxProfile", 10), "MissingParam"),
        (1, _profile("TxProfile", 10, transactionId="X"), "TxNotFound"),
    ],
)
def test_profiles_that_are_rejected(
    bench: type[Bench201], evse_id: int, profile: Payload, why: str
) -> None:
    station = bench().booted()
    answer = _set(station, evse_id, profile)
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": why}}


def test_a_schedule_of_an_evse_there_is_not_is_rejected(bench: type[Bench201]) -> None:
    station = bench().booted()
    answer = station.command("GetCompositeSchedule", {"evseId": 4, "duration": 60})
    assert answer["status"] == "Rejected"


def test_a_request_to_start_brings_its_profile(bench: type[Bench201]) -> None:
    station = bench(meter_interval_s=1).booted()
    request = {"idToken": _token("APP"), "remoteStartId": 1, "evseId": 1}
    bad = {**request, "chargingProfile": _profile("TxDefaultProfile", 10)}
    assert station.command("RequestStartTransaction", bad)["status"] == "Rejected"
    good = {**request, "chargingProfile": _profile("TxProfile", 10)}
    assert station.command("RequestStartTransaction", good) == ACCEPTED
    station.live(30)
    assert 9 < station.station.connectors[1].meter.read(station.now).current_a <= 10
