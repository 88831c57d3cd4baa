"""Reports: saved exports that are run at times, of times that are relative to when they are run.

Days are those of a place. Their ends are worked out one by one and then in UTC, as a day there may
have 23 or 25 hours, and now and then one has no midnight.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

DAY_OF_MONTH_MAX = 28
"""The last one that every month has."""
_LONGEST_MONTH_DAYS = 31


class ReportResource(StrEnum):
    """What a report is made of; the words of paths."""

    SESSIONS = "sessions"
    METER_VALUES = "meter-values"
    OCPP_LOG = "ocpp-log"
    EVENTS = "events"
    AUDIT_LOG = "audit-log"


class ReportPeriod(StrEnum):
    """Of which time a report tells, seen from when it is due."""

    YESTERDAY = "yesterday"
    LAST_7_DAYS = "last_7_days"
    """The seven days before today."""
    LAST_WEEK = "last_week"
    """Monday to Sunday (ISO 8601)."""
    LAST_MONTH = "last_month"
    THIS_MONTH = "this_month"
    """From its first day until today begins."""

    def bounds(self, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return when it begins, and when what follows it begins."""
        today = now.astimezone(zone).date()
        first, beyond = _DAYS[self](today)
        return _midnight(first, zone), _midnight(beyond, zone)


def _month_before(today: date) -> tuple[date, date]:
    this = today.replace(day=1)
    return (this - timedelta(days=1)).replace(day=1), this


def _week_before(today: date) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday())
    return monday - timedelta(days=7), monday


_DAYS: Mapping[ReportPeriod, Callable[[date], tuple[date, date]]] = {
    ReportPeriod.YESTERDAY: lambda today: (today - timedelta(days=1), today),
    ReportPeriod.LAST_7_DAYS: lambda today: (today - timedelta(days=7), today),
    ReportPeriod.LAST_WEEK: _week_before,
    ReportPeriod.LAST_MONTH: _month_before,
    ReportPeriod.THIS_MONTH: lambda today: (today.replace(day=1), today),
}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return _instant(day, time(), zone)


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return when clocks of a place show this; the first time, or as if they had gone on evenly."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


class Every(StrEnum):
    """How often a report is run."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSchedule:
    """When a report is run.

    Attributes:
        every: how often.
        at: at which time of the day, by clocks of the report's zone.
        on: on which day of the week (1 is Monday) or of the month (1 to 28); None for each day.
    """

    every: Every
    at: time
    on: int | None = None

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Return the first time after a moment at which it is due."""
        first = moment.astimezone(zone).date()
        for days in range(_LONGEST_MONTH_DAYS + 2):
            day = first + timedelta(days=days)
            if self._is_on(day) and (due := _instant(day, self.at, zone)) > moment:
                return due
        raise AssertionError(self)  # each of them comes within a month

    def _is_on(self, day: date) -> bool:
        match self.every:
            case Every.DAY:
                return True
            case Every.WEEK:
                return day.isoweekday() == self.on
            case Every.MONTH:
                return day.day == self.on


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A saved export.

    Attributes:
        filter: members of the resource's list, without times.
        period: of which time it tells.
        time_zone: whose days are meant, by its name; its local times stand in the file as well.
        format: of the file.
        columns: of the file, None for all.
        recipients: addresses that are mailed the file, or where it is.
        schedule: when it is run; None: when somebody asks.
        next_run_at: when it is due next; None without a schedule.
    """

    report_id: str
    organization_id: str
    name: str
    resource: ReportResource
    filter: Mapping[str, Any]
    period: ReportPeriod
    time_zone: str
    format: str
    columns: Sequence[str] | None
    recipients: Sequence[str]
    schedule: ReportSchedule | None
    next_run_at: datetime | None
    created_at: datetime

    def file_name(self, run: "ReportRun") -> str:
        """Return what the file of a run is called: of what it is, and until which day."""
        last = (run.until - timedelta(seconds=1)).astimezone(ZoneInfo(self.time_zone))
        return f"{self.resource}-{self.period}-{last:%Y%m%d}.{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """One run of a report.

    Attributes:
        job_id: of the job that runs it, which tells of failures and can be retried.
        since: the time that it tells of begins then,
        until: and ends before.
        storage_key: where its file is; None until then, and once that is removed.
        ended_at: when the file was there.
    """

    run_id: str
    report_id: str
    job_id: str
    due_at: datetime
    since: datetime
    until: datetime
    storage_key: str | None
    rows: int | None
    size_bytes: int | None
    ended_at: datetime | None
