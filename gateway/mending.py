"""Mends the violations of one payload, one by one: what is meant, and how that is named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeAlias

from gateway.conversions import CONVERSIONS, to_whole
from gateway.habits import Habits
from gateway.schemas import Violation, plain
from gateway.tolerances import LEFT_OUT_WORDS, NEEDLESS, UNTOLD, WHOLE_LISTS, keeps_word, max_length
from shared.domain.stations.quirks import QuirkKind

_MAX_UNKNOWN_MEMBERS = 100
# Longer ones are no words of the specification in another spelling.
_MAX_WORD_LENGTH = 100
_EXAMPLE_LENGTH = 60

# Registers may have fractions of a watt hour, which the domain keeps exactly.
_REGISTERS = frozenset({"meterStart", "meterStop"})
# What a word outside its enumeration stands for: the specification's own word for "none of these".
_OTHER_WORDS = {
    "errorCode": ("OtherError",),
    "reason": ("Other", "Unknown"),
    "stoppedReason": ("Other",),
}
# Signs and short forms that name a unit beyond doubt.
_UNITS = {"%": "Percent", "C": "Celsius", "°C": "Celsius", "F": "Fahrenheit", "Hz": "Hertz"}
# A sample is described by these; with one of them unknown its value means nothing that can be used.
_SAMPLE_MEMBERS = frozenset({"measurand", "unit", "phase", "location", "format", "value"})
SAMPLES = "sampledValue"
# Words of OCPP 1.5 that stations of 1.6 still use. Their handlers know them.
_OLD_WORDS = {("StatusNotification", "status"): frozenset({"Occupied"})}
# Lists whose items stand each for itself, and of which more than is looked into may be dropped.
LISTS = frozenset({"meterValue", "transactionData", SAMPLES})
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
    # 2.1 lets a station leave out the first two (part 2 §2.92).
    "signingMethod": "",
    "publicKey": "",
    "encodingMethod": "",
}
_NEVER_SHOWN = frozenset(
    {"idTag", "idToken", "parentIdTag", "data", "value", "attributeValue", "actualValue"}
)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that was mended, or that cannot be."""

    kind: QuirkKind
    member: str
    example: str = ""


Lesson: TypeAlias = tuple[Any, ...]
"""A method of `Habits` and its arguments: told only if there are others to mend like this one."""

Deviations: TypeAlias = dict[tuple[QuirkKind, str], Deviation]
"""Each by its kind and member: however often something deviates in one way, it is named once."""


class Round:
    """One pass over all violations.

    `mended` and `tolerated` name what was done, `lessons` and `tolerations` are that for others.
    """

    def __init__(self, action: str, payload: dict[str, Any], now: str) -> None:
        self.mended: Deviations = {}
        self.tolerated: Deviations = {}
        self.lessons: list[Lesson] = []
        self.tolerations: list[Lesson] = []
        self._harmful: list[Violation] = []
        self.unsettled = False
        self._action = action
        self._payload = payload
        self._now = now
        # By the list they stand in: list itself, and the positions of the items to drop.
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
        if not harmless:
            self._harmful.append(violation)

    def give_up_harm(self) -> None:
        """Leave out the least around whatever does harm, so that the rest can be kept.

        Raises:
            CallRefusedError: that would be the whole message.
        """
        for violation in self._harmful:
            if not self._give_up(violation):
                raise violation.error()

    def _give_up(self, violation: Violation) -> bool:
        path = violation.path
        try:
            for end in range(len(path), 0, -1):
                parent, step = self._at(path[: end - 1]), path[end - 1]
                if isinstance(step, int) and path[end - 2] not in WHOLE_LISTS:
                    self._doom(parent, step)
                    dropped = QuirkKind.ITEM_DROPPED
                    if path[end - 2] == SAMPLES:
                        dropped = QuirkKind.SAMPLE_DROPPED
                    self._mend(dropped, path, self._example(path))
                    return True
                if step in NEEDLESS:
                    self._mend(QuirkKind.MEMBER_DROPPED, path, self._example(path))
                    del parent[step]
                    return True
        except (KeyError, IndexError, TypeError):
            self.unsettled = True  # it is left out with something else
            return True
        return False

    def drop_items(self) -> Mapping[int, set[int]]:
        """Drop what was doomed; only now, because violations name positions.

        Returns:
            By the `id` of each list, the positions of what was dropped from it.
        """
        for items, positions in self._doomed.values():
            for position in sorted(positions, reverse=True):
                del items[position]
        return {list_id: positions for list_id, (_, positions) in self._doomed.items()}

    def additional_properties(self, violation: Violation) -> bool:
        """Rename members in other letter case, and leave out those that mean nothing to us."""
        if len(violation.names) > _MAX_UNKNOWN_MEMBERS:
            return False
        parent = self._at(violation.path)
        needless = ""
        for name in violation.names:
            meant = violation.schema.find_spelling(name)
            if meant is not None and meant != name and meant not in parent:
                parent[meant] = parent.pop(name)
                self._mend(QuirkKind.WRONG_CASE, (*violation.path, meant), name)
                self.lessons.append((Habits.rename, violation.path, name, meant))
            else:
                del parent[name]
                self.lessons.append(
                    (Habits.drop, violation.path, name, meant if meant != name else None)
                )
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
        if name in UNTOLD:
            self._tolerate(QuirkKind.MISSING_MEMBER, path, "")
            self.tolerations.append((Habits.keep_missing, path, UNTOLD[name]))
            return True
        if name in LISTS:
            imply: Callable[[], Any] = list
        elif name in _TIMES:
            imply = self._tell_now
        elif name in _IMPLIED:
            imply = partial(_IMPLIED.__getitem__, name)
        else:
            return self._doom_sample(path, None)
        self._at(violation.path)[name] = imply()
        self.lessons.append((Habits.fill_in, path, imply))
        self._mend(QuirkKind.MISSING_MEMBER, path, "")
        return True

    def wrong_type(self, violation: Violation) -> bool:
        """Convert what reads as the right type, and leave out what is nothing."""
        path = violation.path
        if not path:
            return False
        parent, name = self._at(path[:-1]), path[-1]
        value, expected = parent[name], violation.names
        if value is None or value == "":
            return self._leave_out(path)
        for kind, convert in CONVERSIONS.items():
            converted = convert(value) if kind in expected else None
            if converted is None:
                continue
            if kind == "integer" and isinstance(converted, Decimal):
                return self._keep_fraction(path, converted)
            parent[name] = converted
            fraction = isinstance(value, float | Decimal) and kind == "integer"
            quirk = QuirkKind.FRACTION if fraction else _QUIRK_OF_TYPE[kind]
            self._mend(quirk, path, "" if kind == "array" else value)
            for_others = to_whole if kind == "integer" else convert
            self.lessons.append((Habits.convert, path, type(value), for_others))
            return True
        return False

    def _keep_fraction(self, path: tuple[str | int, ...], number: Decimal) -> bool:
        """Keep the fraction of a register; nothing else that is counted has one."""
        if path[-1] not in _REGISTERS:
            return False
        parent, name = self._at(path[:-1]), path[-1]
        if isinstance(parent[name], str):
            self._mend(QuirkKind.NUMBER_AS_TEXT, path, parent[name])
        else:
            self._tolerate(QuirkKind.FRACTION, path, number)
        parent[name] = number
        return True

    def wrong_word(self, violation: Violation) -> bool:
        """Find the word that is meant."""
        path = violation.path
        parent, name = self._at(path[:-1]), path[-1]
        word = parent[name]
        if not isinstance(word, str):
            return True  # its type is another violation
        if not word.strip():
            return self._leave_out(path)
        meant = None
        if len(word) <= _MAX_WORD_LENGTH:
            meant = _by_plain(violation.names).get(plain(word))
            if meant is None and name == "unit" and _UNITS.get(word) in violation.names:
                meant = _UNITS[word]
        if meant is not None:
            self._say(meant, path, QuirkKind.WRONG_CASE)
        elif word in _OLD_WORDS.get((self._action, str(name)), ()):
            self._tolerate(QuirkKind.UNKNOWN_WORD, path, word)
        elif keeps_word(self._action, name, word):
            self._tolerate(QuirkKind.UNKNOWN_WORD, path, word)
            self.tolerations.append((Habits.keep_word, path, word, violation.names[0]))
        elif other := _other_word(str(name), violation.names):
            self._say(other, path, QuirkKind.UNKNOWN_WORD)
        elif name in LEFT_OUT_WORDS:
            del parent[name]
            self._mend(QuirkKind.UNKNOWN_WORD, path, word)
            self.lessons.append((Habits.leave_out, path, word))
        else:
            return self._doom_sample(path, word)
        return True

    def too_long(self, violation: Violation) -> bool:
        """Keep what is a little too long."""
        value = self._at(violation.path)
        if isinstance(value, str) and len(value) > max_length(violation.path[-1]):
            return False
        self._tolerate(QuirkKind.TOO_LONG, violation.path, f"{len(value)}")
        if isinstance(value, str):
            self.tolerations.append((Habits.keep_long, violation.path))
        return True

    def too_short(self, violation: Violation) -> bool:
        """Leave out a text that says nothing."""
        return self._leave_out(violation.path)

    def too_few(self, violation: Violation) -> bool:
        """Keep an empty list, unless it had to say something."""
        if violation.path[-1] in WHOLE_LISTS:
            return False
        self._tolerate(QuirkKind.TOO_FEW, violation.path, "")
        if violation.path[-1] in LISTS:
            self.tolerations.append((Habits.keep_empty, violation.path))
        return True

    def _leave_out(self, path: tuple[str | int, ...]) -> bool:
        parent, name = self._at(path[:-1]), path[-1]
        value = parent[name]
        kind = QuirkKind.NULL_MEMBER if value is None else QuirkKind.EMPTY_MEMBER
        if isinstance(parent, list):
            return False
        del parent[name]
        self._mend(kind, path, "")
        self.lessons.append((Habits.leave_out, path, value))
        return True

    def _say(self, word: str, path: tuple[str | int, ...], kind: QuirkKind) -> None:
        parent, name = self._at(path[:-1]), path[-1]
        said, parent[name] = parent[name], word
        self._mend(kind, path, said)
        self.lessons.append((Habits.convert, path, said, lambda _: word))

    def _doom_sample(self, path: tuple[str | int, ...], word: str | None) -> bool:
        """Drop the sample that `path` leads into, for a word or a lack; False if elsewhere."""
        if SAMPLES not in path or path[-1] not in _SAMPLE_MEMBERS:
            return False
        end = path.index(SAMPLES) + 1
        samples, position = self._at(path[:end]), path[end]
        if not isinstance(samples, list) or not isinstance(position, int):
            return False
        self._doom(samples, position)
        self._mend(QuirkKind.SAMPLE_DROPPED, path, word or "")
        if len(path) == end + 2:
            self.lessons.append((Habits.doom, path, word))
        return True

    def _doom(self, items: list[Any], position: int) -> None:
        self._doomed.setdefault(id(items), (items, set()))[1].add(position)

    def _example(self, path: tuple[str | int, ...]) -> object:
        value = self._at(path)
        return "" if isinstance(value, list | dict) else value

    def _tell_now(self) -> str:
        return self._now

    def _mend(self, kind: QuirkKind, path: tuple[str | int, ...], example: object) -> None:
        add(self.mended, kind, path, example)

    def _tolerate(self, kind: QuirkKind, path: tuple[str | int, ...], example: object) -> None:
        add(self.tolerated, kind, path, example)

    def _at(self, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON
        value: Any = self._payload
        for step in path:
            value = value[step]
        return value


def _other_word(name: str, options: tuple[str, ...]) -> str | None:
    return next((word for word in _OTHER_WORDS.get(name, ()) if word in options), None)


def add(
    deviations: Deviations, kind: QuirkKind, path: tuple[str | int, ...], example: object
) -> None:
    """Add a deviation, unless there is one of its kind at another item's same member."""
    names = [step for step in path if isinstance(step, str)]
    member = ".".join(names)
    if (kind, member) not in deviations:
        hidden = names[-1:] and names[-1] in _NEVER_SHOWN and kind is not QuirkKind.TOO_LONG
        shown = "" if hidden else str(example)[:_EXAMPLE_LENGTH]
        deviations[kind, member] = Deviation(kind, member, shown)


def places(violation: Violation) -> int:
    """Return how many places a violation is about: unknown members are looked at one by one."""
    return len(violation.names) if violation.kind == "AdditionalProperties" else 1


@cache
def _by_plain(options: tuple[str, ...]) -> dict[str, str]:
    """Return the words of an enumeration by their letters and digits; schemas have few of them."""
    return {plain(option): option for option in options}


_QUIRK_OF_TYPE = {
    "integer": QuirkKind.NUMBER_AS_TEXT,
    "number": QuirkKind.NUMBER_AS_TEXT,
    "boolean": QuirkKind.NUMBER_AS_TEXT,
    "string": QuirkKind.TEXT_AS_NUMBER,
    "array": QuirkKind.LONELY_ITEM,
}
_MENDERS: Mapping[str, Callable[[Round, Violation], bool]] = {
    "AdditionalProperties": Round.additional_properties,
    "Required": Round.required,
    "Type": Round.wrong_type,
    "Enum": Round.wrong_word,
    "MaxLength": Round.too_long,
    "MaxItems": Round.too_long,
    "MinItems": Round.too_few,
    "MinLength": Round.too_short,
}
