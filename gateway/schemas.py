"""The JSON schemas of the `ocpp` package, compiled once, and what a violation is called."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import ocpp

from gateway.errors import CallRefusedError, ErrorCode
from gateway.weight import outline, weigh

_SCHEMAS = Path(ocpp.__file__).parent

# OCPP integers have 32 bits (2.0.1 part 2 §2.1.2); 1.6 says nothing, and its stations send them so.
# A meter's register in Wh is a number of its own.
_INTEGER_MIN, _INTEGER_MAX = -(2**31), 2**31 - 1
_WIDE_INTEGERS = frozenset({"meterStart", "meterStop"})
# A station that knows no id of ours tells any number, such as -1 in 32 or 64 bits without a sign:
# that must not cost the end of its charge. As long as the longest id of OCPP 2.0.1.
_MADE_UP_ID_MAX = 10**36 - 1
_MADE_UP_IDS = {"MeterValues": "transactionId", "StopTransaction": "transactionId"}

# A sample whose value is no number must not cost the whole message, which a station would try a few
# times more and then throw away: such a sample is dropped later. In 1.6 values are strings anyway.
_ANY_NUMBER = {"SampledValueType": "value"}

# Empty where they may be left out, these texts mean that they are. A time that is empty is none at
# all. Of other texts, such as `info`, an empty one does no harm.
_MAY_BE_LEFT_OUT = frozenset({"idTag"})
_TIME_FORMAT = "date-time"

# Spelling mistakes of a specification, which stations rightly follow: JE 1.6 errata 2.1.
_SYNONYMS = {"Celsius": "Celcius", "Celcius": "Celsius"}
# The unit of the measurand Frequency, which one schema of 1.6 has and the other forgot.
_FREQUENCY, _ITS_NEIGHBOURS = "Hertz", frozenset({"Wh", "Percent"})

# OCPP has none that is longer.
_MAX_NAME_LENGTH = 100

# Values of a payload whose first violation is asked for: 1 to 2 µs each.
_MAX_EXPLAINED = 5_000

_CODES = {
    "Required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "MinItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "MaxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "Type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "AdditionalProperties": ErrorCode.FORMAT_VIOLATION,
}


@dataclass(slots=True)
class Violation:
    """One thing that a schema does not allow; not frozen, as a message can have a thousand.

    `kind` is the schema's keyword as a class name, such as "MaxLength"; `names` are the words that
    go with it: members that are too many or missing, types or words that would have been right.
    """

    schema: "Schema"
    kind: str
    path: tuple[str | int, ...]
    names: tuple[str, ...]
    message: str

    def error(self) -> CallRefusedError:
        """Return it as the refusal of its message."""
        where = "/".join(map(str, self.path)) or "payload"
        code = _CODES.get(self.kind, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
        member = ".".join(step for step in self.path if isinstance(step, str))
        return CallRefusedError(code, f"{where}: {self.message}"[:255], member=member)


class Schema:
    """One message's schema.

    Args:
        schema: JSON Schema, draft 4 or 6.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        # Formats are not validated: stations send times without a zone, and handlers read those.
        # Draft 4 for all: to draft 6, which 2.0.1 has, 1.0 is an integer, and no handler's is. What
        # OCPP uses of either is the same otherwise.
        self._validator = jsonschema_rs.Draft4Validator(_loosened(schema), validate_formats=False)
        self._schema = schema
        self._parts: dict[str, tuple[Schema, Schema]] = {}
        self.properties: frozenset[str] = frozenset(schema.get("properties", ()))

    def validate(self, payload: object) -> None:
        """Return if `payload` is valid.

        Raises:
            CallRefusedError: it is not, with the code of the first violation and where it is.
        """
        if not self.allows(payload):
            raise self._refusal(payload)

    def allows(self, payload: object) -> bool:
        """Return whether `payload` is valid; that costs little whatever it is.

        Raises:
            CallRefusedError: it cannot be looked through.
        """
        try:
            return self._validator.is_valid(payload)
        except ValueError as error:
            raise _not_validated(error) from None

    def find_violations(self, payload: object) -> Iterator[Violation]:
        """Yield everything that is wrong with `payload`, which has to be light (`gateway.weight`).

        Raises:
            CallRefusedError: it cannot be looked through.
        """
        try:
            errors = self._validator.iter_errors(payload)
        except ValueError as error:
            raise _not_validated(error) from None
        return map(self._violation, errors)

    def split(self, member: str) -> tuple["Schema", "Schema"]:
        """Return the schema of everything but the content of a member, and of that member alone."""
        parts = self._parts.get(member)
        if parts is None:
            without = {**self._schema["properties"], member: {}}
            alone = {member: self._schema["properties"][member]}
            rest = {key: value for key, value in self._schema.items() if key != "required"}
            parts = self._parts[member] = (
                Schema({**self._schema, "properties": without}),
                Schema({**rest, "properties": alone}),
            )
        return parts

    @cached_property
    def members(self) -> frozenset[str]:
        """Every member's name, at whatever depth."""
        return frozenset(_property_names(self._schema))

    def find_spelling(self, name: str) -> str | None:
        """Return the member, at whatever depth, that is meant by a name in other letter case."""
        return self._spelling.get(plain(name)) if len(name) <= _MAX_NAME_LENGTH else None

    def find_property(self, name: str) -> str | None:
        """Return the member of the payload itself that is meant by a name."""
        if name in self.properties:
            return name
        meant = self.find_spelling(name)
        return meant if meant in self.properties else None

    @cached_property
    def _spelling(self) -> dict[str, str]:
        """Names by their letters and digits in lower case."""
        return {plain(name): name for name in _property_names(self._schema)}

    def _refusal(self, payload: object) -> CallRefusedError:
        """Return what an invalid payload is refused with: its first violation, if one is found."""
        looked_at: object = payload
        if isinstance(payload, dict) and weigh(payload, _MAX_EXPLAINED) > _MAX_EXPLAINED:
            looked_at = outline(payload, self.members)
        if looked_at is not None:
            try:
                self._validator.validate(looked_at)
            except jsonschema_rs.ValidationError as error:
                return self._violation(error).error()
            except ValueError as error:
                return _not_validated(error)
        return CallRefusedError(
            ErrorCode.FORMAT_VIOLATION,
            "something in the payload breaks its schema, and it is too long to say what: say less "
            "in one message",
        )

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        kind: Any = error.kind
        name = type(kind).__name__.removeprefix("ValidationErrorKind_")
        words: Any = ()
        match name:
            case "AdditionalProperties":
                words = kind.unexpected
            case "Required":
                words = (kind.property,)
            case "Type":
                words = kind.types
            case "Enum":
                words = kind.options
        return Violation(self, name, tuple(error.instance_path), tuple(words), error.message)


def _not_validated(error: ValueError) -> CallRefusedError:
    """Return the refusal of what the validator gives up on: more than 255 levels of nesting."""
    return CallRefusedError(
        ErrorCode.FORMAT_VIOLATION, f"the payload cannot be validated: {error}"[:255]
    )


def plain(word: str) -> str:
    """Return a word without its letter case and punctuation."""
    return "".join(character for character in word if character.isalnum()).casefold()


@cache
def load(version: str, name: str) -> Schema:
    """Return a schema of the `ocpp` package.

    Args:
        version: its folder there, such as "v16".
        name: the file's name without its ending, such as "MeterValuesResponse".

    Raises:
        KeyError: the version has no such message.
    """
    try:
        text = (_SCHEMAS / version / "schemas" / f"{name}.json").read_text("utf-8-sig")
    except FileNotFoundError:
        raise KeyError(f"OCPP {version} has no message {name}") from None
    schema = json.loads(text)
    if (member := _MADE_UP_IDS.get(name)) is not None:
        schema["properties"][member] |= {"minimum": -_MADE_UP_ID_MAX, "maximum": _MADE_UP_ID_MAX}
    return Schema(schema)


def _loosened(schema: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(schema, list):
        return [_loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _loosened(value, key) for key, value in schema.items()}
    if schema.get("type") == "integer" and name not in _WIDE_INTEGERS:
        copy.setdefault("minimum", _INTEGER_MIN)
        copy.setdefault("maximum", _INTEGER_MAX)
    if schema.get("format") == _TIME_FORMAT:
        copy.setdefault("minLength", 1)
    for member in _MAY_BE_LEFT_OUT.intersection(schema.get("properties", ())):
        if member not in schema.get("required", ()):
            copy["properties"][member].setdefault("minLength", 1)
    if loose := _ANY_NUMBER.get(name):
        copy["properties"][loose] = {}
    if isinstance(enum := copy.get("enum"), list):
        copy["enum"] = enum + [
            _SYNONYMS[word] for word in enum if word in _SYNONYMS and _SYNONYMS[word] not in enum
        ]
        if _ITS_NEIGHBOURS.issubset(enum) and _FREQUENCY not in enum:
            copy["enum"].append(_FREQUENCY)
    return copy


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _property_names(item)
    elif isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in schema.values():
            yield from _property_names(value)
