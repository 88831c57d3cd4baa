"""What a station of OCPP 1.6 has told that it cannot take."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import CannotBeSaidError
from gateway.ocpp16.limits import check_keys, check_profile, count_beside
from tests.support.charging_profiles import installed, profile

LIMITS = {
    "ChargeProfileMaxStackLevel": "3",
    "ChargingScheduleMaxPeriods": "2",
    "ChargingScheduleAllowedChargingRateUnit": "Current",
    "MaxChargingProfilesInstalled": "4",
}
PERIODS = ((0, 16), (60, 8), (120, 16))


@pytest.mark.parametrize(
    ("level", "periods", "unit", "beside", "limit"),
    [
        (4, 1, "A", 0, "ChargeProfileMaxStackLevel"),
        (0, 3, "A", 0, "ChargingScheduleMaxPeriods"),
        (0, 1, "W", 0, "ChargingScheduleAllowedChargingRateUnit"),
        (0, 1, "A", 4, "MaxChargingProfilesInstalled"),
    ],
)
def test_what_is_too_much_is_refused_with_the_limit(
    level: int, periods: int, unit: str, beside: int, limit: str
) -> None:
    asked = profile("TxDefaultProfile", *PERIODS[:periods], level=level, unit=unit)
    with pytest.raises(CannotBeSaidError, match=limit):
        check_profile(asked, LIMITS, beside=beside)
    check_profile(asked, {}, beside=beside)


def test_what_just_fits_is_sent() -> None:
    check_profile(profile("TxDefaultProfile", *PERIODS[:2], level=3), LIMITS, beside=3)
    check_keys(5, {"GetConfigurationMaxKeys": "5"})
    with pytest.raises(CannotBeSaidError, match="GetConfigurationMaxKeys"):
        check_keys(6, {"GetConfigurationMaxKeys": "5"})


@pytest.mark.parametrize("value", ["", "many", "0", "-1", "1.5"])
def test_a_value_that_is_no_limit_binds_nobody(value: str) -> None:
    check_keys(100, {"GetConfigurationMaxKeys": value})
    asked = profile("TxDefaultProfile", *PERIODS)
    told = dict.fromkeys(LIMITS, value) | {"ChargeProfileMaxStackLevel": "9"}
    check_profile(asked, told, beside=100)


def test_limits_of_one_and_of_level_zero_are_limits() -> None:
    check_keys(1, {"GetConfigurationMaxKeys": "1"})
    with pytest.raises(CannotBeSaidError, match=r"at most 1 keys .* these are 2: ask for fewer"):
        check_keys(2, {"GetConfigurationMaxKeys": "1"})
    ones = {"ChargingScheduleMaxPeriods": "1", "MaxChargingProfilesInstalled": "1"}
    check_profile(profile("TxDefaultProfile", (0, 16)), ones, beside=0)
    with pytest.raises(CannotBeSaidError, match=r"at most 1 periods .* this one has 2$"):
        check_profile(profile("TxDefaultProfile", *PERIODS[:2]), ones, beside=0)
    with pytest.raises(CannotBeSaidError, match=r"room for 1 .* 1 others .* clear one of them"):
        check_profile(profile("TxDefaultProfile", (0, 16)), ones, beside=1)
    lowest = {"ChargeProfileMaxStackLevel": "0"}
    check_profile(profile("TxDefaultProfile", (0, 16), level=0), lowest, beside=0)
    with pytest.raises(CannotBeSaidError, match=r"levels up to 0 \(.*\), not 1$"):
        check_profile(profile("TxDefaultProfile", (0, 16), level=1), lowest, beside=0)


def test_a_unit_that_is_not_allowed_is_named_with_those_that_are() -> None:
    told = {"ChargingScheduleAllowedChargingRateUnit": "Power"}
    with pytest.raises(
        CannotBeSaidError,
        match=r"^the station takes rates in W \(\w+AllowedChargingRateUnit\), not in A$",
    ):
        check_profile(profile("TxDefaultProfile", (0, 16)), told, beside=0)


NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("evse_id", "other", "stays"),
    [
        # The same place, purpose and level is replaced (§3.13.2), and so is the same id (§5.16).
        (1, {"id": 2}, False),
        (2, {"id": 1}, False),
        (1, {"id": 1, "purpose": "TxProfile", "level": 9}, False),
        (2, {"id": 2}, True),
        (1, {"id": 2, "purpose": "TxProfile"}, True),
        (1, {"id": 2, "level": 1}, True),
        # What is over makes room.
        (2, {"id": 2, "valid_to": NOW - SECOND}, False),
        (2, {"id": 2, "valid_to": NOW}, False),
        (2, {"id": 2, "valid_to": NOW + SECOND}, True),
    ],
)
def test_what_is_replaced_or_over_takes_no_room(
    evse_id: int, other: dict[str, Any], *, stays: bool
) -> None:
    there = installed(profile(**{"purpose": "TxDefaultProfile", **other}), evse_id)
    third = installed(profile("ChargingStationMaxProfile", (0, 16), id=3), 0)
    new = profile("TxDefaultProfile", (0, 16))
    assert count_beside(new, 1, [there, third], now=NOW) == 1 + stays


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("Current", "A"),
        ("Power", "W"),
        ("Power,Current", "AW"),
        (" current , POWER ", "AW"),
        ("A", "A"),
        ("W,A", "AW"),
        ("Amps", "AW"),
        ("Current,Horses", "AW"),
    ],
)
def test_units_are_told_in_several_words(words: str, allowed: str) -> None:
    for unit in "AW":
        asked = profile("TxDefaultProfile", (0, 16), unit=unit)
        told = {"ChargingScheduleAllowedChargingRateUnit": words}
        if unit in allowed:
            check_profile(asked, told, beside=0)
        else:
            with pytest.raises(CannotBeSaidError):
                check_profile(asked, told, beside=0)
