"""The OCPP log in the words of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.redaction import redact_text
from shared.domain.stations import ocpp_log as domain
from shared.domain.stations.ocpp_log import Direction

_ENTRY_EXAMPLE: dict[str, Any] = {
    "called_at": "2025-06-01T09:00:00.104Z",
    "station_id": "CS-0001",
    "ocpp_version": "1.6",
    "direction": "from_station",
    "action": "Heartbeat",
    "message_id": "1042",
    "outcome": "CallResult",
    "detail": None,
    "latency_ms": 0.213,
    "request": '[2,"1042","Heartbeat",{}]',
    "response": '[3,"1042",{"currentTime":"2025-06-01T09:00:00.104Z"}]',
    "truncated": False,
    "pod_id": "gateway-1-3f9a2c",
    "trace_id": None,
}


class LogEntry(BaseModel):
    """One exchange: a CALL and what became of it, or a frame that was no CALL."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY_EXAMPLE]})

    called_at: datetime = Field(
        description="when the pod received the CALL, or sent it, by its clock"
    )
    station_id: str
    ocpp_version: str
    direction: Direction = Field(description="who sent the CALL")
    action: str | None = Field(description="null for what no version of OCPP knows")
    message_id: str | None = Field(description="of a command of ours: its command_id")
    outcome: str = Field(
        description="`CallResult`, the code of the CALLERROR in OCPP 2.0.1's spelling, "
        "`MalformedAnswer`, or why there was no answer: `NotAnswered`, `TimedOut`, "
        "`ConnectionLost`, `Ignored`"
    )
    detail: str | None = Field(
        description="why a frame was ignored, or what is wrong with the form of an answer"
    )
    latency_ms: float | None = Field(description="from the CALL to its answer; null without one")
    request: str | None = Field(description="as it was on the wire, without secrets")
    response: str | None = Field(description="likewise; null if there was none")
    truncated: bool = Field(description="whether a frame was too long to be kept whole")
    pod_id: str
    trace_id: str | None

    @classmethod
    def of(cls, entry: domain.LogEntry) -> Self:
        """Return an entry as it is answered."""
        return cls.model_validate(to_json(entry))


def to_json(entry: domain.LogEntry) -> dict[str, Any]:
    """Return an entry's members in the API's words; times are as Python has them."""
    return {
        "called_at": entry.called_at,
        "station_id": entry.station_id,
        "ocpp_version": entry.ocpp_version,
        "direction": entry.direction,
        "action": entry.action,
        "message_id": entry.message_id,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "latency_ms": None if entry.latency_us is None else entry.latency_us / 1000,
        "request": shown(entry, entry.request),
        "response": shown(entry, entry.response),
        "truncated": entry.truncated,
        "pod_id": entry.pod_id,
        "trace_id": entry.trace_id,
    }


def shown(entry: domain.LogEntry, frame: str | None) -> str | None:
    """Hide what was no secret yet when it was written: operators add names later."""
    if frame is None or (entry.action and entry.action not in domain.MAY_HOLD_SECRETS):
        return frame
    return redact_text(frame)
