"""The OCPP log: what went over the wire between a pod and its stations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

CALL_RESULT = "CallResult"
"""Outcome of an exchange that went well; any other one is in the level `errors`."""
MALFORMED_ANSWER = "MalformedAnswer"
"""Outcome of a CALL of ours that was answered in a form which is none of OCPP."""


class LogLevel(StrEnum):
    """How much is logged; each level holds what those before it hold."""

    OFF = "off"
    """Nothing."""
    ERRORS = "errors"
    """What was refused, failed, ignored or not answered."""
    EVENTS = "events"
    """Everything but what stations say by the clock: answered Heartbeats and MeterValues."""
    ALL = "all"
    """Every frame."""


PERIODIC_ACTIONS = frozenset({"Heartbeat", "MeterValues"})
"""What stations say by the clock: most of what there is, and the least worth keeping."""

MAY_HOLD_SECRETS = frozenset(
    {
        "ChangeConfiguration",
        "DataTransfer",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLog",
        "GetVariables",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmware",
        "SetDisplayMessage",
        "SetNetworkProfile",
        "SetVariables",
        "SignedUpdateFirmware",
        "UpdateFirmware",
    }
)
"""Only these can carry secrets, so that only these are read for them (`redaction`)."""


class Direction(StrEnum):
    """Who sent the CALL."""

    FROM_STATION = "from_station"
    TO_STATION = "to_station"


class NoAnswer(StrEnum):
    """Outcomes of a frame that got no answer; the others are `CallResult` and error codes."""

    NOT_ANSWERED = "NotAnswered"
    """We could not commit it, or the connection ended first: the station sends it again."""
    TIMED_OUT = "TimedOut"
    """The station did not answer in time."""
    CONNECTION_LOST = "ConnectionLost"
    """The connection ended before the station answered."""
    IGNORED = "Ignored"
    """It was no message of OCPP, or the answer to nothing that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Where an entry stands in the log."""

    called_at: datetime
    entry_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An exchange as it was written: a CALL and what became of it.

    `called_at` is when the pod received or sent the CALL; the answer followed `latency_us` later.
    """

    entry_id: int
    called_at: datetime
    station_id: str
    ocpp_version: str
    direction: Direction
    action: str | None
    message_id: str | None
    outcome: str
    detail: str | None
    latency_us: int | None
    request: str | None
    response: str | None
    truncated: bool
    pod_id: str
    trace_id: str | None

    @property
    def position(self) -> LogPosition:
        """Where it stands."""
        return LogPosition(called_at=self.called_at, entry_id=self.entry_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """What of the log is asked for; None is no condition.

    `outcome` is one of the outcomes, or `error` for every one but `CallResult`. `contains` is text
    that stands in the request or the response, letter case included.
    """

    since: datetime | None = None
    until: datetime | None = None
    station_id: str | None = None
    action: str | None = None
    direction: Direction | None = None
    outcome: str | None = None
    message_id: str | None = None
    contains: str | None = None

    def conditions(self) -> dict[str, Any]:
        """Return the members that are compared for equality, without those that are None."""
        members = {
            "station_id": self.station_id,
            "action": self.action,
            "direction": self.direction,
            "message_id": self.message_id,
        }
        return {name: value for name, value in members.items() if value is not None}


ANY_ERROR = "error"
"""`LogFilter.outcome` for everything that did not go well."""
