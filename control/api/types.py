"""Types that several resources share."""

import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.domain.decimals import json_number
from shared.domain.errors import InvalidInputError
from shared.domain.stations.stations import STATION_ID_MAX_LENGTH, check_station_id
from shared.domain.time_zones import time_zone_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PAYLOAD_MAX_DEPTH = 32  # no message of OCPP nests deeper than 10


def members_of(shown: "DataclassInstance") -> dict[str, Any]:
    """Return the members of an object of the domain by their names, to be shown with others.

    They are the object's own: `asdict` copies all that they are made of, which was most of what a
    page of sessions cost.
    """
    return {field.name: getattr(shown, field.name) for field in fields(shown)}


class Written:
    """How a string is written: one check, and the same as a pattern in the OpenAPI document.

    It stands behind a length in an annotation, so that the length is checked first.

    Args:
        check: returns the value, or raises.
        pattern: regular expression of ECMA-262 that says the same, as far as one can.
    """

    def __init__(self, check: Callable[[str], str], pattern: str) -> None:
        self._check = check
        self._pattern = pattern

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check what the annotation before this one has let through."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the pattern."""
        return {**handler(schema), "pattern": self._pattern}


_NUMBERS = frozenset({"int", "float", "decimal"})
# Where a schema holds others; not in its defaults, serializers and so on.
_WITHIN = frozenset(
    {"schema", "fields", "items_schema", "values_schema", "choices", "schemas", "definitions"}
)


def _typed(node: object) -> object:
    if isinstance(node, list | tuple):
        return type(node)(_typed(each) for each in node)
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if not isinstance(kind, str):  # the fields of a model, one of which may be called type
        return {name: _typed(value) for name, value in node.items()}
    if kind == "bool":
        return {**node, "strict": True}
    if kind in _NUMBERS or (kind == "enum" and node.get("sub_type") == "int"):
        return core_schema.no_info_before_validator_function(_no_text, cast("CoreSchema", node))
    return {**node, **{key: _typed(node[key]) for key in _WITHIN & node.keys()}}


def _no_text(value: object) -> object:
    if isinstance(value, str | bytes | bool):
        raise PydanticCustomError("number_type", "a number is meant here, without quotes")
    return value


class RequestBody(BaseModel):
    """What a request may hold: members that are known, each in the type that the document says.

    pydantic takes 0 for false and "7" for 7. In a query there is nothing else than text; JSON has
    types, and who sends another one means something else.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Have every boolean and every number be one."""
        return cast("CoreSchema", _typed(handler(source)))


def _checked_station_id(value: str) -> str:
    try:
        return check_station_id(value)
    except InvalidInputError as error:
        raise PydanticCustomError("station_id", "{reason}", {"reason": str(error)}) from error


def printable(value: str) -> str:
    """Return a value that has no control characters, or raise."""
    if any(character < " " or character == "\x7f" for character in value):
        raise PydanticCustomError("control_character", "control characters are not allowed")
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul", "the character U+0000 is not allowed")
    return value


# Postgres' driver takes the first and the last instant of the calendar for infinities.
_NEVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


# Years 1 to 9999, as datetime has them; how many days a month has is left to the format.
# No leap seconds: no clock of ours has them.
_RFC3339_PATTERN = (
    r"^([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_RFC3339 = re.compile(_RFC3339_PATTERN.strip("^$"), re.ASCII)
_TIME_MAX_LENGTH = 64
# datetime counts microseconds; digits behind those are cut off.
_TOO_FINE = re.compile(r"(\.[0-9]{6})[0-9]+", re.ASCII)


def _written_as_rfc3339(value: object) -> object:
    if isinstance(value, datetime):
        return value  # one of ours, as a default
    if not isinstance(value, str) or len(value) > _TIME_MAX_LENGTH or not _RFC3339.fullmatch(value):
        raise PydanticCustomError(
            "rfc3339",
            "a time is written with its zone as in RFC 3339, such as 2026-11-30T12:00:00Z "
            "(in a URL, + is written %2B)",
        )
    return _TOO_FINE.sub(r"\1", value)


def _in_utc(value: datetime) -> datetime:
    try:
        time = value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("out_of_range", "this time lies outside the calendar") from None
    if time in _NEVER:
        raise PydanticCustomError("out_of_range", "this is no time: leave it out instead")
    return time


def _checked_payload(payload: dict[str, Any]) -> dict[str, Any]:
    """Refuse what neither Postgres nor a frame of OCPP-J can carry."""
    waiting: list[tuple[Any, int]] = [(payload, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _PAYLOAD_MAX_DEPTH:
            raise PydanticCustomError("too_deep", "it is nested too deeply")
        match value:
            case dict():
                waiting += ((each, depth + 1) for pair in value.items() for each in pair)
            case list():
                waiting += ((each, depth + 1) for each in value)
            case float() if not isfinite(value):
                raise PydanticCustomError("not_finite", "a number must be finite")
            case str():
                _check_unicode(_without_nul(value))
    return payload


def _check_unicode(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("surrogate", "a surrogate stands alone in a string") from None


StationId = Annotated[
    str,
    # Not of dots alone.
    Written(_checked_station_id, r"^\.*[A-Za-z0-9*_=+|@-][A-Za-z0-9*_=+|@.-]*$"),
    Field(
        min_length=1,
        max_length=STATION_ID_MAX_LENGTH,
        description="identity of the station, as in the URL it connects to",
        examples=["CS-0001"],
    ),
]


def _checked_time_zone(value: str) -> str:
    try:
        time_zone_of(value)
    except InvalidInputError as error:
        raise PydanticCustomError("time_zone", "{reason}", {"reason": str(error)}) from error
    return value


TimeZone = Annotated[
    str,
    Written(_checked_time_zone, r"^[A-Za-z][A-Za-z0-9_+/-]*$"),
    Field(
        max_length=64,
        description="a time zone of the IANA database, by its name",
        examples=["Europe/Berlin"],
    ),
]
ONE_LINE = Written(printable, r"^[^\u0000-\u001F\u007F]*$")
FREE_TEXT = Written(_without_nul, r"^[^\u0000]*$")  # lines and tabs included, as in vendors' data

UtcTime = Annotated[
    AwareDatetime,
    BeforeValidator(_written_as_rfc3339),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _RFC3339_PATTERN}),
]
"""RFC 3339, and nothing else that pydantic would take for a time; kept and answered in UTC."""

Since = Annotated[UtcTime | None, Query(description="only those of then or later")]
Until = Annotated[UtcTime | None, Query(description="only those of before then")]

# Postgres keeps the exact decimal. A JSON number is read as a double, whose 15 digits hold a
# register of a terawatt hour to the milliwatt hour. What no double holds, no meter has measured: it
# is null, and its digits stand in the sample.
Number = Annotated[
    Decimal,
    PlainSerializer(json_number, when_used="json"),
    WithJsonSchema({"type": "number"}),
]

Payload = Annotated[dict[str, Any], AfterValidator(_checked_payload)]
"""A JSON object of any content."""

Ordinal = Annotated[int, Field(ge=1, le=2_147_483_647, examples=[1])]
"""Number of an EVSE or a connector, a 32-bit integer in OCPP; the whole station is left out."""


def schema_of_changes(example: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Return what makes a PATCH model's schema honest: what is left out has no default.

    Args:
        example: one change, to stand in the schema.
    """

    def adjust(schema: dict[str, Any]) -> None:
        for field in schema["properties"].values():
            field.pop("default", None)
        schema["examples"] = [example]

    return adjust
