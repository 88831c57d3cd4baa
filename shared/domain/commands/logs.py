"""Fetching a station's logs."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.commands.command import Command


class LogType(StrEnum):
    """LogEnumType."""

    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLog(Command):
    """Upload a log to a location (N01); in OCPP 1.6 the diagnostics have their own message, §5.9.

    Times are written as RFC 3339. `request_id` None makes one.
    """

    log_type: LogType
    location: str
    since: str | None = None
    until: str | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    request_id: int | None = None
