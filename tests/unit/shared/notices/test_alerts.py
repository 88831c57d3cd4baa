"""When people are told of alerts, by the clock on their wall."""

from datetime import UTC, datetime, time, timedelta

import pytest

from shared.domain.errors import InvalidInputError
from shared.domain.notices.alerts import (
    AlertKind,
    AlertRule,
    QuietHours,
    Severity,
    Weekday,
    loosest,
)
from shared.domain.time_zones import time_zone_of

NIGHT = QuietHours(time_zone="Europe/Berlin", begin=time(22), end=time(6))
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def rule(**changes: object) -> AlertRule:
    values = {
        "rule_id": "1",
        "organization_id": "default",
        "name": "one",
        "kind": AlertKind.FLAPPING,
        "parameters": {},
        "location_ids": (),
        "station_ids": (),
        "severity": Severity.INFO,
        "emails": (),
        "grouping_interval_s": 300.0,
        "resolve_after_s": 60.0,
        "quiet_hours": None,
        "escalation": (),
        "self_healing": None,
        "enabled": True,
        "silenced_until": None,
        "last_told_at": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return AlertRule(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        # Berlin is an hour ahead in winter.
        ("2026-12-01T20:59:59+00:00", False),
        ("2026-12-01T21:00:00+00:00", True),
        ("2026-12-02T04:59:59+00:00", True),
        ("2026-12-02T05:00:00+00:00", False),
        # And two in summer.
        ("2026-07-01T19:59:59+00:00", False),
        ("2026-07-01T20:00:00+00:00", True),
        # The night in which the clock goes from 2 to 3 is an hour shorter.
        ("2027-03-28T03:59:59+00:00", True),
        ("2027-03-28T04:00:00+00:00", False),
    ],
)
def test_quiet_hours_are_by_the_clock_on_the_wall(at: str, *, quiet: bool) -> None:
    assert NIGHT.covers(datetime.fromisoformat(at)) is quiet


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        ("2026-12-04T21:59:00+00:00", False),  # Friday
        ("2026-12-05T23:00:00+00:00", True),  # the night from Saturday
        ("2026-12-06T05:59:00+00:00", True),
        ("2026-12-06T23:00:00+00:00", False),  # Sunday's own does not count
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(at: str, *, quiet: bool) -> None:
    night = QuietHours(time_zone="UTC", begin=time(22), end=time(6), days=(Weekday.SATURDAY,))
    assert night.covers(datetime.fromisoformat(at)) is quiet


def test_within_one_day_they_end_the_same_day() -> None:
    lunch = QuietHours(time_zone="UTC", begin=time(12), end=time(13))
    assert [lunch.covers(NOW + timedelta(minutes=n)) for n in (-1, 0, 59, 60)] == [
        *(False, True, True, False)
    ]


def test_from_a_time_to_the_same_time_is_a_whole_day() -> None:
    always = QuietHours(time_zone="UTC", begin=time(9), end=time(9))
    assert all(always.covers(NOW + timedelta(hours=n)) for n in range(24))


def test_a_rule_that_is_silenced_keeps_quiet_until_then() -> None:
    silenced = rule(silenced_until=NOW)
    assert silenced.keeps_quiet(NOW - timedelta(seconds=1))
    assert not silenced.keeps_quiet(NOW)
    assert not rule().keeps_quiet(NOW)
    assert rule(quiet_hours=NIGHT).keeps_quiet(NOW + timedelta(hours=10))


def test_a_mail_waits_for_others_and_for_the_one_before() -> None:
    first = NOW
    assert rule().tells_at(first, group_wait_s=20) == NOW + timedelta(seconds=20)
    told = rule(last_told_at=NOW - timedelta(seconds=100))
    assert told.tells_at(first, group_wait_s=20) == NOW + timedelta(seconds=200)
    long_ago = rule(last_told_at=NOW - timedelta(hours=1))
    assert long_ago.tells_at(first, group_wait_s=20) == NOW + timedelta(seconds=20)


def test_what_lets_most_through_is_found_among_those_that_name_it() -> None:
    asked = [{"for_s": 5}, {"for_s": 3.5}, {"other_s": 1}, {"for_s": None}]
    assert loosest(asked, ("for_s",), choose_highest=False) == 3.5
    assert loosest(asked, ("for_s", "other_s"), choose_highest=False) == 1
    assert loosest(asked, ("for_s",), choose_highest=True) == 5
    assert loosest(asked, ("nothing",), choose_highest=True) is None


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_what_is_no_time_zone_is_told_so(name: str) -> None:
    with pytest.raises(InvalidInputError, match="time zone"):
        time_zone_of(name)
