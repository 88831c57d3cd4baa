"""Of which time a report tells, and when it is due."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.notices.reports import Every, ReportPeriod, ReportSchedule

BERLIN = ZoneInfo("Europe/Berlin")
HAVANA = ZoneInfo("America/Havana")
ZONES = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("period", "now", "since", "until"),
    [
        ("yesterday", "2027-03-29T04:00Z", "2027-03-27T23:00Z", "2027-03-28T22:00Z"),  # 23 hours
        ("last_7_days", "2027-06-10T21:59Z", "2027-06-02T22:00Z", "2027-06-09T22:00Z"),
        ("last_7_days", "2027-06-10T22:00Z", "2027-06-03T22:00Z", "2027-06-10T22:00Z"),
        ("last_week", "2027-06-10T12:00Z", "2027-05-30T22:00Z", "2027-06-06T22:00Z"),
        ("last_month", "2027-04-01T04:00Z", "2027-02-28T23:00Z", "2027-03-31T22:00Z"),
        ("last_month", "2027-01-31T12:00Z", "2026-11-30T23:00Z", "2026-12-31T23:00Z"),
        ("this_month", "2027-06-10T12:00Z", "2027-05-31T22:00Z", "2027-06-09T22:00Z"),
    ],
)
def test_a_period_is_of_days_of_the_place(period: str, now: str, since: str, until: str) -> None:
    assert ReportPeriod(period).bounds(at(now), BERLIN) == (at(since), at(until))


def test_a_day_that_has_no_midnight_begins_with_its_first_instant() -> None:
    """In Havana clocks go from midnight to one o'clock in March."""
    since, until = ReportPeriod.YESTERDAY.bounds(at("2027-03-15T12:00Z"), HAVANA)
    assert (since, until) == (at("2027-03-14T05:00Z"), at("2027-03-15T04:00Z"))


@pytest.mark.parametrize(
    ("schedule", "moment", "due"),
    [
        (ReportSchedule(every=Every.DAY, at=time(6)), "2027-06-10T04:00Z", "2027-06-11T04:00Z"),
        (ReportSchedule(every=Every.DAY, at=time(6)), "2027-06-10T03:59Z", "2027-06-10T04:00Z"),
        # A time that there is not, and one that there is twice.
        (ReportSchedule(every=Every.DAY, at=time(2, 30)), "2027-03-27T12:00Z", "2027-03-28T01:30Z"),
        (ReportSchedule(every=Every.DAY, at=time(2, 30)), "2027-10-30T12:00Z", "2027-10-31T00:30Z"),
        (ReportSchedule(every=Every.DAY, at=time(2, 30)), "2027-10-31T00:30Z", "2027-11-01T01:30Z"),
        (
            ReportSchedule(every=Every.WEEK, at=time(6), on=1),
            "2027-06-10T12:00Z",
            "2027-06-14T04:00Z",
        ),
        (
            ReportSchedule(every=Every.MONTH, at=time(6), on=1),
            "2027-12-01T05:00Z",
            "2028-01-01T05:00Z",
        ),
    ],
)
def test_a_schedule_goes_by_the_clocks_of_the_place(
    schedule: ReportSchedule, moment: str, due: str
) -> None:
    assert schedule.next_after(at(moment), BERLIN) == at(due)


_SCHEDULES = st.one_of(
    st.builds(ReportSchedule, every=st.just(Every.DAY), at=st.times()),
    st.builds(ReportSchedule, every=st.just(Every.WEEK), at=st.times(), on=st.integers(1, 7)),
    st.builds(ReportSchedule, every=st.just(Every.MONTH), at=st.times(), on=st.integers(1, 28)),
)


@given(
    schedule=_SCHEDULES,
    moment=st.datetimes(
        min_value=at("2000-01-01T00:00"), max_value=at("2100-01-01T00:00"), timezones=st.just(UTC)
    ),
    zone=st.sampled_from(ZONES),
)
def test_the_next_time_is_later_and_within_a_month(
    schedule: ReportSchedule, moment: datetime, zone: str
) -> None:
    due = schedule.next_after(moment, ZoneInfo(zone))
    assert moment < due <= moment + timedelta(days=32)
    assert due.tzinfo is UTC
