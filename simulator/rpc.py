"""OCPP-J framing: text in, frames out. No I/O, no version of OCPP.

The same arrays carry 1.6 (OCPP-J 1.6, 4.2) and 2.0.1 (part 4, 4.2).
"""

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

Payload: TypeAlias = dict[str, Any]

#: OCPP-J 1.6, 4.1.4.
MESSAGE_ID_MAX_LENGTH = 36

_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4
_CALL_LENGTH, _RESULT_LENGTH, _ERROR_MIN_LENGTH = 4, 3, 3

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class Call(msgspec.Struct, frozen=True):
    """A request of the other side."""

    message_id: str
    action: str
    payload: Payload


class CallResult(msgspec.Struct, frozen=True):
    """The answer to one of our requests."""

    message_id: str
    payload: Payload


class CallError(msgspec.Struct, frozen=True):
    """The other side could not process one of our requests."""

    message_id: str
    code: str
    description: str


class Flaw(StrEnum):
    """What is wrong with something that is not a frame; versions answer them differently."""

    NO_FRAME = "no frame"
    UNKNOWN_TYPE = "unknown message type"
    BROKEN_CALL = "broken CALL"
    BROKEN_ANSWER = "broken answer"


class Malformed(msgspec.Struct, frozen=True):
    """Something that is not a frame.

    Attributes:
        flaw: Of which kind it is.
        problem: What is wrong with it, for people.
        message_id: Its id, if it has got that far.
    """

    flaw: Flaw
    problem: str
    message_id: str | None = None


Frame: TypeAlias = Call | CallResult | CallError | Malformed


def encode_call(message_id: str, action: str, payload: Payload) -> str:
    """Return the text of a CALL (OCPP-J 1.6, 4.2.1)."""
    return _encoder.encode((_CALL, message_id, action, payload)).decode()


def encode_result(message_id: str, payload: Payload) -> str:
    """Return the text of a CALLRESULT (OCPP-J 1.6, 4.2.2)."""
    return _encoder.encode((_CALL_RESULT, message_id, payload)).decode()


def encode_error(message_id: str, code: str, description: str) -> str:
    """Return the text of a CALLERROR (OCPP-J 1.6, 4.2.3)."""
    return _encoder.encode((_CALL_ERROR, message_id, code, description, {})).decode()


def decode(text: str | bytes) -> Frame:
    """Read one WebSocket message.

    Args:
        text: What arrived.

    Returns:
        The frame. Nothing that arrives makes this raise: what is not a frame is `Malformed`.
    """
    try:
        array = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        return Malformed(Flaw.NO_FRAME, f"not JSON: {error}")
    except RecursionError:
        return Malformed(Flaw.NO_FRAME, "nested too deeply")
    match array:
        case [int(kind), str(message_id), *rest]:
            return _frame(kind, message_id, rest)
        case [int(kind), *_] if kind in {_CALL_RESULT, _CALL_ERROR}:
            return Malformed(Flaw.BROKEN_ANSWER, "an answer without a message id")
        case _:
            return Malformed(
                Flaw.NO_FRAME, "not an array that begins with a message type and a message id"
            )


def _frame(kind: int, message_id: str, rest: list[Any]) -> Frame:
    if kind == _CALL:
        return _call(message_id, rest)
    if kind == _CALL_RESULT:
        # 4.2.2 allows null for "no payload".
        if len(rest) == _RESULT_LENGTH - 2 and isinstance(rest[0], dict | None):
            return CallResult(message_id, rest[0] or {})
        return Malformed(Flaw.BROKEN_ANSWER, "a CALLRESULT has three elements, the last an object")
    if kind == _CALL_ERROR:
        if len(rest) >= _ERROR_MIN_LENGTH - 2 and isinstance(rest[0], str):
            description = rest[1] if len(rest) > 1 and isinstance(rest[1], str) else ""
            return CallError(message_id, rest[0], description)
        return Malformed(Flaw.BROKEN_ANSWER, "a CALLERROR has five elements, the third its code")
    return Malformed(Flaw.UNKNOWN_TYPE, f"unknown message type {kind}", message_id)


def _call(message_id: str, rest: list[Any]) -> Frame:
    if len(message_id) > MESSAGE_ID_MAX_LENGTH:
        return Malformed(
            Flaw.BROKEN_CALL,
            f"the message id is longer than {MESSAGE_ID_MAX_LENGTH} characters",
            message_id,
        )
    match rest:
        case [str(action), dict() | None as payload]:
            return Call(message_id, action, payload or {})
        case _:
            return Malformed(
                Flaw.BROKEN_CALL,
                f"a CALL has {_CALL_LENGTH} elements, the last an object",
                message_id,
            )
