"""Alerts: what somebody wants to be woken for, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from shared.domain.time_zones import time_zone_of


class AlertKind(StrEnum):
    """What a rule watches. What its parameters mean stands in the API and in docs/how-to/alerts.md.

    Units are in their names.
    """

    STATION_OFFLINE = "station_offline"
    CONNECTOR_FAULTED = "connector_faulted"
    STUCK_SESSION = "stuck_session"
    NO_SUCCESSFUL_START = "no_successful_start"
    CALL_ERRORS = "call_errors"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    FLAPPING = "flapping"
    UNKNOWN_COMMAND_OUTCOME = "unknown_command_outcome"
    DISK_SPACE = "disk_space"
    PARTITIONS = "partitions"


OF_INSTALLATION = frozenset({AlertKind.DISK_SPACE, AlertKind.PARTITIONS})
"""Kinds that watch the installation and no station: for who runs it, the default organization."""
HEALABLE = frozenset({AlertKind.CONNECTOR_FAULTED})
"""Kinds whose rules may take steps by themselves."""


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    """Somebody sees to it; it goes on until its condition ends."""
    RESOLVED = "resolved"


class Weekday(StrEnum):
    """A day of the week, in the order of `datetime.weekday`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEKDAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When nobody is told anything; what happens then is told afterwards.

    Attributes:
        time_zone: IANA name, whose clock the others are by.
        begin: when they begin.
        end: when they end, on the next day if that is not later. Equal to `begin`: a whole day.
        days: on which days they begin.
    """

    time_zone: str
    begin: time
    end: time
    days: tuple[Weekday, ...] = _WEEKDAYS

    def covers(self, at: datetime) -> bool:
        """Tell whether a moment lies within them, by the clock on the wall."""
        local = at.astimezone(time_zone_of(self.time_zone))
        now = local.time().replace(tzinfo=None)
        today = _WEEKDAYS[local.weekday()] in self.days
        if self.begin < self.end:
            return today and self.begin <= now < self.end
        yesterday = _WEEKDAYS[local.weekday() - 1] in self.days
        return (today and now >= self.begin) or (yesterday and now < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationStep:
    """Who else is told of what nobody has acknowledged.

    Attributes:
        after_s: so long after it was first told.
        emails: whom.
    """

    after_s: float
    emails: tuple[str, ...]


class HealingStep(StrEnum):
    """What may be done about an alert without anybody; in this order."""

    TRIGGER_STATUS = "trigger_status"
    """Ask the station how the connector is: the fault may have gone without a word."""
    RESET_WHEN_IDLE = "reset_when_idle"
    """Restart the station, once nobody charges there."""
    OPEN_TICKET = "open_ticket"
    """Say by the event ticket.opened that somebody has to go there."""


class StepOutcome(StrEnum):
    """What came of a step that was due."""

    TAKEN = "taken"
    WAITS = "waits"
    """It is looked at again: somebody charges there."""
    REFUSED = "refused"
    """It was left out: a limit was in the way, or the station is offline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfHealing:
    """What a rule does by itself.

    Attributes:
        steps: in the order of `HealingStep`.
        wait_s: before the first step, and from each to the next: what was done may help.
        max_resets_per_day: of one station in 24 hours, whichever rules asked for them.
    """

    steps: tuple[HealingStep, ...]
    wait_s: float
    max_resets_per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """When somebody is to be woken, for what, and who.

    Attributes:
        parameters: of its kind, with units in their names.
        station_ids: it concerns these stations, and those at `location_ids`. With both empty, all
            of its organization and of those below it.
        emails: who is told first.
        grouping_interval_s: from one mail to the next; what comes meanwhile is told together.
        resolve_after_s: for so long its condition has to be over before an alert is.
        silenced_until: nobody is told before; what lasts is told then.
        last_told_at: when somebody was last told.
    """

    rule_id: str
    organization_id: str
    name: str
    kind: AlertKind
    parameters: Mapping[str, Any]
    location_ids: tuple[str, ...]
    station_ids: tuple[str, ...]
    severity: Severity
    emails: tuple[str, ...]
    grouping_interval_s: float
    resolve_after_s: float
    quiet_hours: QuietHours | None
    escalation: tuple[EscalationStep, ...]
    self_healing: SelfHealing | None
    enabled: bool
    silenced_until: datetime | None
    last_told_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def keeps_quiet(self, at: datetime) -> bool:
        """Tell whether nobody is to be told anything now."""
        if self.silenced_until is not None and at < self.silenced_until:
            return True
        return self.quiet_hours is not None and self.quiet_hours.covers(at)

    def tells_at(self, first: datetime, *, group_wait_s: float) -> datetime:
        """Return when the next mail is due: what happens together is told together.

        Args:
            first: when the first thing happened that was not told.
            group_wait_s: for so long others are waited for.
        """
        due = first + timedelta(seconds=group_wait_s)
        if self.last_told_at is None:
            return due
        return max(due, self.last_told_at + timedelta(seconds=self.grouping_interval_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """That a rule's condition is, or was, fulfilled by something.

    Attributes:
        subject: what it is about; one rule has one open alert of each subject.
        since: when the condition began, as far as that is known.
        evidence: what was seen when it fired.
        occurrences: how often the condition came: again within `resolve_after_s` is the same alert.
        clear_since: since when the condition is over, while the alert is not.
    """

    alert_id: str
    organization_id: str
    rule_id: str
    rule_name: str
    kind: AlertKind
    severity: Severity
    subject: str
    station_id: str | None
    location_id: str | None
    evse_id: int | None
    connector_id: int | None
    session_id: str | None
    since: datetime | None
    evidence: Mapping[str, Any]
    fired_at: datetime
    occurrences: int
    clear_since: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    silenced_until: datetime | None
    resolved_at: datetime | None

    @property
    def state(self) -> AlertState:
        """Where it is in its life."""
        if self.resolved_at is not None:
            return AlertState.RESOLVED
        return AlertState.OPEN if self.acknowledged_at is None else AlertState.ACKNOWLEDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts are asked for; None is no condition. `since`, `until`: when they fired."""

    state: AlertState | None = None
    kind: AlertKind | None = None
    severity: Severity | None = None
    station_id: str | None = None
    rule_id: str | None = None
    organization_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What makes an alert: a kind, and what it asks for."""

    kind: AlertKind
    parameters: Mapping[str, Any] = field(default_factory=dict)


def loosest(
    conditions: Iterable[Mapping[str, Any]], names: Sequence[str], *, choose_highest: bool
) -> float | None:
    """Return the value that lets most through, of these parameters of some conditions."""
    values = [
        float(each[name]) for each in conditions for name in names if each.get(name) is not None
    ]
    if not values:
        return None
    return max(values) if choose_highest else min(values)


DEFAULT_RULES: Sequence[tuple[str, Severity, Condition]] = (
    (
        "Station offline",
        Severity.CRITICAL,
        Condition(kind=AlertKind.STATION_OFFLINE, parameters={"longer_than_s": 900}),
    ),
    (
        "Connector faulted",
        Severity.CRITICAL,
        Condition(kind=AlertKind.CONNECTOR_FAULTED, parameters={"longer_than_s": 120}),
    ),
    (
        "Session without end",
        Severity.WARNING,
        Condition(kind=AlertKind.STUCK_SESSION, parameters={"longer_than_s": 86_400}),
    ),
    (
        "Nobody starts a charge",
        Severity.WARNING,
        Condition(kind=AlertKind.NO_SUCCESSFUL_START, parameters={"for_s": 604_800}),
    ),
    (
        "Calls go wrong",
        Severity.WARNING,
        Condition(
            kind=AlertKind.CALL_ERRORS,
            parameters={"more_than_percent": 20, "at_least_failures": 10, "within_s": 900},
        ),
    ),
    (
        "Certificate expires",
        Severity.WARNING,
        Condition(kind=AlertKind.CERTIFICATE_EXPIRING, parameters={"within_s": 1_209_600}),
    ),
    (
        "Station flaps",
        Severity.WARNING,
        Condition(kind=AlertKind.FLAPPING, parameters={"more_than": 10, "within_s": 3600}),
    ),
    (
        "Outcome of a command unknown",
        Severity.INFO,
        Condition(kind=AlertKind.UNKNOWN_COMMAND_OUTCOME, parameters={"within_s": 86_400}),
    ),
    (
        "Disk nearly full",
        Severity.CRITICAL,
        Condition(kind=AlertKind.DISK_SPACE, parameters={"free_below_percent": 10}),
    ),
    (
        "Partitions missing",
        Severity.CRITICAL,
        Condition(kind=AlertKind.PARTITIONS, parameters={"days_ahead_below": 2}),
    ),
)
"""Rules that most operators want: made when somebody asks for them, and never by themselves."""
