"""Rules of alerts in the words of the API."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.access.locations_schemas import LocationId
from control.api.accounts.organizations_schemas import OwnerId
from control.api.accounts.types import Email
from control.api.notices.alert_conditions_schemas import (
    Condition,
    StationOffline,
    shown_condition,
    stored_condition,
)
from control.api.types import (
    ONE_LINE,
    RequestBody,
    StationId,
    TimeZone,
    UtcTime,
    schema_of_changes,
)
from shared.domain.notices import alerts as domain
from shared.domain.notices.alerts import AlertKind, Severity, Weekday

_DAY_S = 86_400
_NAMED_MAX = 1000
_EMAILS_MAX = 20
_STEPS_MAX = 5

Emails = Annotated[
    list[Email],
    Field(
        max_length=_EMAILS_MAX,
        description="who is mailed; webhooks and event streams are told by the events alert.*",
        examples=[["ops@example.com"]],
    ),
]
_WallTime = Annotated[
    str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5, examples=["22:00"])
]


class QuietHours(RequestBody):
    """When nobody is mailed; what happened is told when they are over."""

    time_zone: TimeZone
    begin: _WallTime
    end: _WallTime = Field(description="of the next day, if it is not later than `begin`")
    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)] = Field(
        default=list(Weekday), description="on which they begin"
    )

    def to_domain(self) -> domain.QuietHours:
        """Return them as the domain has them."""
        return domain.QuietHours(
            time_zone=self.time_zone,
            begin=time.fromisoformat(self.begin),
            end=time.fromisoformat(self.end),
            days=tuple(dict.fromkeys(self.days)),
        )


class EscalationStep(RequestBody):
    """Who is mailed as well, if nobody has acknowledged an alert."""

    after_s: Annotated[float, Field(ge=60, le=_DAY_S * 7)] = Field(
        description="so long after it was first told", examples=[900]
    )
    emails: Annotated[list[Email], Field(min_length=1, max_length=_EMAILS_MAX)]


_Name = Annotated[
    str, Field(min_length=1, max_length=100, examples=["Stations at the depot"]), ONE_LINE
]
_Locations = Annotated[
    list[LocationId], Field(max_length=_NAMED_MAX, description="it concerns stations there")
]
_Stations = Annotated[
    list[StationId],
    Field(
        max_length=_NAMED_MAX,
        description="and these stations. With both lists empty it concerns all of the organization "
        "and of those below it",
    ),
]
_Grouping = Annotated[
    float,
    Field(
        ge=0,
        le=_DAY_S,
        description="from one mail to the next; what comes meanwhile is told together",
    ),
]
_Resolve = Annotated[
    float,
    Field(
        ge=0,
        le=_DAY_S,
        description="for so long its condition has to be over before an alert is",
    ),
]
_Escalation = Annotated[list[EscalationStep], Field(max_length=_STEPS_MAX)]
_CONDITION_EXAMPLE: dict[str, Any] = {"kind": "station_offline", "longer_than_s": 900}


class AlertRuleCreate(RequestBody):
    """A rule to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Stations at the depot",
                    "condition": _CONDITION_EXAMPLE,
                    "location_ids": ["depot-north"],
                    "severity": "critical",
                    "emails": ["ops@example.com"],
                    "quiet_hours": {
                        "time_zone": "Europe/Berlin",
                        "begin": "22:00",
                        "end": "06:00",
                    },
                    "escalation": [{"after_s": 900, "emails": ["boss@example.com"]}],
                }
            ]
        }
    )

    name: _Name
    condition: Condition
    location_ids: _Locations = Field(default=[])
    station_ids: _Stations = Field(default=[])
    severity: Severity = Severity.WARNING
    emails: Emails = Field(default=[])
    grouping_interval_s: _Grouping = 300
    resolve_after_s: _Resolve = 60
    quiet_hours: QuietHours | None = None
    escalation: _Escalation = Field(default=[])
    enabled: bool = True
    organization_id: OwnerId | None = None


class AlertRuleUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra=schema_of_changes({"silenced_until": "2026-12-02T06:00:00Z"})
    )

    name: _Name = ""
    condition: Condition = Field(
        default_factory=lambda: StationOffline(kind=AlertKind.STATION_OFFLINE)
    )
    location_ids: _Locations = Field(default=[])
    station_ids: _Stations = Field(default=[])
    severity: Severity = Severity.WARNING
    emails: Emails = Field(default=[])
    grouping_interval_s: _Grouping = 300
    resolve_after_s: _Resolve = 60
    quiet_hours: QuietHours | None = None
    escalation: _Escalation = Field(default=[])
    enabled: bool = True
    silenced_until: UtcTime | None = Field(
        default=None, description="nobody is mailed before; null ends that"
    )


class DefaultAlertRules(RequestBody):
    """Rules that most operators want, to be made as they stand in docs/how-to/alerts.md."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"emails": ["ops@example.com"]}]})

    emails: Emails = Field(default=[])
    organization_id: OwnerId | None = None


class AlertRule(BaseModel):
    """When somebody is to be woken, for what, and who."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rule_id": "0197b7a6-5f0e-7b3c-9b8e-3c1d2a4f5e6d",
                    "organization_id": "default",
                    "name": "Stations at the depot",
                    "condition": _CONDITION_EXAMPLE,
                    "location_ids": ["depot-north"],
                    "station_ids": [],
                    "severity": "critical",
                    "emails": ["ops@example.com"],
                    "grouping_interval_s": 300.0,
                    "resolve_after_s": 60.0,
                    "quiet_hours": None,
                    "escalation": [],
                    "enabled": True,
                    "silenced_until": None,
                    "created_at": "2026-12-01T04:00:00Z",
                    "updated_at": "2026-12-01T04:00:00Z",
                }
            ]
        }
    )

    rule_id: str
    organization_id: str
    name: str
    condition: Condition
    location_ids: list[str]
    station_ids: list[str]
    severity: Severity
    emails: list[str]
    grouping_interval_s: float
    resolve_after_s: float
    quiet_hours: QuietHours | None
    escalation: list[EscalationStep]
    enabled: bool
    silenced_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, rule: domain.AlertRule) -> "AlertRule":
        """Return a rule as the API shows it."""
        quiet = rule.quiet_hours
        shown = {name: getattr(rule, name) for name in cls.model_fields if name not in _MADE}
        return cls.model_validate(
            {
                **shown,
                **{name: list(shown[name]) for name in ("location_ids", "station_ids", "emails")},
                "condition": shown_condition(rule),
                "quiet_hours": quiet
                and {
                    "time_zone": quiet.time_zone,
                    "begin": f"{quiet.begin:%H:%M}",
                    "end": f"{quiet.end:%H:%M}",
                    "days": list(quiet.days),
                },
                "escalation": [
                    {"after_s": step.after_s, "emails": list(step.emails)}
                    for step in rule.escalation
                ],
            }
        )


_MADE = frozenset({"condition", "quiet_hours", "escalation"})


class MadeAlertRules(BaseModel):
    """The rules that were made."""

    items: list[AlertRule]


def stored_values(body: AlertRuleCreate | AlertRuleUpdate) -> Mapping[str, Any]:
    """Return what a request says, by the columns that it is kept in."""
    told = {name: getattr(body, name) for name in body.model_fields_set}
    if isinstance(body, AlertRuleCreate):
        told = {name: getattr(body, name) for name in AlertRuleCreate.model_fields}
        told.pop("organization_id")
    if "condition" in told:
        told |= stored_condition(told.pop("condition"))
    if told.get("quiet_hours") is not None:
        told["quiet_hours"] = told["quiet_hours"].to_domain()
    if "emails" in told:
        told["emails"] = list(dict.fromkeys(told["emails"]))
    if "escalation" in told:
        told["escalation"] = tuple(
            domain.EscalationStep(after_s=step.after_s, emails=tuple(dict.fromkeys(step.emails)))
            for step in told["escalation"]
        )
    return told
