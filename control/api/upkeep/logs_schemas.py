"""Logs of stations in the words of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from control.api.types import RequestBody, UtcTime
from control.api.upkeep.files_schemas import File
from control.api.upkeep.transfers_schemas import (
    Location,
    ReportedStatus,
    Retries,
    RetryIntervalS,
    without_secrets,
)
from shared.domain.commands import LogType
from shared.domain.upkeep import logs as domain
from shared.domain.upkeep import progress
from shared.domain.upkeep.progress import TransferState

_EXAMPLE: dict[str, Any] = {
    "log_request_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "state": "succeeded",
    "status": "Uploaded",
    "status_at": "2025-06-01T09:00:09Z",
    "answer_status": "Accepted",
    "log_type": "DiagnosticsLog",
    "file_name": "diagnostics-20250601.zip",
    "request_id": 18,
    "command_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a12",
    "file_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a13",
    "location": "https://api.example.com/files/0197278e-7e02-7d1c-a6d5-5a3f0f6b7a13/log"
    "?expires=1749376800&signature=5f1c...",
    "since": "2025-05-31T00:00:00Z",
    "until": None,
    "retries": None,
    "retry_interval_s": None,
    "created_at": "2025-06-01T09:00:00Z",
}


class LogCreate(RequestBody):
    """A log to ask a station for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"log_type": "DiagnosticsLog", "since": "2025-05-31T00:00:00Z"}]
        },
    )

    log_type: LogType = LogType.DIAGNOSTICS_LOG
    location: Location | None = Field(
        default=None, description="where it is uploaded to; left out, to us"
    )
    since: UtcTime | None = Field(default=None, description="nothing older")
    until: UtcTime | None = Field(default=None, description="nothing newer")
    retries: Retries | None = None
    retry_interval_s: RetryIntervalS | None = None


class Log(BaseModel):
    """A log asked of one station."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    log_request_id: str
    station_id: str
    state: TransferState = Field(
        description="`ambiguous`: what the station told last names no request, and can be of "
        "others that were open as well"
    )
    status: str | None = Field(description="the last that the station told, in OCPP's words")
    status_at: datetime | None
    answer_status: str | None = Field(
        description="what it said to the request; Rejected also if it has nothing to upload"
    )
    log_type: LogType | None = Field(description="null if the station told of it by itself")
    file_name: str | None = Field(description="what the station calls the file")
    request_id: int
    command_id: str | None
    file_id: str | None = Field(description="where it is uploaded to us")
    location: str | None
    since: datetime | None
    until: datetime | None
    retries: int | None
    retry_interval_s: int | None
    created_at: datetime

    @classmethod
    def of(cls, request: domain.LogRequest) -> Self:
        """Return a request for a log as it is answered."""
        return cls(**_members(request))


class LogDetails(Log):
    """A log with every step that the station told, and the file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "history": [{"status": "Uploaded", "reported_at": "2025-06-01T09:00:09Z"}],
                    "file": None,
                }
            ]
        }
    )

    history: list[ReportedStatus]
    file: File | None = Field(description="with a link to download it, once it is uploaded")

    @classmethod
    def with_history(
        cls,
        request: domain.LogRequest,
        history: list[progress.ReportedStatus],
        file: File | None,
    ) -> Self:
        """Return a request for a log as it is answered."""
        steps = [ReportedStatus.model_validate(step) for step in history]
        return cls(**_members(request), history=steps, file=file)


def _members(request: domain.LogRequest) -> dict[str, Any]:
    return {
        "log_request_id": request.log_request_id,
        "station_id": request.station_id,
        "state": request.state,
        "status": request.status,
        "status_at": request.status_at,
        "answer_status": request.answer_status,
        "log_type": request.log_type,
        "file_name": request.file_name,
        "request_id": request.request_id,
        "command_id": request.command_id,
        "file_id": request.file_id,
        "location": without_secrets(request.location),
        "since": request.since,
        "until": request.until,
        "retries": request.retries,
        "retry_interval_s": request.retry_interval_s,
        "created_at": request.created_at,
    }
