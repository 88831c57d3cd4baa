"""The local authorization list (1.6, 3.5.2, 5.10, 5.15)."""

import pytest

from simulator.events import AuthorizationRefused
from simulator.local_list import LIST_MAX_ENTRIES, UPDATE_MAX_ENTRIES
from tests.unit.simulator.bench import Bench, Payload

ACCEPTED = {"status": "Accepted"}


def _entry(tag: str, status: str | None = "Accepted", **info: str) -> Payload:
    return {"idTag": tag} | ({} if status is None else {"idTagInfo": {"status": status, **info}})


def _send(station: Bench, version: int, *entries: Payload, full: bool = False) -> str:
    request: Payload = {
        "listVersion": version,
        "updateType": "Full" if full else "Differential",
        "localAuthorizationList": list(entries),
    }
    return str(station.command("SendLocalList", request)["status"])


def _version(station: Bench) -> int:
    return int(station.command("GetLocalListVersion", {})["listVersion"])


def _set(station: Bench, key: str, value: str) -> None:
    assert station.command("ChangeConfiguration", {"key": key, "value": value}) == ACCEPTED


def test_a_list_is_replaced_and_changed(bench: type[Bench]) -> None:
    station = bench().booted()
    assert _version(station) == 0
    assert _send(station, 3, _entry("A"), _entry("B"), full=True) == "Accepted"
    assert _version(station) == 3
    assert _send(station, 3, _entry("C")) == "VersionMismatch"
    assert _send(station, 2, _entry("C")) == "VersionMismatch"
    assert _send(station, 7, _entry("C"), _entry("b", None)) == "Accepted"
    assert _version(station) == 7
    known = station.station.tokens.local_list
    assert len(known) == 2
    assert _send(station, 1, _entry("D"), full=True) == "Accepted"
    assert _version(station) == 1
    assert len(known) == 1


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_means_something_else_fails(bench: type[Bench], version: int) -> None:
    station = bench().booted()
    assert _send(station, version, _entry("A"), full=True) == "Failed"


def test_an_empty_list_has_the_version_0(bench: type[Bench]) -> None:
    station = bench().booted()
    assert _send(station, 5, _entry("A"), full=True) == "Accepted"
    assert station.command("SendLocalList", {"listVersion": 6, "updateType": "Full"}) == ACCEPTED
    assert _version(station) == 0


def test_a_full_list_needs_a_status_for_each_tag_and_each_tag_once(bench: type[Bench]) -> None:
    station = bench().booted()
    assert _send(station, 1, _entry("A", None), full=True) == "Failed"
    assert _send(station, 1, _entry("A"), _entry("a"), full=True) == "Failed"
    assert _version(station) == 0


def test_there_is_room_for_so_many_tags(bench: type[Bench]) -> None:
    station = bench().booted()
    many = [_entry(f"T{number}") for number in range(UPDATE_MAX_ENTRIES + 1)]
    assert _send(station, 1, *many, full=True) == "Failed"
    for version in range(1, LIST_MAX_ENTRIES // UPDATE_MAX_ENTRIES + 1):
        part = [_entry(f"T{version}-{number}") for number in range(UPDATE_MAX_ENTRIES)]
        assert _send(station, version, *part) == "Accepted"
    assert _send(station, 99, _entry("ONE-MORE")) == "Failed"


def test_a_list_that_is_not_in_use_is_refused(bench: type[Bench]) -> None:
    station = bench().booted()
    _send(station, 4, _entry("A"), full=True)
    _set(station, "LocalAuthListEnabled", "false")
    assert _send(station, 5, _entry("B")) == "NotSupported"
    assert _version(station) == -1
    _set(station, "LocalAuthListEnabled", "true")
    assert _version(station) == 4


def test_an_expiry_date_that_is_none_is_an_error(bench: type[Bench]) -> None:
    station = bench().booted()
    entry = _entry("A", expiryDate="tomorrow")
    request = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    frame = station.ask("SendLocalList", request)
    assert frame[2] == "PropertyConstraintViolation"


def _charges_offline(station: Bench, tag: str) -> bool:
    before = len(station.events_of(AuthorizationRefused))
    station.plug_in(tag)
    refused = len(station.events_of(AuthorizationRefused)) > before
    if not refused:
        station.stop()
    station.tick(5)
    return not refused


def test_offline_the_list_decides(bench: type[Bench]) -> None:
    station = bench().booted()
    _set(station, "AllowOfflineTxForUnknownId", "false")
    past = "2020-01-01T00:00:00Z"
    entries = (_entry("Good"), _entry("Bad", "Blocked"), _entry("Old", expiryDate=past))
    assert _send(station, 1, *entries, full=True) == "Accepted"
    station.disconnect()
    assert _charges_offline(station, "GOOD")
    assert not _charges_offline(station, "BAD")
    assert not _charges_offline(station, "OLD")
    assert not _charges_offline(station, "STRANGER")


def test_with_preauthorization_tags_of_the_list_are_not_asked_for(bench: type[Bench]) -> None:
    station = bench().booted()
    _send(station, 1, _entry("GOOD"), _entry("BAD", "Blocked"), full=True)
    _set(station, "LocalPreauthorize", "true")
    station.plug_in("GOOD")
    assert "Authorize" not in [frame.action for frame in station.settle()]
    station.stop()
    station.live(5)
    # Online, a tag that the list refuses is asked for: the list may be old (3.5.4).
    station.plug_in("BAD")
    assert "Authorize" in [frame.action for frame in station.settle()]


def test_the_list_counts_for_more_than_what_was_heard(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    station.stop()
    station.live(5)
    _send(station, 1, _entry("TOKEN", "Blocked"), full=True)
    station.disconnect()
    assert not _charges_offline(station, "TOKEN")


def test_a_list_survives_a_restart(bench: type[Bench]) -> None:
    station = bench().booted()
    _send(station, 4, _entry("A"), full=True)
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    station.connect()
    station.settle()
    assert _version(station) == 4
