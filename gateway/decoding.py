"""Reads the JSON of stations in a time that grows with its length alone."""

import re
from decimal import Decimal
from typing import Any

import msgspec

# A shorter message costs little whatever is in it: 2 ms at most.
_SMALL_BYTES = 4 * 1024
# Each becomes an object of Python, empty or not. A sample of a meter takes 30 bytes and is one, so
# that what has more than that by its length is nothing of OCPP.
_MAX_CONTAINERS = 20_000
_BYTES_PER_CONTAINER = 30
# A longer number reads as a float, whose cost is bounded; no meter has so many digits.
_MAX_NUMBER_LENGTH = 60
# Exponents of 10 beyond any unit: what is written out has no more digits than this.
_MAX_EXPONENT = 40
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class TooManyContainersError(msgspec.DecodeError):
    """There are more lists and objects than any message of OCPP has."""


def decode(data: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return what JSON says; a number with a fraction or an exponent is a Decimal, digit by digit.

    So 3.10 stays 3.10, and a whole number that is not written as an integer is none. What is beyond
    all measure, such as 1e400, is infinite: one such number is no reason to understand nothing.

    Raises:
        msgspec.DecodeError: it is none, or a `TooManyContainersError`.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested too deep.
    """
    return _decode(data) if len(data) <= _SMALL_BYTES else _decode_large(data)


def _decode_large(data: bytes) -> Any:  # noqa: ANN401 - any JSON
    most = max(_MAX_CONTAINERS, len(data) // _BYTES_PER_CONTAINER)
    if _count_containers(data) > most and _count_containers(_STRINGS.sub(b"", data)) > most:
        raise TooManyContainersError
    return _decode(data)


def _count_containers(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def without_decimals(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON with floats for what `decode` made a Decimal of: so it can be encoded anywhere.

    Args:
        value: nested no deeper than Python may recurse.
    """
    if isinstance(value, dict):
        return {name: without_decimals(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_decimals(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _to_number(digits: str) -> Decimal | float:
    if len(digits) > _MAX_NUMBER_LENGTH:
        return float(digits)
    if "e" not in digits and "E" not in digits:
        return Decimal(digits)
    number = Decimal(digits)
    if abs(number.adjusted()) > _MAX_EXPONENT:
        return float(digits)
    # 1e0 is no integer to JSON Schema's draft 4, but a Decimal without a fraction would be.
    return number if "." in str(number) or "E" in str(number) else Decimal(f"{number}.0")


# A float of Python would lose digits, and some take the decoder of msgspec twenty times as long as
# others do.
_decode = msgspec.json.Decoder(float_hook=_to_number).decode
