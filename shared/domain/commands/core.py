"""What any station can be asked: charge, restart, be configured, say something again."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from shared.domain.access.tokens import IdTokenType
from shared.domain.commands.command import FILLED_IN_LATER, Command


class ResetType(StrEnum):
    """ResetEnumType; OCPP 1.6 calls them Hard and Soft."""

    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"


class OperationalStatus(StrEnum):
    """OperationalStatusEnumType."""

    OPERATIVE = "Operative"
    INOPERATIVE = "Inoperative"


class MessageTrigger(StrEnum):
    """MessageTriggerEnumType, and two words that only OCPP 1.6 needs.

    There DiagnosticsStatusNotification is of GetDiagnostics, and SignedFirmwareStatusNotification
    of SignedUpdateFirmware.
    """

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    STATUS_NOTIFICATION = "StatusNotification"
    SIGN_CHARGING_STATION_CERTIFICATE = "SignChargingStationCertificate"
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    SIGNED_FIRMWARE_STATUS_NOTIFICATION = "SignedFirmwareStatusNotification"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStart(Command):
    """Start a charge for a token, on an EVSE or wherever the station chooses.

    `id_token_type` None means the one that the token is registered with. OCPP 1.6 knows no types.
    `charging_profile` is a document of `shared.domain.charging_profiles`: a TxProfile, without a
    transaction id, because the transaction has none yet. `remote_start_id` is for OCPP 2.0.1, and
    follows from the command's id when it is sent.
    """

    repeatable: ClassVar[bool] = False
    id_token: str
    evse_id: int | None = None
    id_token_type: IdTokenType | None = None
    charging_profile: dict[str, Any] | None = None
    remote_start_id: int | None = field(default=None, metadata=FILLED_IN_LATER)


def remote_start_id_of(command_id: str) -> int:
    """Return the remoteStartId of a remote start, by which its transaction names it (F02.FR.01).

    It follows from the command's id, so that whom a charge is for is known even if the station's
    answer, and all that was to be written then, was lost. The last bits of a UUID are random.
    """
    return UUID(command_id).int & 0x7FFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStop(Command):
    """Stop the charge with this transaction id."""

    repeatable: ClassVar[bool] = False
    transaction_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Command):
    """Restart the station, or one EVSE of it, at once or when nobody charges.

    OCPP 1.6 can restart the whole station only.
    """

    repeatable: ClassVar[bool] = False
    reset_type: ResetType = ResetType.ON_IDLE
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAvailability(Command):
    """Take an EVSE, or the whole station when none is named, in or out of service."""

    operational_status: OperationalStatus
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockConnector(Command):
    """Release the cable."""

    repeatable: ClassVar[bool] = False
    evse_id: int
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GetConfiguration(Command):
    """Read configuration; all of it when no keys are named.

    A key is a configuration key of OCPP 1.6, or a `Component.Variable` of OCPP 2.0.1, whose
    stations tell all of it later, in reports.
    """

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeConfiguration(Command):
    """Write one configuration value; its key is written as in `GetConfiguration`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCache(Command):
    """Empty the station's authorization cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMessage(Command):
    """Make the station send a message now."""

    requested_message: MessageTrigger
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransfer(Command):
    """Say something in a vendor's own words."""

    repeatable: ClassVar[bool] = False
    vendor_id: str
    message_id: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Command):
    """Send one CALL as it stands, checked against the schema of the station's own version."""

    repeatable: ClassVar[bool] = False
    action: str
    payload: dict[str, Any]
