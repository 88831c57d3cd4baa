"""Smart charging (1.6, 3.13, 5.5, 5.7, 5.16): what is installed, and what then flows."""

from typing import Any

import pytest

from simulator.charging_profiles import MAX_INSTALLED, MAX_PERIODS, MAX_STACK_LEVEL
from simulator.events import PowerLimited
from tests.unit.simulator.bench import Bench, Frame, Payload

MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


def _profile(
    purpose: str,
    *periods: tuple[int, float],
    id_: int = 1,
    level: int = 0,
    unit: str = "A",
    kind: str = "Relative",
    schedule: Payload | None = None,
    phases: int | None = None,
    **more: Any,
) -> Payload:
    more = {name: value for name, value in more.items() if value is not None}
    optional = {} if phases is None else {"numberPhases": phases}
    return {
        "chargingProfileId": id_,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit, **optional} for start, limit in periods
            ],
            **(schedule or {}),
        },
        **more,
    }


def _absolute(
    station: Bench, purpose: str, *periods: tuple[int, float], starts_in_s: float = 0, **more: Any
) -> Payload:
    schedule = {"startSchedule": station.station.context.timestamp(station.now + starts_in_s)}
    return _profile(purpose, *periods, kind="Absolute", schedule=schedule, **more)


def _set(station: Bench, number: int, profile: Payload) -> Payload:
    request = {"connectorId": number, "csChargingProfiles": profile}
    return station.command("SetChargingProfile", request)


def _composite(
    station: Bench, number: int = 1, duration_s: int = 3600, unit: str | None = "A"
) -> list[tuple[int, float]]:
    request: Payload = {"connectorId": number, "duration": duration_s}
    if unit is not None:
        request["chargingRateUnit"] = unit
    answer = station.command("GetCompositeSchedule", request)
    assert answer["status"] == "Accepted"
    assert answer["connectorId"] == number
    assert answer["scheduleStart"] == station.station.context.timestamp(int(station.now))
    schedule = answer["chargingSchedule"]
    assert "startSchedule" not in schedule  # Errata 3.57.
    return [
        (period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]
    ]


def _samples(said: list[Frame], measurand: str) -> list[float]:
    return [
        float(each["value"])
        for frame in said
        if frame.action == "MeterValues"
        for value in frame.payload["meterValue"]
        for each in value["sampledValue"]
        if each["measurand"] == measurand
    ]


def _statuses(said: list[Frame]) -> list[str]:
    return [frame.payload["status"] for frame in said if frame.action == "StatusNotification"]


# What is installed


def test_a_transaction_profile_needs_its_transaction(bench: type[Bench]) -> None:
    station = bench().booted()
    assert _set(station, 1, _profile(TX, (0, 10))) == REJECTED
    station.charge(transaction_id=7)
    assert _set(station, 1, _profile(TX, (0, 10), transactionId=8)) == REJECTED
    assert _set(station, 0, _profile(TX, (0, 10), transactionId=7)) == REJECTED
    assert _set(station, 1, _profile(TX, (0, 10), transactionId=7)) == ACCEPTED
    assert _set(station, 1, _profile(TX, (0, 12))) == ACCEPTED
    assert _composite(station) == [(0, 12)]
    station.stop()
    station.live(5)
    assert _composite(station) == [(0, 32)]


@pytest.mark.parametrize(
    ("number", "profile"),
    [
        (1, _profile(MAX, (0, 10))),
        (0, _profile(MAX, (0, 10), kind="Relative")),
        (1, _profile(DEFAULT)),
        (1, _profile(DEFAULT, (5, 10))),
        (1, _profile(DEFAULT, (0, 10), (0, 11))),
        (1, _profile(DEFAULT, (0, 10), (60, 11), (30, 12))),
        (1, _profile(DEFAULT, (0, -1))),
        (1, _profile(DEFAULT, (0, 10), level=-1)),
        (1, _profile(DEFAULT, (0, 10), level=MAX_STACK_LEVEL + 1)),
        (1, _profile(DEFAULT, *((second, 10) for second in range(MAX_PERIODS + 1)))),
        (1, _profile(DEFAULT, (0, 10), kind="Recurring", recurrencyKind="Daily")),
    ],
)
def test_what_cannot_be_executed_is_rejected(
    bench: type[Bench], number: int, profile: Payload
) -> None:
    station = bench().booted()
    assert _set(station, number, profile) == REJECTED


def test_a_connector_there_is_not_is_an_error(bench: type[Bench]) -> None:
    station = bench().booted()
    request = {"connectorId": 9, "csChargingProfiles": _profile(DEFAULT, (0, 10))}
    assert station.ask("SetChargingProfile", request)[2] == "PropertyConstraintViolation"


@pytest.mark.parametrize("change", [{"limit": 10.05}, {"limit": "ten"}])
def test_a_limit_has_one_decimal(bench: type[Bench], change: Payload) -> None:
    station = bench().booted()
    profile = _profile(DEFAULT, (0, 10))
    profile["chargingSchedule"]["chargingSchedulePeriod"][0].update(change)
    request = {"connectorId": 1, "csChargingProfiles": profile}
    assert station.ask("SetChargingProfile", request)[0] == 4


def test_the_same_id_or_level_is_replaced(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    profiles = station.station.limiting.profiles
    _set(station, 1, _profile(DEFAULT, (0, 10), id_=1, level=1))
    _set(station, 1, _profile(DEFAULT, (0, 11), id_=2, level=1))
    assert [each.profile_id for each in profiles] == [2]
    _set(station, 1, _profile(DEFAULT, (0, 12), id_=2, level=5))
    assert [each.stack_level for each in profiles] == [5]
    _set(station, 2, _profile(DEFAULT, (0, 13), id_=3, level=5))
    _set(station, 0, _profile(DEFAULT, (0, 14), id_=4, level=5))
    assert [each.profile_id for each in profiles] == [2, 3, 4]


def test_there_is_room_for_so_many(bench: type[Bench]) -> None:
    station = bench(connectors=3).booted()
    for number in range(MAX_INSTALLED):
        profile = _profile(DEFAULT, (0, 10), id_=number, level=number % 20)
        assert _set(station, number // 20, profile) == ACCEPTED
    assert _set(station, 3, _profile(DEFAULT, (0, 10), id_=999)) == REJECTED
    assert _set(station, 0, _profile(DEFAULT, (0, 9), id_=0)) == ACCEPTED


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({}, []),
        ({"id": 2}, [1, 3]),
        ({"connectorId": 1}, [2, 3]),
        ({"chargingProfilePurpose": DEFAULT}, [3]),
        ({"chargingProfilePurpose": DEFAULT, "stackLevel": 4}, [1, 3]),
        ({"stackLevel": 0}, [2]),
        ({"id": 1, "stackLevel": 4}, [1, 2, 3]),
    ],
)
def test_what_fits_all_criteria_is_cleared(
    bench: type[Bench], criteria: Payload, left: list[int]
) -> None:
    station = bench().booted()
    _set(station, 1, _profile(DEFAULT, (0, 10), id_=1))
    _set(station, 0, _profile(DEFAULT, (0, 10), id_=2, level=4))
    _set(station, 0, _absolute(station, MAX, (0, 10), id_=3))
    answer = station.command("ClearChargingProfile", criteria)
    assert answer == {"status": "Unknown" if len(left) == 3 else "Accepted"}
    assert [each.profile_id for each in station.station.limiting.profiles] == left


def test_profiles_survive_a_restart(bench: type[Bench]) -> None:
    station = bench().booted()
    _set(station, 1, _profile(DEFAULT, (0, 10)))
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    station.connect()
    station.settle()
    assert _composite(station) == [(0, 10)]


# What it comes to


def test_without_profiles_it_is_what_the_station_is_built_for(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    assert _composite(station) == [(0, 32)]
    assert _composite(station, unit="W") == [(0, 22_000)]
    assert _composite(station, unit=None) == [(0, 32)]
    assert _composite(station, 0) == [(0, 64)]
    assert _composite(station, 0, unit="W") == [(0, 44_000)]


@pytest.mark.parametrize("request_", [{"connectorId": 9}, {"connectorId": 1, "duration": 0}])
def test_what_cannot_be_worked_out_is_rejected(bench: type[Bench], request_: Payload) -> None:
    station = bench().booted()
    assert station.command("GetCompositeSchedule", {"duration": 60, **request_}) == REJECTED


def test_the_lowest_of_all_purposes_counts_at_each_moment(bench: type[Bench]) -> None:
    station = bench().booted()
    _set(station, 0, _absolute(station, MAX, (0, 20), (600, 8.1), id_=1))
    _set(station, 1, _absolute(station, DEFAULT, (0, 25), (300, 16), (1200, 6.4), id_=2))
    assert _composite(station) == [(0, 20), (300, 16), (600, 8.1), (1200, 6.4)]
    assert _composite(station, duration_s=600) == [(0, 20), (300, 16)]
    assert _composite(station, 0) == [(0, 20), (300, 16), (600, 8.1), (1200, 6.4)]


def test_a_higher_level_leads_while_it_lasts(bench: type[Bench]) -> None:
    station = bench().booted()
    _set(station, 1, _profile(DEFAULT, (0, 10), id_=1, level=0))
    above = _absolute(station, DEFAULT, (0, 16), (300, 20), id_=2, level=3, starts_in_s=100)
    above["chargingSchedule"]["duration"] = 400
    _set(station, 1, above)
    assert _composite(station) == [(0, 10), (100, 16), (400, 20), (500, 10)]
    above["validTo"] = station.station.context.timestamp(station.now + 200)
    _set(station, 1, above)
    assert _composite(station) == [(0, 10), (100, 16), (200, 10)]


def test_one_of_the_connector_replaces_that_of_the_station_at_its_level(
    bench: type[Bench],
) -> None:
    station = bench(connectors=2).booted()
    _set(station, 0, _profile(DEFAULT, (0, 10), id_=1, level=1))
    _set(station, 2, _profile(DEFAULT, (0, 16), id_=2, level=1))
    assert _composite(station, 1) == [(0, 10)]
    assert _composite(station, 2) == [(0, 16)]
    assert _composite(station, 0) == [(0, 26)]


def test_what_recurs_begins_again_at_the_same_time(bench: type[Bench]) -> None:
    station = bench().booted()
    daily = _absolute(station, DEFAULT, (0, 10), (7200, 16), starts_in_s=-86_400 * 3 + 3600)
    daily |= {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}
    daily["chargingSchedule"]["duration"] = 10_800
    _set(station, 1, daily)
    assert _composite(station, duration_s=2 * 86_400) == [
        *((0, 32), (3600, 10), (3600 + 7200, 16), (3600 + 10_800, 32)),
        *((90_000, 10), (90_000 + 7200, 16), (90_000 + 10_800, 32)),
    ]


def test_watts_and_amperes_are_converted_and_rounded_down(bench: type[Bench]) -> None:
    station = bench().booted()
    _set(station, 1, _profile(DEFAULT, (0, 11_000), unit="W"))
    assert _composite(station) == [(0, 15.9)]
    assert _composite(station, unit="W") == [(0, 11_000)]
    _set(station, 1, _profile(DEFAULT, (0, 8.1)))
    assert _composite(station, unit="W") == [(0, 5589)]
    _set(station, 1, _profile(DEFAULT, (0, 16), phases=1))
    assert _composite(station, unit="W") == [(0, 3680)]


# What then flows


def test_no_sample_exceeds_the_limit_in_watts(bench: type[Bench]) -> None:
    station = bench(meter_interval_s=1, power_w=22_000).booted()
    _set(station, 1, _profile(DEFAULT, (0, 7000), unit="W"))
    station.charge()
    powers = _samples(station.live(120), "Power.Active.Import")
    assert max(powers) <= 7000
    assert min(powers[15:]) > 6700


@pytest.mark.parametrize(("limit", "phases"), [(16, None), (8.1, 3), (10, 1)])
def test_no_sample_exceeds_the_limit_in_amperes(
    bench: type[Bench], limit: float, phases: int | None
) -> None:
    station = bench(meter_interval_s=1).booted()
    _set(station, 1, _profile(DEFAULT, (0, limit), phases=phases))
    station.charge()
    said = station.live(200)
    currents = _samples(said, "Current.Import")
    assert max(currents) <= limit
    assert min(currents[15:]) > 0.9 * limit
    powers = _samples(said, "Power.Active.Import")
    assert max(powers) <= limit * 230 * (phases or 3)


def test_direct_current_obeys_as_well(bench: type[Bench]) -> None:
    station = bench(meter_interval_s=1, power_w=150_000, phases=0).booted()
    _set(station, 1, _profile(DEFAULT, (0, 100)))
    station.charge()
    currents = _samples(station.live(60), "Current.Import")
    assert 80 < max(currents) <= 100


def test_the_limit_changes_in_the_course_of_a_charge_and_back(bench: type[Bench]) -> None:
    station = bench(meter_interval_s=10).booted()
    station.charge()
    full = _samples(station.live(60), "Power.Active.Import")
    assert full[-1] > 20_000
    _set(station, 1, _profile(TX, (0, 20), (90, 10), (120, 6), id_=1))
    said = station.live(90)  # 60 s of the charge have passed.
    currents = _samples(said, "Current.Import")
    assert 10 < currents[0] <= 20
    assert 6 < currents[3] <= 10
    assert currents[-1] <= 6
    assert station.command("ClearChargingProfile", {"id": 1}) == ACCEPTED
    assert _samples(station.live(30), "Power.Active.Import")[-1] > 20_000
    limits = [event.limit_w for event in station.events_of(PowerLimited)]
    assert limits == [*sorted(limits[:-1], reverse=True), None]
    assert len(limits) == 4


def test_a_limit_of_0_suspends_the_charge_after_the_answer(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    station.live(30)
    assert _set(station, 1, _profile(TX, (0, 0), (60, 16))) == ACCEPTED
    said = station.live(29)
    assert _statuses(said) == ["SuspendedEVSE"]
    assert _samples(said, "Power.Active.Import") == [0, 0]
    assert _statuses(station.live(5)) == ["Charging"]


def test_less_than_a_vehicle_can_take_is_nothing(bench: type[Bench]) -> None:
    station = bench().booted()
    _set(station, 1, _profile(DEFAULT, (0, 5.9)))
    station.plug_in()
    assert _statuses(station.settle()) == ["Preparing", "Charging", "SuspendedEVSE"]
    assert set(_samples(station.live(30), "Current.Import")) == {0}


def test_connectors_share_the_limit_of_the_station(bench: type[Bench]) -> None:
    station = bench(connectors=2, meter_interval_s=1).booted()
    _set(station, 0, _absolute(station, MAX, (0, 30)))
    station.charge(connector_id=1, transaction_id=1)
    assert max(_samples(station.live(60), "Current.Import")) > 26
    station.charge(connector_id=2, transaction_id=2)
    assert _composite(station, 1) == [(0, 15)]
    assert max(_samples(station.live(60), "Current.Import")) <= 15
    station.stop(connector_id=2)
    assert max(_samples(station.live(60), "Current.Import")) > 26
    assert _composite(station, 0) == [(0, 30)]


def test_offline_the_profiles_hold_on(bench: type[Bench]) -> None:
    station = bench(meter_interval_s=1).booted()
    station.charge()
    _set(station, 1, _profile(TX, (0, 10)))
    station.disconnect()
    station.tick(60)
    reading = station.station.connectors[1].meter.read(station.now)
    assert 0 < reading.current_a <= 10


# Remote starts


def _remote(station: Bench, profile: Payload) -> Payload:
    return station.command("RemoteStartTransaction", {"idTag": "APP", "chargingProfile": profile})


def test_a_remote_start_brings_its_profile(bench: type[Bench]) -> None:
    station = bench(meter_interval_s=1).booted()
    assert _remote(station, _profile(TX, (0, 12.5), level=2)) == ACCEPTED
    assert max(_samples(station.live(60), "Current.Import")) <= 12.5
    # 5.16.2: one of the same level for the transaction replaces it.
    assert _set(station, 1, _profile(TX, (0, 7), id_=9, level=2, transactionId=1)) == ACCEPTED
    assert [each.profile_id for each in station.station.limiting.profiles] == [9]
    station.stop()
    assert len(station.station.limiting.profiles) == 0


@pytest.mark.parametrize(
    "profile",
    [
        _profile(DEFAULT, (0, 10)),
        _profile(TX, (0, 10), transactionId=3),
        _profile(TX, (5, 10)),
    ],
)
def test_a_remote_start_with_another_profile_is_rejected(
    bench: type[Bench], profile: Payload
) -> None:
    station = bench().booted()
    assert _remote(station, profile) == REJECTED
    station.silent()
