"""OCPP-J framing and the two slots of a connection, without I/O: frames in, frames out.

`Peer.receive` takes what came from the socket and says what to do; `encode_*` make what goes out.
Sources: OCPP-J 1.6 §4, OCPP 2.0.1 part 4 §4.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from gateway import lengths, leniency
from gateway.answer_frames import (
    CALL_ERROR_TYPE,
    CALL_RESULT_TYPE,
    MalformedAnswer,
    Reading,
    StationAnswer,
    read_answer,
    read_undecodable_answer,
)
from gateway.decoding import TooManyContainersError, decode
from gateway.errors import CallRefusedError, ErrorCode
from gateway.leniency import Deviation, Note
from gateway.routing import Protocol, Route
from gateway.schemas import plain
from gateway.steps import Steps
from shared.domain.stations.quirks import QuirkKind

_CALL = 2
_CALL_LENGTH = 4
MESSAGE_ID_MAX_LENGTH = 36
_MAX_NUMBERED_ID = 2**63
_ACTION_MAX_LENGTH = 100
# 2.0.1 part 4 §4.2.3; 1.6 names no length. Its words have at most 29 characters.
ERROR_DESCRIPTION_MAX_LENGTH = 255
ERROR_CODE_MAX_LENGTH = 50
# What can be read of a CALL that is not JSON: enough to say so to whoever waits for an answer.
_CALL_PREFIX = re.compile(rb'\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f]{1,36})"')

# What C strings and files leave around a message: NUL, and the mark of UTF-8.
_PADDING = b"\x00\xef\xbb\xbf \t\r\n"


class _NumberedId(str):
    """A message id that came as a number, and goes back as one: the station looks for that."""

    __slots__ = ()


def _may_be_id(number: int) -> bool:
    return not isinstance(number, bool) and abs(number) < _MAX_NUMBERED_ID


def _encode_id(value: object) -> int:
    """Encode what JSON has no form for, which is nothing but these ids."""
    if isinstance(value, _NumberedId):
        return int(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


# Decimals as numbers: limits go out with the digits that they have.
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_id).encode


class IgnoredReason(StrEnum):
    """Why a frame gets no answer."""

    NOT_AN_ARRAY = "not a JSON array"
    UNKNOWN_TYPE = "unknown message type"
    MALFORMED_ANSWER = "malformed answer"
    UNASKED_ANSWER = "answer to nothing that is open"
    TOO_LONG = "longer than a message may be that tells of no transaction"


@dataclass(slots=True)
class Call:
    """A valid CALL for a handler. `kwargs` are its payload's members in snake_case.

    `frame` is how it came.

    Not frozen, because that would triple the time it takes to make one, and one is made per CALL.
    """

    message_id: str
    route: Route
    kwargs: dict[str, Any]
    frame: bytes = field(default=b"", compare=False, repr=False)

    @property
    def action(self) -> str:
        """Its Action, in its right spelling."""
        return self.route.action


@dataclass(frozen=True, slots=True)
class Refusal:
    """A CALL that no handler gets to see: send `frame`."""

    frame: bytes
    action: str
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that gets no answer."""

    reason: IgnoredReason


@dataclass(frozen=True, slots=True)
class Heavy:
    """A CALL with so much to mend that it is done in steps, which end in what the CALL is.

    Nothing else of the connection is to be received before.
    """

    steps: Steps[Call | Refusal]


Event: TypeAlias = Call | StationAnswer | Refusal | Ignored | Heavy


def encode_call(message_id: str, action: str, payload: Mapping[str, Any]) -> bytes:
    """Return a CALL frame."""
    return _encode((_CALL, message_id, action, payload))


def encode_call_result(message_id: str, payload: Mapping[str, Any]) -> bytes:
    """Return a CALLRESULT frame."""
    return _encode((CALL_RESULT_TYPE, message_id, payload))


def encode_call_error(message_id: str, code: str, description: str) -> bytes:
    """Return a CALLERROR frame; a longer description is cut."""
    return _encode(
        (CALL_ERROR_TYPE, message_id, code, description[:ERROR_DESCRIPTION_MAX_LENGTH], {})
    )


def message_id_of(answer: bytes) -> str:
    """Return the message id of an answer of ours."""
    return str(decode(answer)[1])


class Peer:
    """One connection's side of the RPC: at most one CALL of ours open, theirs told apart.

    A message id means something only within one connection and one direction.

    Args:
        protocol: the version that the connection speaks.
        note: told how CALLs deviate from the specification; harmless deviations are mended then.
            Without it nothing is mended.
        max_bytes: how long a message may be that tells of no transaction.
    """

    __slots__ = ("_in_work", "_max_bytes", "_note", "_open_action", "_open_call", "_protocol")

    def __init__(
        self, protocol: Protocol, note: Note | None = None, *, max_bytes: int = sys.maxsize
    ) -> None:
        self._protocol = protocol
        self._note = note
        self._max_bytes = max_bytes
        self._open_call: str | None = None
        self._open_action = ""
        self._in_work: set[str] = set()

    def receive(self, data: bytes) -> Event:
        """Take one text message, and say what it is.

        A `Call` stays in work until `finish` is called with its message id.

        Raises:
            UnicodeDecodeError: it is not UTF-8: the connection fails with 1007 (RFC 6455 §8.1).
        """
        try:
            if len(data) > self._max_bytes:
                lengths.check(data, self._max_bytes)
            frame = decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            return self._undecodable(data, error)
        # Nearly every frame is this one, and patterns take four times as long to match.
        if type(frame) is list and len(frame) == _CALL_LENGTH and frame[0] == _CALL:
            _, message_id, action, payload = frame
            if type(message_id) is str and type(action) is str and type(payload) is dict:
                return self._receive_call(message_id, action, payload, data)
        match frame:
            case [2, *_]:
                return self._receive_broken_call(frame, data)
            case [3 | 4, *_]:
                return self._receive_answer(
                    read_answer(frame, data, tolerant=self._note is not None)
                )
            case [_, *_]:
                return self._not_rpc(
                    IgnoredReason.UNKNOWN_TYPE, ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, frame
                )
        return self._not_rpc(IgnoredReason.NOT_AN_ARRAY, ErrorCode.RPC_FRAMEWORK_ERROR)

    def finish(self, message_id: str) -> None:
        """Take a CALL of the station out of work: it has been answered."""
        self._in_work.discard(message_id)

    def open_call(self, message_id: str, action: str = "") -> None:
        """Take the slot for a CALL of ours; deviations of its answer are noted for the Action."""
        if self._open_call is not None:
            raise RuntimeError("at most one CALL may be open (OCPP-J 1.6 §4.1.1)")
        self._open_call = message_id
        self._open_action = action

    def abandon_call(self) -> None:
        """Free the slot: we no longer wait, and an answer that still comes is ignored."""
        self._open_call = None

    def refuse(self, message_id: str, action: str, code: ErrorCode, description: str) -> Refusal:
        """Make the CALLERROR in this version's spelling."""
        spelling = self._protocol.error_spelling.get(code, code)
        if len(message_id) > MESSAGE_ID_MAX_LENGTH:
            message_id = message_id[:MESSAGE_ID_MAX_LENGTH]
        frame = encode_call_error(message_id, spelling, description)
        return Refusal(frame, action if action in self._protocol.actions else "", code)

    def _receive_call(
        self, message_id: str, action: str, payload: dict[str, Any], data: bytes
    ) -> Event:
        try:
            route = self._route(message_id, action, data)
            try:
                route.request.validate(payload)
            except CallRefusedError:
                if self._note is None:
                    raise
                if leniency.is_heavy(payload):
                    return Heavy(self._mend(message_id, route, payload, data, self._note))
                leniency.mend_and_note(action, route.request, payload, self._note)
        except CallRefusedError as error:
            return self.refuse(message_id, action, error.code, str(error))
        return self._take(message_id, route, payload, data)

    def _mend(
        self, message_id: str, route: Route, payload: dict[str, Any], data: bytes, note: Note
    ) -> Steps[Call | Refusal]:
        try:
            yield from leniency.mend_and_note_in_steps(route.action, route.request, payload, note)
        except CallRefusedError as error:
            return self.refuse(message_id, route.action, error.code, str(error))
        return self._take(message_id, route, payload, data)

    def _take(self, message_id: str, route: Route, payload: dict[str, Any], data: bytes) -> Call:
        self._in_work.add(message_id)
        names = route.names
        return Call(message_id, route, {names[key]: value for key, value in payload.items()}, data)

    def _receive_broken_call(self, frame: list[Any], data: bytes) -> Event:
        if self._note is not None:
            match frame:
                # No payload at all, or the empty list that PHP makes of an empty object.
                case [_, str(message_id), str(action), *rest] if rest in ([], [None], [[]]):
                    self._note(self._spell(action), Deviation(QuirkKind.FRAME_FORM, "payload"))
                    return self._receive_call(message_id, action, {}, data)
                case [_, str(message_id), str(action), dict(payload), _]:
                    self._note(self._spell(action), Deviation(QuirkKind.FRAME_FORM, "fifth"))
                    return self._receive_call(message_id, action, payload, data)
                case [_, int(number), str(action), dict(payload)] if _may_be_id(number):
                    self._note(self._spell(action), Deviation(QuirkKind.FRAME_FORM, "messageId"))
                    return self._receive_call(_NumberedId(number), action, payload, data)
        match frame:
            case [_, str(message_id), *_]:
                return self.refuse(
                    message_id,
                    "",
                    ErrorCode.FORMAT_VIOLATION,
                    'a CALL is [2, "<messageId>", "<action>", {<payload>}]',
                )
        return self._not_rpc(IgnoredReason.NOT_AN_ARRAY, ErrorCode.RPC_FRAMEWORK_ERROR)

    def _route(self, message_id: str, action: str, data: bytes) -> Route:
        if not 0 < len(message_id) <= MESSAGE_ID_MAX_LENGTH:
            raise CallRefusedError(
                ErrorCode.FORMAT_VIOLATION,
                f"a message id has 1 to {MESSAGE_ID_MAX_LENGTH} characters, not {len(message_id)}",
            )
        if message_id in self._in_work:
            raise CallRefusedError(
                ErrorCode.GENERIC_ERROR, "a CALL with this message id is still in work"
            )
        if b"\\u0000" in data:
            # Postgres has no text with NUL, and no field of OCPP a use for it.
            raise CallRefusedError(
                ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "a string holds the character NUL"
            )
        route = self._protocol.routes.get(action)
        if route is not None:
            return route
        meant = self._spell(action)
        if self._note is not None and meant != action and meant in self._protocol.routes:
            self._note(meant, Deviation(QuirkKind.WRONG_CASE, "action", action))
            return self._protocol.routes[meant]
        if action in self._protocol.actions:
            raise CallRefusedError(
                ErrorCode.NOT_SUPPORTED,
                f"{action} is known, and this system does not support it"
                if action in self._protocol.not_supported
                else f"{action} is for a station to receive, and not to send",
            )
        raise CallRefusedError(
            ErrorCode.NOT_IMPLEMENTED, f"OCPP {self._protocol.version} has no such action"
        )

    def _spell(self, action: str) -> str:
        """Return an Action in its right letter case, or "" if there is no such Action."""
        if action in self._protocol.actions:
            return action
        if len(action) > _ACTION_MAX_LENGTH:  # whoever sends more does not mean an Action
            return ""
        meant = plain(action)
        return next((name for name in self._protocol.actions if plain(name) == meant), "")

    def _receive_answer(
        self,
        reading: Reading | None,
        malformed: IgnoredReason = IgnoredReason.MALFORMED_ANSWER,
    ) -> StationAnswer | Ignored:
        """Give an answer to our open CALL, if it is the one that it names.

        Args:
            reading: what it says; None if it names no CALL.
            malformed: why nobody gets one that is not what it should be.
        """
        if reading is None:
            return Ignored(malformed)
        answer = reading.answer
        if answer.message_id != self._open_call:
            wrong = isinstance(answer, MalformedAnswer) or answer.fault
            return Ignored(malformed if wrong else IgnoredReason.UNASKED_ANSWER)
        self._open_call = None
        if self._note is not None:
            name = f"{self._open_action}Response" if self._open_action else ""
            for deviation in reading.deviations:
                self._note(name, deviation)
        return answer

    def _undecodable(self, data: bytes, error: Exception) -> Event:
        data.decode()
        stripped = data.strip(_PADDING)
        if self._note is not None and len(stripped) < len(data):
            self._note("", Deviation(QuirkKind.FRAME_FORM, "padding"))
            return self.receive(stripped)
        description = _what_is_wrong(error)
        too_long = IgnoredReason.TOO_LONG if isinstance(error, lengths.TooLongError) else None
        if reading := read_undecodable_answer(data, description):
            return self._receive_answer(reading, too_long or IgnoredReason.MALFORMED_ANSWER)
        if found := _CALL_PREFIX.match(data):
            return self.refuse(found[1].decode(), "", ErrorCode.FORMAT_VIOLATION, description)
        return self._not_rpc(too_long or IgnoredReason.NOT_AN_ARRAY, ErrorCode.RPC_FRAMEWORK_ERROR)

    def _not_rpc(
        self, reason: IgnoredReason, code: ErrorCode, frame: list[Any] | None = None
    ) -> Event:
        """OCPP 1.6 has no answer to such a frame; 2.0.1 has (part 4 §4.2.3)."""
        if not self._protocol.answers_broken_frames:
            return Ignored(reason)
        match frame:
            case [_, str(message_id), *_] if len(message_id) <= MESSAGE_ID_MAX_LENGTH:
                pass
            case _:
                message_id = "-1"
        return self.refuse(message_id, "", code, str(reason))


def _what_is_wrong(error: Exception) -> str:
    match error:
        case lengths.TooLongError():
            return str(error)
        case TooManyContainersError():
            return "the message holds more lists and objects than any message of OCPP"
    return "the message is not valid JSON"
