"""Types that firmware updates and logs share."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WrapValidator
from pydantic_core import PydanticCustomError

from control.api.types import UtcTime, Written
from shared.domain.redaction import redact_address

LOCATION_MAX_LENGTH = 512
_TIME: TypeAdapter[datetime] = TypeAdapter(UtcTime)


def _checked_url(value: str) -> str:
    if not value.isascii() or not value.isprintable() or any(c in value for c in ' \\"<>^`{|}'):
        raise PydanticCustomError(
            "url", "a URL holds no spaces, control characters, backslashes or letters with accents"
        )
    return value


Location = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LOCATION_MAX_LENGTH,
        description="URL; its host has to be in VOLTARO_FILES_ALLOWED_HOSTS, unless it is ours",
        examples=["https://firmware.example.com/cs-2.4.1.bin"],
    ),
    Written(_checked_url, r"^[!#-;=?-\[\]_a-z~]*$"),
]
Retries = Annotated[
    int, Field(ge=0, le=100, description="how often the station tries again", examples=[3])
]
RetryIntervalS = Annotated[
    int, Field(ge=0, le=86_400, description="how long it waits in between", examples=[60])
]
RequestId = Annotated[
    int,
    Field(
        ge=0,
        le=2_147_483_647,
        description="told to the station, which names it in what follows; left out, one is made",
    ),
]


def _time_text(value: Any, _: Any) -> str:  # noqa: ANN401 - whatever came, before it is checked
    return format_time(_TIME.validate_python(value))


def format_time(time: datetime) -> str:
    """Write a time as it goes to stations: in UTC, without the fractions that some cannot read."""
    return time.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


TimeText = Annotated[
    str,
    WrapValidator(_time_text, json_schema_input_type=UtcTime),
    Field(json_schema_extra={"format": "date-time"}),
]
"""A time in a command, which is kept as JSON."""


def format_optional_time(time: datetime | None) -> str | None:
    """Write a time that may be left out."""
    return None if time is None else format_time(time)


def without_secrets(location: str | None) -> str | None:
    """Return a URL as it may be shown: passwords and signatures are not ours to tell."""
    return None if location is None else redact_address(location)


class ReportedStatus(BaseModel):
    """One step that the station told."""

    model_config = ConfigDict(from_attributes=True)

    status: str = Field(description="in the words of OCPP 2.0.1")
    reported_at: datetime = Field(description="when it reached us")
    ambiguous: bool = Field(
        default=False,
        description="it named no request and can be of others as well, whose histories have it too",
    )
