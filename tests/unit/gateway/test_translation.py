import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway import quirks
from gateway.errors import CallRefusedError, ErrorCode
from gateway.ocpp16.meter_values import to_meter_values
from gateway.translation import (
    check_times,
    format_time,
    in_turns,
    named_request,
    parse_item_time,
    parse_optional_time,
    parse_time,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TIME = "2026-01-02T03:04:05Z"
Noted = list[tuple[str, str, str]]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """Return what is found in messages: kind, member and example."""
    told: Noted = []
    monkeypatch.setattr(quirks, "found", lambda *what: told.append((*what, "")[:3]))
    return told


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
def test_for_a_time_that_may_be_left_out_its_arrival_stands(noted: Noted, text: str | None) -> None:
    assert parse_optional_time(text, NOW) == NOW
    unreadable = [] if text is None else [("unreadable_time", "timestamp", text)]
    assert noted == unreadable
    assert parse_optional_time("2025-01-01T00:00:00Z", NOW) == datetime(2025, 1, 1, tzinfo=UTC)
    assert noted == unreadable


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


@pytest.mark.parametrize(
    ("text", "quirk"),
    [
        (TIME, None),
        ("2026-01-02T03:04:05.250+00:00", None),
        ("2026-01-02T04:04:05+01:00", None),
        ("2026-01-02T03:04:05", "time_without_zone"),
        ("2026-01-02t03:04:05z", "time_form"),
        ("2026-01-02 03:04:05Z", None),
        ("2026-01-02 03:04:05z", "time_form"),
        ("2026-01-02T 03:04:05Z", "time_form"),
        ("2026-01-02 03:04:05. 000 +00:00", "time_form"),
        (" 2026-01-02T03:04:05Z ", "time_form"),
    ],
)
def test_a_time_of_another_form_is_counted_with_its_member(
    noted: Noted, text: str, quirk: str | None
) -> None:
    assert abs(parse_time(text, "expiryDate") - parse_time(TIME)) < timedelta(seconds=1)
    assert noted == ([] if quirk is None else [(quirk, "expiryDate", text)])


def test_the_member_of_a_time_that_may_be_left_out_is_told(noted: Noted) -> None:
    parse_optional_time("2026-01-02T03:04:05", NOW, "expiryDate")
    parse_optional_time("soon" * 20, NOW, "expiryDate")
    assert noted == [
        ("time_without_zone", "expiryDate", "2026-01-02T03:04:05"),
        ("unreadable_time", "expiryDate", "soon" * 15),
    ]


def test_a_refusal_of_a_time_shows_its_member_and_no_more_than_its_beginning() -> None:
    with pytest.raises(CallRefusedError) as refused:
        parse_time("x" * 80, "expiryDate")
    assert str(refused.value) == f"expiryDate: '{'x' * 50}' is not an RFC 3339 time"
    with pytest.raises(CallRefusedError, match="timestamp: 'x' is not"):
        parse_time("x")


@pytest.mark.parametrize(
    ("text", "year"), [("9999-12-31T23:59:59.999999-01:00", 9999), ("0001-01-01T00:00:00+01:00", 1)]
)
def test_a_zone_that_leads_out_of_the_calendar_stays_at_its_end(text: str, year: int) -> None:
    time = parse_time(text)
    assert (time.year, time.tzinfo) == (year, UTC)
    # Postgres' driver takes the very ends for "never".
    assert datetime.min.replace(tzinfo=UTC) < time < datetime.max.replace(tzinfo=UTC)


def test_the_ends_of_the_calendar_are_one_microsecond_inside_it() -> None:
    microsecond = timedelta(microseconds=1)
    assert parse_time("0001-01-01T00:00:00Z") == datetime.min.replace(tzinfo=UTC) + microsecond
    last = datetime.max.replace(tzinfo=UTC) - microsecond
    assert parse_time("9999-12-31T23:59:59.999999Z") == last


@pytest.fixture
def somewhere_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a machine whose own zone is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("somewhere_else")
def test_what_is_written_is_in_utc_whatever_zone_it_was_in() -> None:
    zone = timezone(timedelta(hours=2))
    assert format_time(datetime(2026, 1, 2, 1, tzinfo=zone)) == "2026-01-01T23:00:00.000Z"
    assert parse_time("2026-01-02T03:04:05") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(("told", "named"), [(7, 7), (0, 0), (-1, None), (None, None)])
def test_a_negative_request_id_names_no_request(told: int | None, named: int | None) -> None:
    assert named_request(told) == named


def test_an_item_without_a_time_goes_and_is_counted(noted: Noted) -> None:
    assert parse_item_time(TIME, "eventData") == parse_time(TIME)
    assert noted == []
    assert parse_item_time("soon" * 20, "eventData") is None
    assert noted == [("item_dropped", "eventData.timestamp", "soon" * 15)]


def test_items_are_refused_for_their_times_only_if_one_is_none() -> None:
    check_times([])
    check_times([{"timestamp": TIME}, {"timestamp": TIME}])
    with pytest.raises(CallRefusedError, match="soon"):
        check_times([{"timestamp": TIME}, {"timestamp": "soon"}])


def values(count: int, *, samples: int = 1, time: str = TIME) -> list[dict[str, Any]]:
    return [
        {"timestamp": time, "sampledValue": [{"value": f"{number}"}] * samples}
        for number in range(count)
    ]


async def turns_during(meter_values: list[dict[str, Any]], **more: bool) -> tuple[list[str], int]:
    """Translate; return the first value of each, and how many turns others had meanwhile."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    try:
        translated = await in_turns(to_meter_values, meter_values, **more)
    finally:
        task.cancel()
    return [each.samples[0]["value"] for each in translated], turns


@pytest.mark.parametrize(
    ("count", "samples", "turns"),
    [
        (10, 500, 0),  # so few are never many samples: items of a message are bounded by its length
        (11, 1, 0),
        (500, 1, 0),
        (999, 1, 0),
        (1_000, 1, 1),
        (1_999, 1, 1),
        (2_000, 1, 2),
        (20, 500, 10),
        (11, 1_200, 11),
    ],
)
async def test_others_have_a_turn_after_every_thousand_samples(
    count: int, samples: int, turns: int
) -> None:
    read, had = await turns_during(values(count, samples=samples))
    assert read == [f"{number}" for number in range(count)]
    assert had == turns


@pytest.mark.parametrize("count", [1, 10, 11, 1_500])
async def test_values_of_which_no_time_can_be_read_are_refused_unless_they_are_no_loss(
    count: int,
) -> None:
    without_time = values(count, time="soon")
    with pytest.raises(CallRefusedError, match="timestamp: 'soon'"):
        await turns_during(without_time)
    assert (await turns_during(without_time, may_be_none=True))[0] == []
    assert (await turns_during([*without_time, *values(1)]))[0] == ["0"]


@pytest.mark.parametrize("count", [1, 11])
async def test_values_that_hold_no_number_are_not_refused(count: int) -> None:
    for each in (no_number := values(count)):
        each["sampledValue"] = [{"value": "none"}]
    assert (await turns_during(no_number))[0] == []
