"""Commands: what we ask of a station, in words that every version of OCPP can be asked in.

A command is at most once on the wire. Its life::

    queued ──> sent ──> accepted | answered | rejected | failed    the station's own answer
      │          └────> timed_out | unknown                        no answer that can be read
      ├───────────────> failed                                     it could not be sent
      └───────────────> expired | cancelled                        never sent
"""

from dataclasses import fields
from typing import Any

from shared.domain.commands.certificates import (
    CertificateSigned,
    DeleteCertificate,
    GetInstalledCertificateIds,
    InstallCertificate,
)
from shared.domain.commands.command import (
    Command,
    CommandRecord,
    CommandState,
    Outcome,
    QueuedReason,
    outcome_of_malformed_answer,
    outcome_without_answer,
)
from shared.domain.commands.core import (
    Call,
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    DataTransfer,
    GetConfiguration,
    MessageTrigger,
    OperationalStatus,
    RemoteStart,
    RemoteStop,
    Reset,
    ResetType,
    TriggerMessage,
    UnlockConnector,
    remote_start_id_of,
)
from shared.domain.commands.firmware import UpdateFirmware
from shared.domain.commands.local_lists import (
    GetLocalListVersion,
    LocalListUpdateType,
    SendLocalList,
)
from shared.domain.commands.logs import GetLog, LogType
from shared.domain.commands.reservations import CancelReservation, ReserveNow
from shared.domain.commands.smart_charging import (
    ClearChargingProfile,
    GetCompositeSchedule,
    SetChargingProfile,
)
from shared.domain.errors import InvalidInputError

__all__ = [
    "COMMANDS",
    "Call",
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "Command",
    "CommandRecord",
    "CommandState",
    "DataTransfer",
    "DeleteCertificate",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "InstallCertificate",
    "LocalListUpdateType",
    "LogType",
    "MessageTrigger",
    "OperationalStatus",
    "Outcome",
    "QueuedReason",
    "RemoteStart",
    "RemoteStop",
    "ReserveNow",
    "Reset",
    "ResetType",
    "SendLocalList",
    "SetChargingProfile",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
    "asked_fields",
    "command_params",
    "outcome_of_malformed_answer",
    "outcome_without_answer",
    "parse_command",
    "remote_start_id_of",
]

COMMANDS: dict[str, type[Command]] = {
    command.__name__: command
    for command in (
        RemoteStart,
        RemoteStop,
        Reset,
        ChangeAvailability,
        UnlockConnector,
        GetConfiguration,
        ChangeConfiguration,
        ClearCache,
        TriggerMessage,
        DataTransfer,
        SetChargingProfile,
        ClearChargingProfile,
        GetCompositeSchedule,
        ReserveNow,
        CancelReservation,
        SendLocalList,
        GetLocalListVersion,
        UpdateFirmware,
        GetLog,
        InstallCertificate,
        DeleteCertificate,
        GetInstalledCertificateIds,
        CertificateSigned,
        Call,
    )
}
"""Every command by the name it has in the API and in the store."""


def asked_fields(command: type[Command]) -> list[str]:
    """Return the names of a command's fields, without those that are filled in when it is sent."""
    return [field.name for field in fields(command) if "filled_in_later" not in field.metadata]


def command_params(command: Command) -> dict[str, Any]:
    """Return a command's fields, ready to be kept as JSON, without what is filled in later."""
    asked = asked_fields(type(command))
    values = {field.name: getattr(command, field.name) for field in fields(command)}
    return {name: value for name, value in values.items() if value is not None or name in asked}


def parse_command(name: str, params: dict[str, Any]) -> Command:
    """Build the command `name` from what `command_params` gave.

    Raises:
        InvalidInputError: no command has that name or those fields, as after a roll-back to a
            version that does not know it yet.
    """
    try:
        return COMMANDS[name](**params)
    except (KeyError, TypeError) as error:
        raise InvalidInputError(f"there is no command {name} with these fields: {error}") from error
