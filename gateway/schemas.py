"""The JSON schemas of the `ocpp` package, compiled once, and what a violation is called."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import ocpp

from gateway.errors import CallRefusedError, ErrorCode

_SCHEMAS = Path(ocpp.__file__).parent

# OCPP integers have 32 bits (2.0.1 part 2 §2.1.2); 1.6 says nothing, and its stations send them so.
# A meter's register in Wh is a number of its own.
_INTEGER_MIN, _INTEGER_MAX = -(2**31), 2**31 - 1
_WIDE_INTEGERS = frozenset({"meterStart", "meterStop"})

# A sample whose value is no number must not cost the whole message, which a station would try a few
# times more and then throw away: such a sample is dropped later. In 1.6 values are strings anyway.
_ANY_NUMBER = {"SampledValueType": "value"}

# Spelling mistakes of a specification, which stations rightly follow: JE 1.6 errata 2.1.
_SYNONYMS = {"Celsius": "Celcius", "Celcius": "Celsius"}

_CODES = {
    "Required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "MinItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "MaxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "Type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "AdditionalProperties": ErrorCode.FORMAT_VIOLATION,
}


class Schema:
    """One message's schema.

    Args:
        schema: JSON Schema, draft 4 or 6.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        # Formats are not validated: stations send times without a zone, and handlers read those.
        self._validator = jsonschema_rs.validator_for(_loosened(schema), validate_formats=False)
        self.properties: frozenset[str] = frozenset(schema.get("properties", ()))

    def validate(self, payload: object) -> None:
        """Return if `payload` is valid.

        Raises:
            CallRefusedError: it is not, with the code of the first violation and where it is.
        """
        try:
            self._validator.validate(payload)
        except jsonschema_rs.ValidationError as error:
            where = "/".join(str(step) for step in error.instance_path) or "payload"
            kind = type(error.kind).__name__.removeprefix("ValidationErrorKind_")
            raise CallRefusedError(
                _CODES.get(kind, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
                f"{where}: {error.message}"[:255],
            ) from None


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
    return Schema(json.loads(text))


def _loosened(schema: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(schema, list):
        return [_loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _loosened(value, key) for key, value in schema.items()}
    if schema.get("type") == "integer" and name not in _WIDE_INTEGERS:
        copy.setdefault("minimum", _INTEGER_MIN)
        copy.setdefault("maximum", _INTEGER_MAX)
    if loose := _ANY_NUMBER.get(name):
        copy["properties"][loose] = {}
    if isinstance(enum := copy.get("enum"), list):
        copy["enum"] = enum + [
            _SYNONYMS[word] for word in enum if word in _SYNONYMS and _SYNONYMS[word] not in enum
        ]
    return copy
