"""Values of one JSON type that stand for a value of another one, as stations confuse them."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

_MAX_DIGITS = 18
# Of 10: what is beyond is no number of OCPP, and writing it out takes longer than its length tells.
_MAX_EXPONENT = 40
# What is longer reads as no number of OCPP, and reading it takes longer than its length tells.
_MAX_NUMBER_LENGTH = 100
# Of an integer that is written out, which takes the square of its length: some 150 digits.
_MAX_BITS = 512
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _to_integer(value: object) -> int | Decimal | None:
    number = _read(value) if isinstance(value, str) else value
    if isinstance(number, float):
        number = Decimal(str(number))
    # Before anything is multiplied out.
    if not isinstance(number, Decimal) or not number.is_finite() or number.adjusted() > _MAX_DIGITS:
        return None
    return int(number) if number == number.to_integral_value() else number


def to_whole(value: object) -> int | None:
    """Return a number whose fraction is zero, or its text, as an integer."""
    number = _to_integer(value)
    return number if isinstance(number, int) else None


def _to_number(value: object) -> Decimal | None:
    return _read(value.replace(",", ".")) if isinstance(value, str) else None


def _read(text: str) -> Decimal | None:
    """Return the number that a text is, with its digits."""
    # Python reads "1_000" and the digits of other scripts as well; nobody writes them.
    if len(text) > _MAX_NUMBER_LENGTH or "_" in text or not text.isascii():
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _MAX_EXPONENT else None


def _to_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return None
    return str(value) if isinstance(value, int | float) and isfinite(value) else None


def _to_boolean(value: object) -> bool | None:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower())
    return value == 1 if type(value) is int and value in {0, 1} else None


def _to_list(value: object) -> list[object] | None:
    return [value] if isinstance(value, dict) else None


CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _to_integer,
    "number": _to_number,
    "boolean": _to_boolean,
    "string": _to_text,
    "array": _to_list,
}
"""By JSON Schema's name of the type that is meant; each returns None for what does not read as it.

A number that is meant to be an integer and has a fraction is returned as a Decimal.
"""
