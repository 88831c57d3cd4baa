from datetime import UTC, date, datetime

import pytest

from gateway.errors import CallRefusedError, ErrorCode
from gateway.translation import format_time, parse_optional_time, parse_time


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T05:04:05+02:00",
        "2026-01-02T03:04:05.0000000Z",
        "2026-01-02T03:04:05.000Z",
    ],
)
def test_every_way_of_writing_a_time_is_read(text: str) -> None:
    assert parse_time(text) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2016-12-31T23:59:60Z", 0),
        ("2016-12-31T23:59:60.250Z", 250_000),
        ("2017-01-01T08:59:60+09:00", 0),
        ("2016-12-31t23:59:60z", 0),
        ("2016-12-31T23:59:60", 0),
    ],
)
def test_a_leap_second_is_the_one_after_it(text: str, microsecond: int) -> None:
    assert parse_time(text) == datetime(2017, 1, 1, microsecond=microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:60Z",
        "2016-12-31T23:59:61Z",
        "2016-12-31T23:60:60Z",
        ":60",
        "x" * 16 + ":60",
    ],
)
def test_no_other_second_is(text: str) -> None:
    with pytest.raises(CallRefusedError, match="is not an RFC 3339 time"):
        parse_time(text)


@pytest.mark.parametrize("text", [None, "", "yesterday", "0000-00-00T00:00:00Z", "222222017-01-02"])
def test_for_a_time_that_may_be_left_out_its_arrival_stands(text: str | None) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_optional_time(text, now) == now
    assert parse_optional_time("2025-01-01T00:00:00Z", now) == datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "222222017-01-01T00:00:00Z", "0000-00-00T00:00:00Z"]
)
def test_what_is_no_time_is_a_type_error(text: str) -> None:
    with pytest.raises(CallRefusedError, match="timestamp") as refused:
        parse_time(text)
    assert refused.value.code is ErrorCode.TYPE_CONSTRAINT_VIOLATION


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "0001-01-01T00:00:00+01:00"]
)
def test_a_clock_that_is_not_set_tells_a_time_that_can_be_kept(text: str) -> None:
    time = parse_time(text)
    assert time.date() == date(1, 1, 1)
    assert time.replace(tzinfo=None) > datetime.min  # noqa: DTZ901 - which asyncpg keeps as "never"


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)) == "2026-01-02T03:04:05.678Z"
