"""What a value of one JSON type stands for where another one is meant, and what stands for nothing.

Where a number and a text are equal to Python, types are compared as well.
"""

from decimal import Decimal
from typing import Any

import pytest

from gateway.conversions import CONVERSIONS, to_whole

BLANKS_TO_99 = " " * 98


def told(value: object) -> tuple[type, str]:
    return type(value), str(value)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("-7", -7),
        ("7.000", 7),
        ("7e2", 700),
        (7.0, 7),
        (Decimal("7.0"), 7),
        ("7.50", Decimal("7.50")),
        (7.5, Decimal("7.5")),
        (Decimal("-0.1"), Decimal("-0.1")),
        # As many digits as any register or id has.
        ("9" * 19, 9_999_999_999_999_999_999),
        ("9" * 20, None),
        ("1e18", 10**18),
        ("1e19", None),
        (1e19, None),
        # What takes longer to read than it can be worth.
        (f"{BLANKS_TO_99}17", 17),
        (f"{BLANKS_TO_99} 17", None),
        ("7,5", None),  # or 75 with a separator of thousands
        ("1_000", None),
        ("\u0667", None),
        ("0x10", None),
        ("seven", None),
        ("", None),
        ("NaN", None),
        ("-Infinity", None),
        (float("inf"), None),
        (float("nan"), None),
        (Decimal("Infinity"), None),
        (True, None),
        (None, None),
        ([7], None),
    ],
)
def test_an_integer_is_read_and_a_fraction_is_kept(value: object, meant: object) -> None:
    assert told(CONVERSIONS["integer"](value)) == told(meant)
    assert told(to_whole(value)) == told(meant if isinstance(meant, int) else None)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("7.50", Decimal("7.50")),
        ("7,50", Decimal("7.50")),
        (" -7 ", Decimal(-7)),
        ("1e40", Decimal("1e40")),
        ("1e-40", Decimal("1e-40")),
        ("1e41", None),
        ("1e-41", None),
        ("1,234,567", None),
        ("NaN", None),
        ("inf", None),
        ("", None),
        ("seven", None),
        (True, None),
        (None, None),
        ([7], None),
    ],
)
def test_a_number_is_read_from_a_text_and_from_nothing_else(value: object, meant: object) -> None:
    assert told(CONVERSIONS["number"](value)) == told(meant)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("true", True),
        ("True", True),
        (" TRUE ", True),
        ("1", True),
        (1, True),
        ("false", False),
        ("False", False),
        ("0", False),
        (0, False),
        ("yes", None),
        ("", None),
        (2, None),
        (-1, None),
        (1.0, None),
        (None, None),
        ([], None),
    ],
)
def test_a_boolean_is_read_from_its_word_or_its_digit(value: object, meant: object) -> None:
    assert CONVERSIONS["boolean"](value) is meant


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (7, "7"),
        (-7.5, "-7.5"),
        (Decimal("7.50"), "7.50"),
        (Decimal("1e2"), "100"),
        (True, "true"),
        (False, "false"),
        (2**512 - 1, str(2**512 - 1)),
        (2**512, None),
        (float("inf"), None),
        (float("nan"), None),
        (None, None),
        ([7], None),
        ({}, None),
    ],
)
def test_a_text_is_a_number_or_a_boolean_as_it_is_written(value: object, meant: object) -> None:
    assert CONVERSIONS["string"](value) == meant


@pytest.mark.parametrize(
    ("value", "meant"),
    [({"value": "1"}, [{"value": "1"}]), ({}, [{}]), ("x", None), (7, None), (None, None)],
)
def test_a_list_is_read_from_an_object_that_stands_alone(value: Any, meant: Any) -> None:
    assert CONVERSIONS["array"](value) == meant
