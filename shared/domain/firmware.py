"""Firmware updates: what is asked of a station, and how far it is (OCPP 2.0.1 part 2 L)."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.commands.command import CommandState
from shared.domain.progress import TransferState, Words, transfer_state

# FirmwareStatusEnumType, failure and successful end states (1.6 security whitepaper §6.8).
FIRMWARE_WORDS = Words(
    succeeded=frozenset({"Installed"}),
    failed=frozenset(
        {"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature"}
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdate:
    """One firmware update of one station.

    `location` is None for one that the station told of and we did not ask for. `status` is the last
    that it told, and `answer_status` what it said to the request.
    """

    firmware_update_id: str
    station_id: str
    request_id: int
    command_id: str | None
    command_state: CommandState | None
    file_id: str | None
    location: str | None
    retrieve_at: datetime | None
    install_at: datetime | None
    retries: int | None
    retry_interval_s: int | None
    signing_certificate: str | None
    signature: str | None
    answer_status: str | None
    status: str | None
    status_at: datetime | None
    created_at: datetime

    @property
    def state(self) -> TransferState:
        """How it stands."""
        return transfer_state(
            FIRMWARE_WORDS,
            status=self.status,
            answer_status=self.answer_status,
            command_state=self.command_state,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdateAnswered:
    """The station answered a request to update its firmware.

    `request_id` is None where the request could not carry one.
    """

    station_id: str
    command_id: str
    request_id: int | None
    location: str
    retrieve_at: datetime
    install_at: datetime | None
    retries: int | None
    retry_interval_s: int | None
    signing_certificate: str | None
    signature: str | None
    answer_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareStatusReported:
    """The station told how far it is; without a request id, with its latest update."""

    station_id: str
    request_id: int | None
    status: str
    reported_at: datetime
