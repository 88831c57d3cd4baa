"""How much there is to look through in a payload, found out without looking through all of it.

What the validator says about a violation costs far more than the yes or no: it copies all of the
value around it. So that is asked only of what is light.
"""

from itertools import islice
from typing import Any

# Texts of this many characters, and integers of this many bits, weigh as much as one value more.
_CHARACTERS = 512
_BITS = 64

_OUTLINED_ITEMS = 3
_OUTLINED_OTHERS = 30
_OUTLINED_CHARACTERS = 600
_OUTLINED_DEPTH = 20
_OUTLINED_VALUES = 1_000
_INTEGER_BEYOND_ALL = 2**64


def weigh(value: object, most: int) -> int:
    """Return how many values a JSON value holds at any depth, itself among them.

    It is found out no further than to `most`: a greater number says only that there are more.
    """
    weight = 0
    waiting = [value]
    while waiting and weight <= most:
        each = waiting.pop()
        weight += 1
        if isinstance(each, dict):
            if weight + len(each) > most:
                return most + 1
            waiting += each.values()
            weight += sum(map(len, each)) // _CHARACTERS
        elif isinstance(each, list):
            if weight + len(each) > most:
                return most + 1
            waiting += each
        elif isinstance(each, str):
            weight += len(each) // _CHARACTERS
        elif isinstance(each, int):
            weight += (each.bit_length() // _BITS) ** 2  # as its digits take to be written
    return weight if not waiting else max(weight, most + 1)


def outline(payload: dict[str, Any], members: frozenset[str]) -> dict[str, Any] | None:
    """Return a small copy of a payload that breaks its schema only where the payload does.

    Of lists the first items are left, of objects the `members` that the schema knows at some depth
    and a few others, of texts and integers as much as is beyond every limit.

    Returns:
        The copy, or None if it would still be large.
    """
    try:
        copy: dict[str, Any] = _Outline(members).of(payload, _OUTLINED_DEPTH)
    except _TooMuchError:
        return None
    return copy


class _TooMuchError(Exception):
    """An outline would be large."""


class _Outline:
    def __init__(self, members: frozenset[str]) -> None:
        self._members = members
        self._left = _OUTLINED_VALUES

    def of(self, value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
        self._left -= 1
        if self._left < 0:
            raise _TooMuchError
        if isinstance(value, dict):
            # What nests deeper than any message of OCPP is described by no schema.
            known = self._members.intersection(value) if depth else ()
            others = islice((name for name in value if name not in self._members), _OUTLINED_OTHERS)
            return {
                name[:_OUTLINED_CHARACTERS]: self.of(value[name], depth - 1)
                for name in (*known, *(others if depth else ()))
            }
        if isinstance(value, list):
            items = islice(value, _OUTLINED_ITEMS if depth else 0)
            return [self.of(item, depth - 1) for item in items]
        if isinstance(value, str):
            return value[:_OUTLINED_CHARACTERS]
        if isinstance(value, int) and value.bit_length() > _BITS:
            return _INTEGER_BEYOND_ALL if value > 0 else -_INTEGER_BEYOND_ALL
        return value
