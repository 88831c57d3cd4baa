"""Decimals leave in plain digits, however they are spelt inside."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.decimals import json_number, plain_digits

NUMBERS = st.decimals(-(10**200), 10**200) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**9), 10**9),
    st.integers(-30, 30),
)


@given(NUMBERS)
def test_digits_are_plain_and_all_of_them(number: Decimal) -> None:
    digits = plain_digits(number)
    assert set(digits) <= set("-.0123456789")
    assert Decimal(digits) == number


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("1E+4", "10000"),
        ("5E+4", "50000"),
        ("1.2E+5", "120000"),
        ("-1E+4", "-10000"),
        ("0E+3", "0"),
        ("1E-7", "0.0000001"),
        ("8.10", "8.10"),
    ],
)
def test_what_drivers_and_multipliers_make_of_a_number(number: str, digits: str) -> None:
    assert plain_digits(Decimal(number)) == digits


@given(NUMBERS)
def test_as_json_a_number_is_itself(number: Decimal) -> None:
    written = json.dumps(json_number(number))
    if number == number.to_integral_value():
        assert Decimal(written) == number
        assert written.removeprefix("-").isdecimal()
    else:
        assert float(written) == float(number)


def test_what_no_double_holds_is_no_number_of_json() -> None:
    assert json_number(Decimal("1E+400")) is None
    assert json_number(Decimal("-1E+400")) is None
