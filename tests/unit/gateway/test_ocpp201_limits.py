"""What a station of OCPP 2.0.1 has told that it cannot take."""

import pytest

from gateway.errors import CannotBeSaidError
from gateway.ocpp201.limits import check_keys, check_profile
from tests.support.charging_profiles import profile

LIMITS = {"ProfileStackLevel": "3", "PeriodsPerSchedule": "2", "RateUnit": "A"}
PERIODS = ((0, 16), (60, 8), (120, 16))


@pytest.mark.parametrize(
    ("level", "periods", "unit", "limit"),
    [
        (4, 1, "A", "ProfileStackLevel"),
        (0, 3, "A", "PeriodsPerSchedule"),
        (0, 1, "W", "RateUnit"),
    ],
)
def test_what_is_too_much_is_refused_with_the_limit(
    level: int, periods: int, unit: str, limit: str
) -> None:
    asked = profile("TxDefaultProfile", *PERIODS[:periods], level=level, unit=unit)
    with pytest.raises(CannotBeSaidError, match=limit):
        check_profile(asked, LIMITS)
    check_profile(asked, {})


def test_what_just_fits_is_sent() -> None:
    check_profile(profile("TxDefaultProfile", *PERIODS[:2], level=3), LIMITS)
    told = {"ItemsPerMessage[GetVariables]": "5"}
    check_keys(5, told)
    with pytest.raises(CannotBeSaidError, match="ItemsPerMessage"):
        check_keys(6, told)


def test_the_lowest_limits_are_limits_and_are_told() -> None:
    lowest = {"ProfileStackLevel": "0", "PeriodsPerSchedule": "1", "RateUnit": "W"}
    check_profile(profile("TxDefaultProfile", (0, 16), unit="W"), lowest)
    for asked, told in (
        (profile("TxDefaultProfile", (0, 16), level=1, unit="W"), "stack levels up to 0"),
        (profile("TxDefaultProfile", *PERIODS[:2], unit="W"), "at most 1 periods"),
        (profile("TxDefaultProfile", (0, 16)), "the station takes rates in W "),
    ):
        with pytest.raises(CannotBeSaidError, match=told):
            check_profile(asked, lowest)
    check_keys(1, {"ItemsPerMessage[GetVariables]": "1"})
    with pytest.raises(CannotBeSaidError, match=r"at most 1 variables .* these are 2: ask for"):
        check_keys(2, {"ItemsPerMessage[GetVariables]": "1"})


def test_a_limit_has_at_most_ten_digits() -> None:
    with pytest.raises(CannotBeSaidError):
        check_keys(10**10, {"ItemsPerMessage[GetVariables]": " 9999999999 "})
    check_keys(10**12, {"ItemsPerMessage[GetVariables]": "99999999999"})


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "9" * 30])
def test_a_value_that_is_no_limit_binds_nobody(value: str) -> None:
    check_keys(100, {"ItemsPerMessage[GetVariables]": value})
    check_profile(profile("TxDefaultProfile", *PERIODS, level=9), dict.fromkeys(LIMITS, value))


@pytest.mark.parametrize(
    ("words", "allowed"),
    [("A", "A"), ("W", "W"), ("W,W", "W"), ("A,W", "AW"), (" a , W ", "AW"), ("A,HP", "AW")],
)
def test_rate_units_are_read(words: str, allowed: str) -> None:
    for unit in "AW":
        asked = profile("TxDefaultProfile", (0, 16), unit=unit)
        if unit in allowed:
            check_profile(asked, {"RateUnit": words})
        else:
            with pytest.raises(CannotBeSaidError):
                check_profile(asked, {"RateUnit": words})
