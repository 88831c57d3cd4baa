"""Commands in the words of the API: one request per command of the domain, and the record."""

from typing import Annotated, Any

from pydantic import Field

from control.api.commands.schemas import (
    certificates,
    core,
    firmware,
    local_lists,
    logs,
    reservations,
    smart_charging,
)
from control.api.commands.schemas.core import RemoteStop
from control.api.commands.schemas.record import Command
from control.api.commands.schemas.request import CommandRequest, IfOffline
from control.api.commands.schemas.smart_charging import SetChargingProfile
from control.api.waiting import WAIT_MAX_S

__all__ = [
    "EXAMPLES",
    "OPENAPI_EXAMPLES",
    "WAIT_MAX_S",
    "AnyCommandRequest",
    "Command",
    "CommandRequest",
    "IfOffline",
    "RemoteStop",
    "SetChargingProfile",
]

AnyCommandRequest = Annotated[
    core.RemoteStart
    | core.RemoteStop
    | core.Reset
    | core.ChangeAvailability
    | core.UnlockConnector
    | core.GetConfiguration
    | core.ChangeConfiguration
    | core.ClearCache
    | core.TriggerMessage
    | core.DataTransfer
    | smart_charging.SetChargingProfile
    | smart_charging.ClearChargingProfile
    | smart_charging.GetCompositeSchedule
    | reservations.ReserveNow
    | reservations.CancelReservation
    | local_lists.SendLocalList
    | local_lists.GetLocalListVersion
    | firmware.UpdateFirmware
    | logs.GetLog
    | certificates.InstallCertificate
    | certificates.DeleteCertificate
    | certificates.GetInstalledCertificateIds
    | certificates.CertificateSigned
    | core.Call,
    Field(discriminator="type"),
]

EXAMPLES: dict[str, dict[str, Any]] = {
    **core.EXAMPLES,
    **local_lists.EXAMPLES,
    **smart_charging.EXAMPLES,
    **reservations.EXAMPLES,
    **firmware.EXAMPLES,
    **logs.EXAMPLES,
    **certificates.EXAMPLES,
}
"""The fields of one request of each type."""

OPENAPI_EXAMPLES: dict[str, Any] = {
    name: {"summary": name, "value": {"type": name, **example}}
    for name, example in EXAMPLES.items()
}
