"""Times are RFC 3339, and nothing else that a library would take for one."""

from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pytest
from pydantic import TypeAdapter, ValidationError

from control.api.types import UtcTime
from control.api.upkeep.transfers_schemas import TimeText

TIME: TypeAdapter[datetime] = TypeAdapter(UtcTime)
TEXT: TypeAdapter[str] = TypeAdapter(TimeText)
SCHEMA = jsonschema_rs.Draft202012Validator(TIME.json_schema(), validate_formats=True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-30T12:00:00Z", datetime(2026, 11, 30, 12, tzinfo=UTC)),
        ("2026-11-30t12:00:00z", datetime(2026, 11, 30, 12, tzinfo=UTC)),
        ("2026-11-30T12:00:00+02:00", datetime(2026, 11, 30, 10, tzinfo=UTC)),
        ("2026-11-30T12:00:00-00:00", datetime(2026, 11, 30, 12, tzinfo=UTC)),
        ("2026-11-30T12:00:00.5Z", datetime(2026, 11, 30, 12, 0, 0, 500_000, tzinfo=UTC)),
        (
            "2026-11-30T12:00:00.123456789Z",
            datetime(2026, 11, 30, 12, 0, 0, 123_456, tzinfo=UTC),
        ),
        ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_time_with_its_zone_is_taken(written: str, meant: datetime) -> None:
    assert TIME.validate_python(written) == meant
    assert SCHEMA.is_valid(written)
    assert TEXT.validate_python(written).endswith("Z")


@pytest.mark.parametrize(
    "written",
    [
        1_764_500_000,
        1_764_500_000.5,
        True,
        "1764500000",
        "2026-11-30",
        "2026-11-30T12:00:00",
        "2026-11-30 12:00:00Z",
        "2026-11-30T12:00Z",
        "2026-11-30T12:00:00+0200",
        "2026-11-30T12:00:00 02:00",
        "2026-11-30T12:00:00.Z",
        "2026-11-30T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-02-30T12:00:00Z",
        "2027-02-29T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "20261130T120000Z",
        "2026-W48-1T12:00:00Z",
        "٢٠٢٦-11-30T12:00:00Z",  # digits of another script
        " 2026-11-30T12:00:00Z",
        "2026-11-30T12:00:00Z\n",
        "now",
        "",
    ],
)
def test_anything_else_is_refused_and_the_document_says_so(written: Any) -> None:
    for adapter in (TIME, TEXT):
        with pytest.raises(ValidationError):
            adapter.validate_python(written)
    assert not SCHEMA.is_valid(written)


def test_what_lies_outside_the_calendar_is_refused() -> None:
    for written in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"):
        with pytest.raises(ValidationError, match="calendar"):
            TIME.validate_python(written)
