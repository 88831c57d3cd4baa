"""Mends messages that break their schema but leave no doubt about what is meant.

A message is validated strictly first, so one that is right costs nothing here. One that is wrong is
mended violation by violation until only those are left that do no harm, or one that does: then it
is refused with that one's error. What is mended, and how, is named by `QuirkKind`.

What is never guessed: who charges, where, and how much. An EVSE, a token or a register that is
missing stays missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias

from gateway.errors import CallRefusedError
from gateway.schemas import Schema, Violation, plain
from shared.domain.quirks import QuirkKind

# A mended member may show another violation, such as a text that is a number and too large. Nothing
# real needs more rounds than this.
_MAX_ROUNDS = 5
# Finding everything that is wrong costs some microseconds per violation, all in one go, and a frame
# of nothing else can hold a hundred thousand. A real message of this many objects, lists and items
# of lists fills the largest frame, as a sample takes a hundred bytes and is an object and an item.
_MAX_ITEMS = 4_000
# And mending one costs as much again.
_MAX_VIOLATIONS = 2_000
_MAX_UNKNOWN_MEMBERS = 100
# Vendors' texts run over by a few characters, not by pages.
_MAX_TEXT_LENGTH = 500
_EXAMPLE_LENGTH = 60
_MAX_DIGITS = 18

# Registers may have fractions of a watt hour, which the domain keeps exactly.
_REGISTERS = frozenset({"meterStart", "meterStop"})
# What a word outside its enumeration stands for: the specification's own word for "none of these".
_OTHER_WORDS = {"errorCode": ("OtherError",), "reason": ("Other", "Unknown")}
# Signs and short forms that name a unit beyond doubt.
_UNITS = {"%": "Percent", "C": "Celsius", "°C": "Celsius", "F": "Fahrenheit", "Hz": "Hertz"}
# A sample is described by these; with one of them unknown its value means nothing that can be used.
_SAMPLE_MEMBERS = frozenset({"measurand", "unit", "phase", "location", "format", "value"})
_SAMPLES = "sampledValue"
# Words of OCPP 1.5 that stations of 1.6 still use. Their handlers know them.
_OLD_WORDS = {("StatusNotification", "status"): frozenset({"Occupied"})}
# Lists that the handlers take empty.
_LISTS = frozenset({"meterValue", "transactionData", _SAMPLES})
_TIMES = frozenset({"timestamp", "generatedAt"})
# Required members whose absence the handler of their Action has to know of.
_LEFT_TO_HANDLERS = frozenset({("StartTransaction", "timestamp")})
_IMPLIED: dict[str, Any] = {
    "chargePointVendor": "",
    "chargePointModel": "",
    "vendorName": "",
    "model": "",
    "errorCode": "NoError",
    "vendorId": "",
    "reason": "Unknown",
}
_NEVER_SHOWN = frozenset({"idTag", "idToken", "parentIdTag", "data", "value"})


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that was mended, or that cannot be."""

    kind: QuirkKind
    member: str
    example: str = ""


Note: TypeAlias = Callable[[str, Deviation], None]
"""Takes an Action and how its message deviates."""


def mend(action: str, schema: Schema, payload: dict[str, Any], now: str) -> list[Deviation]:
    """Mend a payload, in place, and name what was wrong with it.

    Args:
        action: whose payload it is.
        schema: what it should be like.
        payload: what breaks it.
        now: stands for a missing time: the message has just come.

    Returns:
        What was mended or tolerated.

    Raises:
        CallRefusedError: it is beyond mending; `payload` may be half mended.
    """
    if _is_large(payload):
        schema.validate(payload)
    found: list[Deviation] = []
    for _ in range(_MAX_ROUNDS):
        # A member in other letter case is one too many and one missing: it is renamed first.
        violations = list(islice(schema.find_violations(payload), _MAX_VIOLATIONS + 1))
        if len(violations) > _MAX_VIOLATIONS:
            break
        violations.sort(key=lambda violation: violation.kind != "AdditionalProperties")
        round_ = _Round(action, payload, now)
        for violation in violations:
            round_.take(violation)
        round_.drop_samples()
        found += round_.mended
        if round_.mended:
            continue
        if round_.harmful is not None:
            raise round_.harmful.error()
        if round_.unsettled:
            break
        return found + round_.tolerated
    schema.validate(payload)
    return found


def mend_and_note(action: str, schema: Schema, payload: dict[str, Any], note: Note) -> None:
    """Mend a payload, in place, and note how it deviated: each way once, however often.

    Raises:
        CallRefusedError: it is beyond mending; that is noted as well.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        found = mend(action, schema, payload, now)
    except CallRefusedError as error:
        note(action, Deviation(QuirkKind.REFUSED, error.member, error.code))
        raise
    for deviation in {(each.kind, each.member): each for each in found}.values():
        note(action, deviation)


class _Round:
    """One pass over all violations."""

    def __init__(self, action: str, payload: dict[str, Any], now: str) -> None:
        self.mended: list[Deviation] = []
        self.tolerated: list[Deviation] = []
        self.harmful: Violation | None = None
        self.unsettled = False
        self._action = action
        self._payload = payload
        self._now = now
        # By the list they stand in: list itself, and the positions of the samples to drop.
        self._doomed: dict[int, tuple[list[Any], set[int]]] = {}

    def take(self, violation: Violation) -> None:
        """Mend one violation, tolerate it, or remember that it does harm."""
        mend_it = _MENDERS.get(violation.kind)
        try:
            harmless = mend_it is not None and mend_it(self, violation)
        except (KeyError, IndexError, TypeError):
            # What is mended for one violation may be in the way of the next one.
            self.unsettled = True
            return
        if not harmless and self.harmful is None:
            self.harmful = violation

    def drop_samples(self) -> None:
        """Drop what was doomed; only now, because violations name positions."""
        for samples, positions in self._doomed.values():
            for position in sorted(positions, reverse=True):
                del samples[position]

    def additional_properties(self, violation: Violation) -> bool:
        """Rename members in other letter case, and leave out those that mean nothing to us."""
        if len(violation.names) > _MAX_UNKNOWN_MEMBERS:
            return False
        parent = self._at(violation.path)
        needless = ""
        for name in violation.names:
            meant = violation.schema.spelling.get(plain(name))
            if meant is not None and meant != name and meant not in parent:
                parent[meant] = parent.pop(name)
                self._mend(QuirkKind.WRONG_CASE, (*violation.path, meant), name)
            else:
                del parent[name]
                needless = needless or name or "(no name)"
        if needless:
            self._mend(QuirkKind.ADDITIONAL_MEMBER, violation.path, needless)
        return True

    def required(self, violation: Violation) -> bool:
        """Fill in what others imply."""
        name = violation.names[0]
        path = (*violation.path, name)
        if name in self._at(violation.path):
            return True
        if (self._action, name) in _LEFT_TO_HANDLERS and not violation.path:
            self._tolerate(QuirkKind.MISSING_MEMBER, path, "")
            return True
        if name in _LISTS:
            implied: Any = []
        elif name in _TIMES:
            implied = self._now
        elif name in _IMPLIED:
            implied = _IMPLIED[name]
        else:
            return self._doom_sample(path, "")
        self._at(violation.path)[name] = implied
        self._mend(QuirkKind.MISSING_MEMBER, path, "")
        return True

    def wrong_type(self, violation: Violation) -> bool:
        """Convert what reads as the right type, and leave out what is nothing."""
        path = violation.path
        if not path:
            return False
        parent, name = self._at(path[:-1]), path[-1]
        value, expected = parent[name], violation.names
        if value is None or (value == "" and "string" not in expected):
            return self._leave_out(path)
        if isinstance(value, Decimal):
            return True  # by us, in the round before
        for kind, convert in _CONVERSIONS.items():
            converted = convert(value) if kind in expected else None
            if isinstance(converted, Decimal) and name not in _REGISTERS:
                return False
            if converted is not None:
                parent[name] = converted
                fraction = isinstance(value, float) and kind == "integer"
                quirk = QuirkKind.FRACTION if fraction else _QUIRK_OF_TYPE[kind]
                self._mend(quirk, path, "" if kind == "array" else value)
                return True
        return False

    def wrong_word(self, violation: Violation) -> bool:
        """Find the word that is meant."""
        path = violation.path
        parent, name = self._at(path[:-1]), path[-1]
        word = parent[name]
        if not isinstance(word, str):
            return True  # its type is another violation
        if not word.strip():
            return self._leave_out(path)
        meant = {plain(option): option for option in violation.names}.get(plain(word))
        if meant is None and name == "unit" and _UNITS.get(word) in violation.names:
            meant = _UNITS[word]
        if meant is not None:
            parent[name] = meant
            self._mend(QuirkKind.WRONG_CASE, path, word)
        elif word in _OLD_WORDS.get((self._action, str(name)), ()):
            self._tolerate(QuirkKind.UNKNOWN_WORD, path, word)
        elif other := _other_word(str(name), violation.names):
            parent[name] = other
            self._mend(QuirkKind.UNKNOWN_WORD, path, word)
        elif name == "context" and _SAMPLES in path:
            del parent[name]
            self._mend(QuirkKind.UNKNOWN_WORD, path, word)
        else:
            return self._doom_sample(path, word)
        return True

    def too_long(self, violation: Violation) -> bool:
        """Keep what is a little too long."""
        value = self._at(violation.path)
        if isinstance(value, str) and len(value) > _MAX_TEXT_LENGTH:
            return False
        self._tolerate(QuirkKind.TOO_LONG, violation.path, f"{len(value)}")
        return True

    def too_short(self, violation: Violation) -> bool:
        """Leave out a text that says nothing."""
        return self._leave_out(violation.path)

    def too_few(self, violation: Violation) -> bool:
        """Keep an empty list."""
        if violation.path[-1:] and violation.path[-1] in _LISTS:
            self._tolerate(QuirkKind.TOO_FEW, violation.path, "")
            return True
        return False

    def _leave_out(self, path: tuple[str | int, ...]) -> bool:
        parent, name = self._at(path[:-1]), path[-1]
        kind = QuirkKind.NULL_MEMBER if parent[name] is None else QuirkKind.EMPTY_MEMBER
        if isinstance(parent, list):
            return False
        del parent[name]
        self._mend(kind, path, "")
        return True

    def _doom_sample(self, path: tuple[str | int, ...], example: object) -> bool:
        """Drop the sample that `path` leads into; False if it leads elsewhere."""
        if _SAMPLES not in path or path[-1] not in _SAMPLE_MEMBERS:
            return False
        end = path.index(_SAMPLES) + 1
        samples, position = self._at(path[:end]), path[end]
        if not isinstance(samples, list) or not isinstance(position, int):
            return False
        self._doomed.setdefault(id(samples), (samples, set()))[1].add(position)
        self._mend(QuirkKind.SAMPLE_DROPPED, path, example)
        return True

    def _mend(self, kind: QuirkKind, path: tuple[str | int, ...], example: object) -> None:
        self.mended.append(_deviation(kind, path, example))

    def _tolerate(self, kind: QuirkKind, path: tuple[str | int, ...], example: object) -> None:
        self.tolerated.append(_deviation(kind, path, example))

    def _at(self, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON
        value: Any = self._payload
        for step in path:
            value = value[step]
        return value


def _is_large(payload: dict[str, Any]) -> bool:
    """Tell whether a payload has more objects, lists and items of lists than are looked into."""
    waiting: list[Any] = [payload]
    count = 0
    while waiting and count <= _MAX_ITEMS:
        container = waiting.pop()
        if isinstance(container, dict):
            values = container.values()
            count += 1
        else:
            values = container
            count += 1 + len(container)
        waiting += [value for value in values if isinstance(value, dict | list)]
    return count > _MAX_ITEMS


def _to_integer(value: object) -> int | Decimal | None:
    if isinstance(value, str):
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            return None
    elif isinstance(value, float) and isfinite(value):
        number = Decimal(str(value))
    else:
        return None
    # Before anything is multiplied out.
    if not number.is_finite() or number.adjusted() > _MAX_DIGITS:
        return None
    return int(number) if number == number.to_integral_value() else number


def _to_number(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        number = float(value.strip().replace(",", "."))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _to_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _to_boolean(value: object) -> bool | None:
    return _BOOLEANS.get(value.strip().lower() if isinstance(value, str) else str(value))


def _to_list(value: object) -> list[object] | None:
    return [value] if isinstance(value, dict) else None


def _other_word(name: str, options: tuple[str, ...]) -> str | None:
    return next((word for word in _OTHER_WORDS.get(name, ()) if word in options), None)


def _deviation(kind: QuirkKind, path: tuple[str | int, ...], example: object) -> Deviation:
    names = [step for step in path if isinstance(step, str)]
    hidden = names[-1:] and names[-1] in _NEVER_SHOWN and kind is not QuirkKind.TOO_LONG
    return Deviation(kind, ".".join(names), "" if hidden else str(example)[:_EXAMPLE_LENGTH])


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _to_integer,
    "number": _to_number,
    "boolean": _to_boolean,
    "string": _to_text,
    "array": _to_list,
}
_QUIRK_OF_TYPE = {
    "integer": QuirkKind.NUMBER_AS_TEXT,
    "number": QuirkKind.NUMBER_AS_TEXT,
    "boolean": QuirkKind.NUMBER_AS_TEXT,
    "string": QuirkKind.TEXT_AS_NUMBER,
    "array": QuirkKind.LONELY_ITEM,
}
_MENDERS: Mapping[str, Callable[[_Round, Violation], bool]] = {
    "AdditionalProperties": _Round.additional_properties,
    "Required": _Round.required,
    "Type": _Round.wrong_type,
    "Enum": _Round.wrong_word,
    "MaxLength": _Round.too_long,
    "MaxItems": _Round.too_long,
    "MinItems": _Round.too_few,
    "MinLength": _Round.too_short,
}
