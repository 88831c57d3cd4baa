"""Alerts in the words of the API."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from control.api.types import FREE_TEXT, RequestBody, UtcTime, members_of
from control.notices.alert_words import words_of
from shared.domain.notices import alerts as domain
from shared.domain.notices.alerts import AlertKind, AlertState, HealingStep, Severity, StepOutcome

_ID = "0197b7a6-5f0e-7b3c-9b8e-3c1d2a4f5e6d"
_EXAMPLE: dict[str, Any] = {
    "alert_id": _ID,
    "organization_id": "default",
    "rule_id": _ID,
    "rule_name": "Stations at the depot",
    "kind": "station_offline",
    "severity": "critical",
    "state": "open",
    "summary": "CS-0042 is offline",
    "subject": "CS-0042",
    "station_id": "CS-0042",
    "location_id": "depot-north",
    "evse_id": None,
    "connector_id": None,
    "session_id": None,
    "since": "2026-12-01T04:00:00Z",
    "evidence": {"disconnected_at": "2026-12-01T04:00:00+00:00"},
    "fired_at": "2026-12-01T04:15:00Z",
    "occurrences": 1,
    "clear_since": None,
    "acknowledged_at": None,
    "acknowledged_by": None,
    "note": None,
    "silenced_until": None,
    "resolved_at": None,
}


class Acknowledgement(RequestBody):
    """That somebody sees to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "on my way"}]})

    note: Annotated[str, Field(max_length=1000), FREE_TEXT] | None = None


class Silence(RequestBody):
    """For how long nobody is mailed of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"until": "2026-12-02T06:00:00Z"}]})

    until: UtcTime | None = Field(description="null: from now on people are mailed again")


class Alert(BaseModel):
    """That a rule's condition is, or was, fulfilled by something."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    alert_id: str
    organization_id: str = Field(description="of the rule")
    rule_id: str
    rule_name: str = Field(description="as it was when it fired")
    kind: AlertKind
    severity: Severity
    state: AlertState
    summary: str = Field(description="one sentence, for people")
    subject: str = Field(description="what it is about; one rule has one open alert of each")
    station_id: str | None
    location_id: str | None
    evse_id: int | None = Field(description="0: the station as such")
    connector_id: int | None
    session_id: str | None
    since: datetime | None = Field(description="when its condition began, if that is known")
    evidence: dict[str, Any] = Field(description="what was seen when it fired")
    fired_at: datetime
    occurrences: int = Field(description="how often its condition came")
    clear_since: datetime | None = Field(
        description="since when its condition is over; it resolves after `resolve_after_s`"
    )
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    silenced_until: datetime | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, alert: domain.Alert) -> "Alert":
        """Return an alert as the API shows it."""
        words = words_of(alert, UTC)
        return cls(**members_of(alert), state=alert.state, summary=words.headline)


_STEP_EXAMPLE: dict[str, Any] = {
    "step": "reset_when_idle",
    "outcome": "taken",
    "detail": "it was asked of the station: see the command",
    "command_id": _ID,
    "taken_at": "2026-12-01T04:17:00Z",
}
_NOTIFICATION_EXAMPLE: dict[str, Any] = {
    "notification_id": _ID,
    "step": 0,
    "channel": "email",
    "recipient": "ops@example.com",
    "subject": "[critical] Stations at the depot: CS-0042",
    "state": "sent",
    "tries": 1,
    "error": None,
    "created_at": "2026-12-01T04:15:20Z",
    "sent_at": "2026-12-01T04:15:21Z",
}


class AlertStep(BaseModel):
    """A step of self-healing."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_STEP_EXAMPLE]})

    step: HealingStep
    outcome: StepOutcome = Field(
        description="`waits`: it is looked at again. `refused`: a limit was in the way, or the "
        "station is offline"
    )
    detail: str
    command_id: str | None
    taken_at: datetime


class AlertNotification(BaseModel):
    """A mail that tells of an alert, and of others of its rule."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_NOTIFICATION_EXAMPLE]}
    )

    notification_id: str
    step: int = Field(description="0: who is told first; else of the escalation")
    channel: Literal["email"]
    recipient: str
    subject: str
    state: Literal["waiting", "sent", "failed"]
    tries: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None


class AlertDetails(Alert):
    """An alert, with what was done about it by itself, and who was told."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _EXAMPLE | {"steps": [_STEP_EXAMPLE], "notifications": [_NOTIFICATION_EXAMPLE]}
            ]
        }
    )

    steps: list[AlertStep] = Field(description="the first 200")
    notifications: list[AlertNotification] = Field(description="the latest 100, the newest first")
