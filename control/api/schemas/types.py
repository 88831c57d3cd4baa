"""Types that several resources share."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.domain.errors import InvalidInputError
from shared.domain.stations import STATION_ID_MAX_LENGTH, check_station_id

_PAYLOAD_MAX_DEPTH = 32  # no message of OCPP nests deeper than 10


def _checked_station_id(value: str) -> str:
    try:
        return check_station_id(value)
    except InvalidInputError as error:
        raise PydanticCustomError("station_id", "{reason}", {"reason": str(error)}) from error


def _printable(value: str) -> str:
    if any(character < " " or character == "\x7f" for character in value):
        raise PydanticCustomError("control_character", "control characters are not allowed")
    return value


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul", "the character U+0000 is not allowed")
    return value


# Postgres' driver takes the first and the last instant of the calendar for infinities.
_NEVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def _in_utc(value: datetime) -> datetime:
    try:
        time = value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("out_of_range", "this time lies outside the calendar") from None
    if time in _NEVER:
        raise PydanticCustomError("out_of_range", "this is no time: leave it out instead")
    return time


def _as_number(value: Decimal) -> float | None:
    number = float(value)
    return number if isfinite(number) else None


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
    AfterValidator(_checked_station_id),
    Field(
        min_length=1,
        max_length=STATION_ID_MAX_LENGTH,
        description="identity of the station, as in the URL it connects to",
        examples=["CS-0001"],
    ),
]
# Validators that stand behind a length in an annotation, so that the length is checked first.
ONE_LINE = AfterValidator(_printable)
FREE_TEXT = AfterValidator(_without_nul)  # lines and tabs included, as in vendors' data

UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""ISO 8601 with a zone; kept and answered in UTC."""

# Postgres keeps the exact decimal. A JSON number is read as a double, whose 15 digits hold a
# register of a terawatt hour to the milliwatt hour. What no double holds, no meter has measured: it
# is null, and its digits stand in the sample.
Number = Annotated[
    Decimal,
    PlainSerializer(_as_number, when_used="json"),
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
