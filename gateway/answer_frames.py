"""Reads the answers of stations to our CALLs, in OCPP's form or in another one.

An answer that names our open CALL ends it, whatever its form: nothing else is going to come. What
it says is read as far as it can be meant in one way only, and what is wrong with it is told.
Sources: OCPP-J 1.6 §4.2.2, §4.2.3; OCPP 2.0.1 part 4 §4.2.2, §4.2.3.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from gateway.decoding import decode
from gateway.mending import Deviation
from shared.domain.stations.ocpp_log import CALL_RESULT, MALFORMED_ANSWER
from shared.domain.stations.quirks import QuirkKind

CALL_RESULT_TYPE, CALL_ERROR_TYPE = 3, 4

# No answer of OCPP nests deeper than 10.
_MAX_DEPTH = 100
# What can be read of an answer that is not JSON: which CALL it answers.
_PREFIX = re.compile(rb'\s*\[\s*([34])\s*,\s*"([^"\\\x00-\x1f]{1,36})"')
_CALL_RESULT_FORM = 'a CALLRESULT is [3, "<messageId>", {<payload>}]'
_CALL_ERROR_FORM = (
    'a CALLERROR is [4, "<messageId>", "<errorCode>", "<errorDescription>", {<errorDetails>}]'
)
_CALL_ERROR_LENGTH = 5
# Postgres has no text with NUL, and no field of OCPP a use for it.
_NUL, _REPLACEMENT = rb"\u0000", rb"\ufffd"


@dataclass(frozen=True, slots=True)
class CallResult:
    """The answer to our open CALL; `fault` says what its frame lacks, if it lacks something."""

    message_id: str
    payload: dict[str, Any]
    frame: bytes = field(default=b"", compare=False, repr=False)
    fault: str = ""

    @property
    def outcome(self) -> str:
        """What the OCPP log calls it."""
        return CALL_RESULT


@dataclass(frozen=True, slots=True)
class CallError:
    """The refusal of our open CALL; `fault` says what is wrong with its frame, if something is."""

    message_id: str
    code: str
    description: str
    details: dict[str, Any]
    frame: bytes = field(default=b"", compare=False, repr=False)
    fault: str = ""

    @property
    def outcome(self) -> str:
        """What the OCPP log calls it."""
        return self.code or MALFORMED_ANSWER


@dataclass(frozen=True, slots=True)
class MalformedAnswer:
    """What names our open CALL as answered and cannot be read; `fault` says why."""

    message_id: str
    fault: str
    frame: bytes = field(default=b"", compare=False, repr=False)

    @property
    def outcome(self) -> str:
        """What the OCPP log calls it."""
        return MALFORMED_ANSWER


StationAnswer: TypeAlias = CallResult | CallError | MalformedAnswer


@dataclass(frozen=True, slots=True)
class Reading:
    """What a frame was read as, and the ways in which it deviates from its form."""

    answer: StationAnswer
    deviations: tuple[Deviation, ...] = ()


def read_answer(frame: list[Any], data: bytes, *, tolerant: bool) -> Reading | None:
    """Return what an answer says, or None if it names no CALL.

    Args:
        frame: a CALLRESULT or CALLERROR, decoded.
        data: the same as it came.
        tolerant: a payload that was left out is an empty one.
    """
    match frame:
        case [type_, str(message_id), *rest]:
            pass
        case _:
            return None
    if _NUL in data:
        rest = decode(data.replace(_NUL, _REPLACEMENT))[2:]
    if data.count(b"[") + data.count(b"{") > _MAX_DEPTH and _is_deep(frame):
        return _malformed(
            message_id, f"it is nested deeper than {_MAX_DEPTH} lists and objects", "depth", data
        )
    if type_ == CALL_ERROR_TYPE:
        return _read_call_error(message_id, rest, data)
    return _read_call_result(message_id, rest, data, tolerant=tolerant)


def read_undecodable_answer(data: bytes, why: str) -> Reading | None:
    """Return what is left of an answer that is no JSON, or None if it names no CALL."""
    found = _PREFIX.match(data)
    if found is None:
        return None
    message_id = found[2].decode()
    if int(found[1]) == CALL_ERROR_TYPE:
        return Reading(CallError(message_id, "", "", {}, data, why), (_refused("json"),))
    return _malformed(message_id, why, "json", data)


def _read_call_result(message_id: str, rest: list[Any], data: bytes, *, tolerant: bool) -> Reading:
    match rest:
        case [dict(payload)]:
            return Reading(CallResult(message_id, payload, data))
        case [dict(payload), *_]:
            fault = f"it has {_count(2 + len(rest))}: {_CALL_RESULT_FORM}"
            if tolerant:
                return Reading(CallResult(message_id, payload, data, fault), (_form("length"),))
            return _malformed(message_id, fault, "length", data)
        case [] | [None] | [[]]:  # PHP makes an empty list of an empty object
            kind = _name(rest[0]) if rest else "left out"
            fault = f"its payload is {kind}: {_CALL_RESULT_FORM}"
            if tolerant:
                return Reading(CallResult(message_id, {}, data, fault), (_form("payload"),))
            return _malformed(message_id, fault, "payload", data)
    fault = f"its payload is {_name(rest[0])}, not an object: {_CALL_RESULT_FORM}"
    return _malformed(message_id, fault, "payload", data)


def _read_call_error(message_id: str, rest: list[Any], data: bytes) -> Reading:
    """Read a refusal, which it is in any form."""
    faults, deviations = [], []
    values: list[Any] = []
    for position, (member, type_, what, default) in enumerate(_MEMBERS):
        value = rest[position] if position < len(rest) else None
        if isinstance(value, type_):
            values.append(value)
            continue
        values.append(default)
        deviations.append(_form(member))
        if member != "errorDetails":  # it says nothing that anybody needs
            how = _name(value) if position < len(rest) else "left out"
            faults.append(f"its {member} is {how}, not {what}")
    if 2 + len(rest) > _CALL_ERROR_LENGTH:
        deviations.append(_form("length"))
        faults.append(f"it has {_count(2 + len(rest))}")
    fault = f"{', '.join(faults)}: {_CALL_ERROR_FORM}" if faults else ""
    code, description, details = values
    return Reading(
        CallError(message_id, code, description, details, data, fault), tuple(deviations)
    )


_MEMBERS: tuple[tuple[str, type, str, Any], ...] = (
    ("errorCode", str, "a text", ""),
    ("errorDescription", str, "a text", ""),
    ("errorDetails", dict, "an object", {}),
)


def _malformed(message_id: str, fault: str, member: str, data: bytes) -> Reading:
    return Reading(MalformedAnswer(message_id, fault, data), (_refused(member),))


def _form(member: str) -> Deviation:
    return Deviation(QuirkKind.FRAME_FORM, member)


def _refused(member: str) -> Deviation:
    return Deviation(QuirkKind.REFUSED, member, MALFORMED_ANSWER)


def _count(elements: int) -> str:
    return f"{elements} elements"


def _name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
    return "an object"


def _is_deep(frame: list[Any]) -> bool:
    """Tell whether a frame is nested deeper than whoever walks through it may go."""
    level: list[Any] = [frame]
    for _ in range(_MAX_DEPTH):
        level = [
            each
            for container in level
            for each in (container.values() if isinstance(container, dict) else container)
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True
