"""Requests of commands that fetch logs."""

from typing import Any, Literal

from pydantic import Field

from control.api.commands.schemas.request import CommandRequest
from control.api.upkeep.transfers_schemas import (
    Location,
    RequestId,
    Retries,
    RetryIntervalS,
    TimeText,
)
from shared.domain.commands import LogType


class GetLog(CommandRequest):
    """Upload a log. OCPP 1.6: GetDiagnostics, or GetLog for the security log.

    `POST /v1/stations/{station_id}/logs` does this with a place to upload to here.
    """

    type: Literal["GetLog"]
    log_type: LogType
    location: Location
    since: TimeText | None = Field(default=None, description="nothing older")
    until: TimeText | None = Field(default=None, description="nothing newer")
    retries: Retries | None = None
    retry_interval_s: RetryIntervalS | None = None
    request_id: RequestId | None = None


EXAMPLES: dict[str, dict[str, Any]] = {
    "GetLog": {
        "log_type": "DiagnosticsLog",
        "location": "https://logs.example.com/CS-0001/",
        "since": "2025-05-31T00:00:00Z",
    }
}
"""The fields of one request of each type."""
