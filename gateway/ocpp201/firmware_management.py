"""L. Firmware management."""

import secrets
from collections.abc import Iterable
from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import FirmwareType
from ocpp.v201.enums import Action

from gateway.handlers import Handlers
from gateway.quotas import Quota
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import named_request, parse_time
from shared.domain import commands
from shared.domain.upkeep.firmware import FirmwareStatusReported, FirmwareUpdateAnswered

_FIRMWARE_STATUS_NOTIFICATION_ANSWER = call_result.FirmwareStatusNotification()


class FirmwareManagement(Handlers):
    """FirmwareStatusNotification, UpdateFirmware."""

    __slots__ = ()

    @on(Action.firmware_status_notification)
    async def on_firmware_status_notification(
        self, *, status: str, request_id: int | None = None, **_: object
    ) -> call_result.FirmwareStatusNotification:
        """Keep how far an update is (L01.FR.01, L01.FR.10)."""
        if self.grant(Quota.TRANSFER_STEPS):
            await self.services.ingest.submit(
                FirmwareStatusReported(
                    station_id=self.station.station_id,
                    request_id=named_request(request_id),
                    status=status,
                    reported_at=self.services.now(),
                )
            )
        return _FIRMWARE_STATUS_NOTIFICATION_ANSWER

    @sends(commands.UpdateFirmware)
    def update_firmware(self, command: commands.UpdateFirmware) -> call.UpdateFirmware:
        """L01, L02."""
        request_id = command.request_id
        return call.UpdateFirmware(
            request_id=secrets.randbits(31) if request_id is None else request_id,
            firmware=FirmwareType(
                location=command.location,
                retrieve_date_time=command.retrieve_at,
                install_date_time=command.install_at,
                signing_certificate=command.signing_certificate,
                signature=command.signature,
            ),
            retries=command.retries,
            retry_interval=command.retry_interval_s,
        )

    @answered(Action.update_firmware)
    def update_firmware_answered(self, call: AnsweredCall) -> Iterable[FirmwareUpdateAnswered]:
        """Keep what was asked and answered."""
        firmware: dict[str, Any] = call.request["firmware"]
        install_at = firmware.get("installDateTime")
        yield FirmwareUpdateAnswered(
            station_id=self.station.station_id,
            command_id=call.command_id,
            request_id=call.request["requestId"],
            action=Action.update_firmware,
            location=firmware["location"],
            retrieve_at=parse_time(firmware["retrieveDateTime"], "retrieveDateTime"),
            install_at=parse_time(install_at, "installDateTime") if install_at else None,
            retries=call.request.get("retries"),
            retry_interval_s=call.request.get("retryInterval"),
            signing_certificate=firmware.get("signingCertificate"),
            signature=firmware.get("signature"),
            answer_status=call.answer["status"],
        )
