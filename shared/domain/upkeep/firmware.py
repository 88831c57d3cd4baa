"""Firmware updates: what is asked of a station, and how far it is (OCPP 2.0.1 part 2 L)."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.commands.command import CommandState
from shared.domain.upkeep.progress import TransferState, Words, transfer_state

# FirmwareStatusEnumType, failure and successful end states (1.6 security whitepaper §6.8).
FIRMWARE_WORDS = Words(
    succeeded=frozenset({"Installed"}),
    failed=frozenset(
        {"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature"}
    ),
    order=(
        frozenset({"DownloadScheduled"}),
        frozenset({"Downloading", "DownloadPaused"}),
        frozenset({"Downloaded", "DownloadFailed"}),
        frozenset({"SignatureVerified", "InvalidSignature"}),
        frozenset({"InstallScheduled"}),
        frozenset({"Installing", "InstallRebooting"}),
        frozenset({"Installed", "InstallationFailed", "InstallVerificationFailed"}),
    ),
    beginnings=frozenset({"DownloadScheduled", "Downloading", "DownloadPaused", "DownloadFailed"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdate:
    """One firmware update of one station.

    `location` is None for one that the station told of and we did not ask for. `status` is the last
    that it told, and `ambiguous` whether that can be of another update; `answer_status` is what it
    said to the request. `action` is the message that asked for it.
    """

    firmware_update_id: str
    station_id: str
    request_id: int
    command_id: str | None
    command_state: CommandState | None
    action: str | None
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
    ambiguous: bool
    created_at: datetime

    @property
    def state(self) -> TransferState:
        """How it stands."""
        return transfer_state(
            FIRMWARE_WORDS,
            status=self.status,
            answer_status=self.answer_status,
            command_state=self.command_state,
            ambiguous=self.ambiguous,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdateAnswered:
    """The station answered a request to update its firmware.

    `request_id` is None where the request, an `action` of OCPP, could not carry one.
    """

    station_id: str
    command_id: str
    request_id: int | None
    action: str | None = None
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
    """The station told how far it is, with one of the updates that this `action` asks for.

    `action` is None where all are asked for by the same one. Without a request id, which update it
    is follows from what is known of all of them (`unnamed_progress`).
    """

    station_id: str
    request_id: int | None
    action: str | None = None
    status: str
    reported_at: datetime
