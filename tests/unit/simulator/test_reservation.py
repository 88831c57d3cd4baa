"""Reservations (1.6, 5.1 and 5.13)."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from simulator.events import AuthorizationRefused
from tests.unit.simulator.bench import START, Bench, Frame, Payload


def _until(station: Bench, seconds: float) -> str:
    return station.station.context.timestamp(station.now + seconds)


def _reserve(
    station: Bench,
    number: int = 1,
    *,
    id_: int = 1,
    tag: str = "VIP",
    lasts_s: float = 600,
    **more: Any,
) -> str:
    request: Payload = {
        "connectorId": number,
        "expiryDate": _until(station, lasts_s),
        "idTag": tag,
        "reservationId": id_,
        **more,
    }
    return str(station.command("ReserveNow", request)["status"])


def _statuses(said: list[Frame]) -> list[tuple[int, str]]:
    return [
        (frame.payload["connectorId"], frame.payload["status"])
        for frame in said
        if frame.action == "StatusNotification"
    ]


def _remote(station: Bench, tag: str, **more: Any) -> str:
    return str(station.command("RemoteStartTransaction", {"idTag": tag, **more})["status"])


def test_a_reserved_connector_says_so_after_the_answer(bench: type[Bench]) -> None:
    station = bench().booted()
    assert _reserve(station) == "Accepted"
    assert _statuses(station.settle()) == [(1, "Reserved")]


def test_its_holder_charges_and_the_reservation_is_named(bench: type[Bench]) -> None:
    station = bench().booted()
    _reserve(station, id_=42)
    station.settle()
    station.plug_in("vip")
    said = station.settle()
    start = next(frame for frame in said if frame.action == "StartTransaction")
    assert start.payload["reservationId"] == 42
    assert _statuses(said) == [(1, "Preparing"), (1, "Charging")]
    station.stop()
    assert _statuses(station.live(5)) == [(1, "Finishing"), (1, "Available")]
    assert station.command("CancelReservation", {"reservationId": 42}) == {"status": "Rejected"}


def test_others_are_refused_without_a_question(bench: type[Bench]) -> None:
    station = bench().booted()
    _reserve(station)
    station.settle()
    station.plug_in("STRANGER")
    station.silent()
    assert station.events_of(AuthorizationRefused)
    assert _remote(station, "STRANGER", connectorId=1) == "Rejected"
    assert _remote(station, "VIP", connectorId=1) == "Accepted"


def test_members_of_the_group_are_found_out_by_asking(bench: type[Bench]) -> None:
    station = bench().booted()
    station.answers["Authorize"] = lambda question: {
        "idTagInfo": {"status": "Accepted", "parentIdTag": question["idTag"][:5]}
    }
    _reserve(station, id_=9, parentIdTag="FLEET")
    station.settle()
    station.plug_in("OTHER-1")
    assert [frame.action for frame in station.settle()] == [
        "StatusNotification",
        "Authorize",
        "StatusNotification",
    ]
    assert station.events_of(AuthorizationRefused)
    assert _remote(station, "FLEET-2") == "Accepted"  # Though its group is not known yet.
    said = station.settle()
    start = next(frame for frame in said if frame.action == "StartTransaction")
    assert start.payload["reservationId"] == 9


def test_a_reservation_ends_with_its_time(bench: type[Bench]) -> None:
    station = bench().booted()
    _reserve(station, lasts_s=30)
    station.settle()
    assert _statuses(station.live(29)) == []
    assert _statuses(station.live(1)) == [(1, "Available")]
    station.plug_in("STRANGER")
    assert station.expect("StatusNotification").payload["status"] == "Preparing"


def test_a_reservation_is_cancelled(bench: type[Bench]) -> None:
    station = bench().booted()
    _reserve(station)
    station.settle()
    assert station.command("CancelReservation", {"reservationId": 1}) == {"status": "Accepted"}
    assert _statuses(station.settle()) == [(1, "Available")]
    assert station.command("CancelReservation", {"reservationId": 1}) == {"status": "Rejected"}


def test_a_connector_is_reserved_once_and_only_while_it_is_free(bench: type[Bench]) -> None:
    station = bench(connectors=3).booted()
    station.charge(connector_id=2)
    station.command("ChangeAvailability", {"connectorId": 3, "type": "Inoperative"})
    station.settle()
    assert _reserve(station, 1, id_=1) == "Accepted"
    assert _reserve(station, 1, id_=2) == "Occupied"
    assert _reserve(station, 2, id_=2) == "Occupied"
    assert _reserve(station, 3, id_=2) == "Unavailable"
    assert _reserve(station, 4, id_=2) == "Rejected"
    assert _reserve(station, 0, id_=2) == "Occupied"


def test_a_time_that_has_passed_is_rejected(bench: type[Bench]) -> None:
    station = bench().booted()
    assert _reserve(station, lasts_s=-1) == "Rejected"


def test_a_reservation_of_the_same_id_is_replaced(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    _reserve(station, 1, id_=5, lasts_s=60)
    station.settle()
    assert _reserve(station, 1, id_=5, tag="OTHER", lasts_s=600) == "Accepted"
    station.silent()
    assert _reserve(station, 2, id_=5, lasts_s=600) == "Accepted"
    assert _statuses(station.settle()) == [(1, "Available"), (2, "Reserved")]
    assert _statuses(station.live(599)) == []
    # One that cannot be had leaves the old one as it was.
    station.charge(connector_id=1)
    assert _reserve(station, 1, id_=5) == "Occupied"
    assert _statuses(station.live(1)) == [(2, "Available")]


def test_a_reservation_of_any_connector_keeps_one_free(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    assert _reserve(station, 0, id_=3) == "Accepted"
    station.silent()  # No connector of its own.
    assert _remote(station, "STRANGER") == "Accepted"
    station.settle()
    assert _remote(station, "STRANGER-2") == "Rejected"
    assert _reserve(station, 2, id_=4) == "Occupied"
    assert _remote(station, "VIP") == "Accepted"
    said = station.settle()
    start = next(frame for frame in said if frame.action == "StartTransaction")
    assert start.payload["reservationId"] == 3


def test_a_remote_start_goes_where_the_place_is_kept(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    _reserve(station, 2)
    station.settle()
    assert _remote(station, "VIP") == "Accepted"
    said = station.settle()
    start = next(frame for frame in said if frame.action == "StartTransaction")
    assert start.payload["connectorId"] == 2


@pytest.mark.parametrize("number", [0, 1])
def test_out_of_service_ends_it(bench: type[Bench], number: int) -> None:
    station = bench().booted()
    _reserve(station, number)
    station.settle()
    station.command("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    assert _statuses(station.settle()) == [(1, "Unavailable")]
    assert station.command("CancelReservation", {"reservationId": 1}) == {"status": "Rejected"}


def test_it_survives_a_restart_and_still_ends(bench: type[Bench]) -> None:
    station = bench().booted()
    _reserve(station, lasts_s=100)
    station.settle()
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    station.connect()
    assert (1, "Reserved") in _statuses(station.settle())
    assert _statuses(station.live(100)) == [(1, "Available")]


def test_a_station_that_is_not_registered_reserves_nothing(bench: type[Bench]) -> None:
    station = bench().power_on().connect()
    station.reply(station.expect("BootNotification"), {**Bench.ACCEPTED, "status": "Pending"})
    assert _reserve(station) == "Rejected"


def test_a_date_that_is_none_is_an_error(bench: type[Bench]) -> None:
    station = bench().booted()
    request = {"connectorId": 1, "expiryDate": "", "idTag": "VIP", "reservationId": 1}
    assert station.ask("ReserveNow", request)[2] == "PropertyConstraintViolation"


def test_moments_of_another_zone_are_understood(bench: type[Bench]) -> None:
    station = bench().booted()
    moment = datetime.fromtimestamp(station.now + 60, timezone(timedelta(hours=5)))
    request = {
        "connectorId": 1,
        "expiryDate": moment.isoformat(),
        "idTag": "VIP",
        "reservationId": 1,
    }
    assert station.command("ReserveNow", request) == {"status": "Accepted"}
    station.settle()
    assert _statuses(station.live(60)) == [(1, "Available")]
    assert station.now == START + 60
