"""The Firmware Management profile of OCPP 1.6, and what the security extension puts beside it.

Firmware: UpdateFirmware (§5.19), or SignedUpdateFirmware (whitepaper L01) with a signature. Logs:
GetDiagnostics (§5.9), or GetLog (whitepaper N01) for the security log, which the former cannot ask
for. Statuses are kept in the words of OCPP 2.0.1.
"""

import secrets
from collections.abc import Iterable
from typing import Any

from ocpp.v16 import call, call_result, datatypes
from ocpp.v16.enums import Action, Log

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.quotas import Quota
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import named_request, parse_time
from shared.domain import commands
from shared.domain.commands import LogType
from shared.domain.upkeep.firmware import FirmwareStatusReported, FirmwareUpdateAnswered
from shared.domain.upkeep.logs import LogRequestAnswered, LogStatusReported

_LOG_STATUS = {"UploadFailed": "UploadFailure"}
_ACCEPTED = "Accepted"
_REJECTED = "Rejected"


class FirmwareManagement(Handlers):
    """Firmware updates, and logs that stations upload."""

    __slots__ = ()

    @on(Action.firmware_status_notification)
    async def on_firmware_status_notification(
        self, *, status: str
    ) -> call_result.FirmwareStatusNotification:
        """Keep how far an update is (§4.5). Which one it is, the message cannot say."""
        await self._firmware_status(status, Action.update_firmware)
        return call_result.FirmwareStatusNotification()

    @on(Action.signed_firmware_status_notification)
    async def on_signed_firmware_status_notification(
        self, *, status: str, request_id: int | None = None
    ) -> call_result.SignedFirmwareStatusNotification:
        """Keep how far a signed update is (whitepaper L01.FR.01, L01.FR.10)."""
        await self._firmware_status(status, Action.signed_update_firmware, request_id)
        return call_result.SignedFirmwareStatusNotification()

    @on(Action.diagnostics_status_notification)
    async def on_diagnostics_status_notification(
        self, *, status: str
    ) -> call_result.DiagnosticsStatusNotification:
        """Keep how far an upload is (§4.4). Which one it is, the message cannot say."""
        await self._log_status(_LOG_STATUS.get(status, status), Action.get_diagnostics)
        return call_result.DiagnosticsStatusNotification()

    @on(Action.log_status_notification)
    async def on_log_status_notification(
        self, *, status: str, request_id: int | None = None
    ) -> call_result.LogStatusNotification:
        """Keep how far an upload is (whitepaper N01.FR.07)."""
        await self._log_status(status, Action.get_log, request_id)
        return call_result.LogStatusNotification()

    @sends(commands.UpdateFirmware)
    def update_firmware(
        self, command: commands.UpdateFirmware
    ) -> call.UpdateFirmware | call.SignedUpdateFirmware:
        """§5.19; with a signature, whitepaper L01."""
        if command.signing_certificate is None or command.signature is None:
            if command.signing_certificate != command.signature:
                raise CannotBeSaidError(
                    "a signed update of OCPP 1.6 needs both signing_certificate and signature "
                    "(L01.FR.11)"
                )
            if command.install_at is not None:
                raise CannotBeSaidError(
                    "OCPP 1.6 can put off the installation of signed firmware only: leave "
                    "install_at out, or send signing_certificate and signature"
                )
            return call.UpdateFirmware(
                location=command.location,
                retrieve_date=command.retrieve_at,
                retries=command.retries,
                retry_interval=command.retry_interval_s,
            )
        return call.SignedUpdateFirmware(
            request_id=_request_id(command.request_id),
            firmware=datatypes.Firmware(
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
        """Its answer is empty, which is a yes."""
        request = call.request
        yield FirmwareUpdateAnswered(
            station_id=self.station.station_id,
            command_id=call.command_id,
            request_id=None,
            action=Action.update_firmware,
            location=request["location"],
            retrieve_at=parse_time(request["retrieveDate"], "retrieveDate"),
            install_at=None,
            retries=request.get("retries"),
            retry_interval_s=request.get("retryInterval"),
            signing_certificate=None,
            signature=None,
            answer_status=_ACCEPTED,
        )

    @answered(Action.signed_update_firmware)
    def signed_update_firmware_answered(
        self, call: AnsweredCall
    ) -> Iterable[FirmwareUpdateAnswered]:
        """Keep what was asked and answered."""
        firmware: dict[str, Any] = call.request["firmware"]
        install_at = firmware.get("installDateTime")
        yield FirmwareUpdateAnswered(
            station_id=self.station.station_id,
            command_id=call.command_id,
            request_id=call.request["requestId"],
            action=Action.signed_update_firmware,
            location=firmware["location"],
            retrieve_at=parse_time(firmware["retrieveDateTime"], "retrieveDateTime"),
            install_at=parse_time(install_at, "installDateTime") if install_at else None,
            retries=call.request.get("retries"),
            retry_interval_s=call.request.get("retryInterval"),
            signing_certificate=firmware["signingCertificate"],
            signature=firmware["signature"],
            answer_status=call.answer["status"],
        )

    @sends(commands.GetLog)
    def get_log(self, command: commands.GetLog) -> call.GetDiagnostics | call.GetLog:
        """§5.9; for the security log, whitepaper N01."""
        if LogType(command.log_type) is LogType.DIAGNOSTICS_LOG:
            return call.GetDiagnostics(
                location=command.location,
                retries=command.retries,
                retry_interval=command.retry_interval_s,
                start_time=command.since,
                stop_time=command.until,
            )
        return call.GetLog(
            log=datatypes.LogParameters(
                remote_location=command.location,
                oldest_timestamp=command.since,
                latest_timestamp=command.until,
            ),
            log_type=Log(command.log_type),
            request_id=_request_id(command.request_id),
            retries=command.retries,
            retry_interval=command.retry_interval_s,
        )

    @answered(Action.get_diagnostics)
    def get_diagnostics_answered(self, call: AnsweredCall) -> Iterable[LogRequestAnswered]:
        """Keep the file's name. Without one there is nothing to upload (§5.9), which is a no."""
        request = call.request
        since, until = request.get("startTime"), request.get("stopTime")
        file_name = call.answer.get("fileName") or None
        yield LogRequestAnswered(
            station_id=self.station.station_id,
            command_id=call.command_id,
            request_id=None,
            action=Action.get_diagnostics,
            log_type=LogType.DIAGNOSTICS_LOG,
            location=request["location"],
            since=parse_time(since, "startTime") if since else None,
            until=parse_time(until, "stopTime") if until else None,
            retries=request.get("retries"),
            retry_interval_s=request.get("retryInterval"),
            file_name=file_name,
            answer_status=_ACCEPTED if file_name else _REJECTED,
        )

    @answered(Action.get_log)
    def get_log_answered(self, call: AnsweredCall) -> Iterable[LogRequestAnswered]:
        """Keep what was asked and answered."""
        log: dict[str, Any] = call.request["log"]
        since, until = log.get("oldestTimestamp"), log.get("latestTimestamp")
        yield LogRequestAnswered(
            station_id=self.station.station_id,
            command_id=call.command_id,
            request_id=call.request["requestId"],
            action=Action.get_log,
            log_type=LogType(call.request["logType"]),
            location=log["remoteLocation"],
            since=parse_time(since, "oldestTimestamp") if since else None,
            until=parse_time(until, "latestTimestamp") if until else None,
            retries=call.request.get("retries"),
            retry_interval_s=call.request.get("retryInterval"),
            file_name=call.answer.get("filename") or None,
            answer_status=call.answer["status"],
        )

    async def _firmware_status(
        self, status: str, action: Action, request_id: int | None = None
    ) -> None:
        if self.grant(Quota.TRANSFER_STEPS):
            await self.services.ingest.submit(
                FirmwareStatusReported(
                    station_id=self.station.station_id,
                    request_id=named_request(request_id),
                    action=action,
                    status=status,
                    reported_at=self.services.now(),
                )
            )

    async def _log_status(self, status: str, action: Action, request_id: int | None = None) -> None:
        if self.grant(Quota.TRANSFER_STEPS):
            await self.services.ingest.submit(
                LogStatusReported(
                    station_id=self.station.station_id,
                    request_id=named_request(request_id),
                    action=action,
                    status=status,
                    reported_at=self.services.now(),
                )
            )


def _request_id(request_id: int | None) -> int:
    return secrets.randbits(31) if request_id is None else request_id
