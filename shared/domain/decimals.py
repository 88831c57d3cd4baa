"""Decimals as they leave us: in plain digits.

The same number has several spellings: Postgres' driver reads 50000 as `Decimal("5E+4")`, a
multiplier of a sample makes such ones too, and `str` writes what stands there.
"""

from decimal import Decimal
from math import isfinite


def plain_digits(number: Decimal) -> str:
    """Return a finite number's digits without an exponent."""
    return f"{number:f}"


def json_number(number: Decimal) -> int | float | None:
    """Return a number as JSON has it: a whole one to the digit, any other as the nearest double.

    What no double holds is None: it is no number to those who read JSON.
    """
    if not isfinite(float(number)):
        return None
    return int(number) if number == number.to_integral_value() else float(number)
