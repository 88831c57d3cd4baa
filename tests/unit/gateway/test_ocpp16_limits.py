"""What a station of OCPP 1.6 has told that it cannot take."""

import pytest

from gateway.errors import CannotBeSaidError
from gateway.ocpp16.limits import check_keys, check_profile
from tests.support.charging_profiles import profile

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
    check_profile(asked, dict.fromkeys(LIMITS, value), beside=100)


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
