"""Logs that stations upload (OCPP 2.0.1 part 2 N01; OCPP 1.6 §5.9)."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.commands.command import CommandState
from shared.domain.commands.logs import LogType
from shared.domain.progress import TransferState, Words, transfer_state

# UploadLogStatusEnumType (1.6 security whitepaper §6.19); 2.0.1 adds AcceptedCanceled, which a
# station tells of the upload that another request has ended.
LOG_WORDS = Words(
    succeeded=frozenset({"Uploaded"}),
    failed=frozenset(
        {
            "BadMessage",
            "NotSupportedOperation",
            "PermissionDenied",
            "UploadFailure",
            "AcceptedCanceled",
        }
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """One log asked of one station.

    `file_id` is ours, where it is uploaded to us; `file_name` is the station's. `log_type` is None
    for an upload that the station told of and we did not ask for.
    """

    log_request_id: str
    station_id: str
    request_id: int
    command_id: str | None
    command_state: CommandState | None
    file_id: str | None
    log_type: LogType | None
    location: str | None
    since: datetime | None
    until: datetime | None
    retries: int | None
    retry_interval_s: int | None
    file_name: str | None
    answer_status: str | None
    status: str | None
    status_at: datetime | None
    created_at: datetime

    @property
    def state(self) -> TransferState:
        """How it stands."""
        return transfer_state(
            LOG_WORDS,
            status=self.status,
            answer_status=self.answer_status,
            command_state=self.command_state,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequestAnswered:
    """The station answered a request for a log.

    `request_id` is None where the request could not carry one. `file_name` is None if there is
    nothing to upload.
    """

    station_id: str
    command_id: str
    request_id: int | None
    log_type: LogType
    location: str
    since: datetime | None
    until: datetime | None
    retries: int | None
    retry_interval_s: int | None
    file_name: str | None
    answer_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatusReported:
    """The station told how far its upload is; without a request id, its latest one."""

    station_id: str
    request_id: int | None
    status: str
    reported_at: datetime
