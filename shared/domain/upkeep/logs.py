"""Logs that stations upload (OCPP 2.0.1 part 2 N01; OCPP 1.6 §5.9)."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.commands.command import CommandState
from shared.domain.commands.logs import LogType
from shared.domain.upkeep.progress import TransferState, Words, transfer_state

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
    order=(
        frozenset({"Uploading"}),
        frozenset(
            {
                "Uploaded",
                "BadMessage",
                "NotSupportedOperation",
                "PermissionDenied",
                "UploadFailure",
                "AcceptedCanceled",
            }
        ),
    ),
    beginnings=frozenset({"Uploading", "BadMessage", "NotSupportedOperation", "PermissionDenied"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """One log asked of one station.

    `file_id` is ours, where it is uploaded to us; `file_name` is the station's. `log_type` is None
    for an upload that the station told of and we did not ask for. `ambiguous` is whether its status
    can be of another request, and `action` the message that asked for it.
    """

    log_request_id: str
    station_id: str
    request_id: int
    command_id: str | None
    command_state: CommandState | None
    action: str | None
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
    ambiguous: bool
    created_at: datetime

    @property
    def state(self) -> TransferState:
        """How it stands."""
        return transfer_state(
            LOG_WORDS,
            status=self.status,
            answer_status=self.answer_status,
            command_state=self.command_state,
            ambiguous=self.ambiguous,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequestAnswered:
    """The station answered a request for a log.

    `request_id` is None where the request, an `action` of OCPP, could not carry one. `file_name` is
    None if there is nothing to upload.
    """

    station_id: str
    command_id: str
    request_id: int | None
    action: str | None = None
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
    """The station told how far one of the uploads is that this `action` asks for.

    `action` is None where all are asked for by the same one. Without a request id, which upload it
    is follows from what is known of all of them (`unnamed_progress`).
    """

    station_id: str
    request_id: int | None
    action: str | None = None
    status: str
    reported_at: datetime
