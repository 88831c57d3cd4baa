"""Reads the JSON of stations in a time that grows with its length alone."""

import re
from math import isinf
from typing import Any

import msgspec

# A shorter message costs little whatever is in it: 2 ms at most.
_SMALL_BYTES = 4 * 1024
# Each becomes an object of Python, empty or not. A sample of a meter takes 30 bytes and is one, so
# that what has more than that by its length is nothing of OCPP.
_MAX_CONTAINERS = 20_000
_BYTES_PER_CONTAINER = 30
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class TooManyContainersError(msgspec.DecodeError):
    """There are more lists and objects than any message of OCPP has."""


def decode(data: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return what JSON says.

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
    return _decode_floats_evenly(data)


def _count_containers(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _to_float(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError("Number out of range")
    return number


_decode = msgspec.json.Decoder().decode
# Some numbers take the decoder of msgspec twenty times as long as others; Python's own takes all
# alike, but calling it would be felt in the many small messages.
_decode_floats_evenly = msgspec.json.Decoder(float_hook=_to_float).decode
