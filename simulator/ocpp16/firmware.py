"""The Firmware Management profile (5.9, 5.19), and its secured half (whitepaper, L01, N01)."""

from typing import TYPE_CHECKING

from simulator.certificates import is_trusted, load_certificate
from simulator.dialect import Accepted, Answer, Request
from simulator.maintenance import (
    FirmwareStatus,
    FirmwareUpdate,
    LogStatus,
    LogType,
    LogUpload,
    SecurityEventType,
)
from simulator.moments import parse_moment, parse_optional_moment
from simulator.ocpp16.answers import Handler, status
from simulator.ocpp16.security import MANUFACTURER_ROOT
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

#: FirmwareStatus (7.25) has no words for some steps: these are told as the step before, or not.
_UNSIGNED_WORDS = {
    FirmwareStatus.DOWNLOAD_SCHEDULED: FirmwareStatus.IDLE,
    FirmwareStatus.INSTALL_SCHEDULED: FirmwareStatus.DOWNLOADED,
    FirmwareStatus.INSTALL_REBOOTING: FirmwareStatus.INSTALLING,
}
#: DiagnosticsStatus (7.24) has one word for every failure.
_DIAGNOSTICS_WORDS = {
    LogStatus.IDLE: "Idle",
    LogStatus.UPLOADING: "Uploading",
    LogStatus.UPLOADED: "Uploaded",
}


class FirmwareManagement:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "GetDiagnostics": self._get_diagnostics,
            "GetLog": self._get_log,
            "SignedUpdateFirmware": self._signed_update_firmware,
            "UpdateFirmware": self._update_firmware,
        }

    def _update_firmware(self, payload: Payload) -> Answer:
        """5.19; its conf has no room for a no, so that one that comes too late is passed over."""
        station = self._station
        update = FirmwareUpdate(
            location=payload["location"],
            retrieve_at=parse_moment(payload["retrieveDate"]),
            attempts=self._attempts(payload),
            retry_interval_s=self._retry_interval_s(payload),
        )
        return Accepted(
            {}, lambda: station.firmware.begin(update) if station.firmware.can_begin else None
        )

    def _signed_update_firmware(self, payload: Payload) -> Answer:
        """L01."""
        station = self._station
        firmware: Payload = payload["firmware"]
        certificate = load_certificate(firmware["signingCertificate"])
        roots = list(station.roots.of(MANUFACTURER_ROOT))
        if certificate is None or not is_trusted(certificate, roots, station.context.now):
            return status(
                "InvalidCertificate",
                lambda: station.security_log.note(
                    SecurityEventType.INVALID_SIGNING_CERTIFICATE,
                    f"of the update {payload['requestId']}",
                ),
            )
        if not station.firmware.can_begin:
            return status("Rejected")
        update = FirmwareUpdate(
            location=firmware["location"],
            retrieve_at=parse_moment(firmware["retrieveDateTime"]),
            install_at=parse_optional_moment(firmware.get("installDateTime")),
            attempts=self._attempts(payload),
            retry_interval_s=self._retry_interval_s(payload),
            request_id=payload["requestId"],
            signing_certificate=firmware["signingCertificate"],
            signature=firmware["signature"],
        )
        instead = station.firmware.ongoing is not None
        return status(
            "AcceptedCanceled" if instead else "Accepted",
            lambda: station.firmware.begin(update),
        )

    def _get_diagnostics(self, payload: Payload) -> Answer:
        """5.9."""
        logs = self._station.logs
        name = logs.prepare(
            LogUpload(
                log_type=LogType.DIAGNOSTICS,
                location=payload["location"],
                since=parse_optional_moment(payload.get("startTime")),
                until=parse_optional_moment(payload.get("stopTime")),
                attempts=self._attempts(payload),
                retry_interval_s=self._retry_interval_s(payload),
            )
        )
        return Accepted({"fileName": name}, logs.begin)

    def _get_log(self, payload: Payload) -> Answer:
        """N01; a new request takes the place of one that is under way (N01.FR.11)."""
        logs = self._station.logs
        log: Payload = payload["log"]
        upload = LogUpload(
            log_type=LogType(payload["logType"]),
            location=log["remoteLocation"],
            since=parse_optional_moment(log.get("oldestTimestamp")),
            until=parse_optional_moment(log.get("latestTimestamp")),
            attempts=self._attempts(payload),
            retry_interval_s=self._retry_interval_s(payload),
            request_id=payload["requestId"],
        )
        word = "Accepted" if logs.ongoing is None else "AcceptedCanceled"
        return Accepted({"status": word, "filename": logs.prepare(upload)}, logs.begin)

    def _attempts(self, payload: Payload) -> int:
        retries: int = payload.get("retries", self._station.profile.transfer_attempts)
        return max(1, retries)

    def _retry_interval_s(self, payload: Payload) -> float:
        interval_s: float = payload.get("retryInterval", self._station.profile.transfer_retry_s)
        return max(0.0, interval_s)


def firmware_status(status: FirmwareStatus, update: FirmwareUpdate) -> Request | None:
    """Return the notification of a step (4.5; whitepaper, 5.19), None if 1.6 has no word for it."""
    if update.request_id is not None:
        return Request(
            "SignedFirmwareStatusNotification",
            {"status": status.value, "requestId": update.request_id},
        )
    if status in _UNSIGNED_WORDS:
        return None
    return Request("FirmwareStatusNotification", {"status": status.value})


def log_status(status: LogStatus, upload: LogUpload) -> Request:
    """Return the notification of a step (4.4; whitepaper, 5.13)."""
    if upload.request_id is not None:
        return Request(
            "LogStatusNotification", {"status": status.value, "requestId": upload.request_id}
        )
    word = _DIAGNOSTICS_WORDS.get(status, "UploadFailed")
    return Request("DiagnosticsStatusNotification", {"status": word})


def firmware_status_now(station: "Station", *, signed: bool) -> Request:
    """Return where the firmware stands; Idle unless something is under way (4.5, L01.FR.20).

    Args:
        station: Whose.
        signed: Told as SignedFirmwareStatusNotification.
    """
    update = station.firmware.ongoing
    if signed:
        if update is None or update.request_id is None:
            return Request("SignedFirmwareStatusNotification", {"status": "Idle"})
        return Request(
            "SignedFirmwareStatusNotification",
            {"status": station.firmware.status.value, "requestId": update.request_id},
        )
    told = FirmwareStatus.IDLE
    if update is not None and update.request_id is None:
        told = _UNSIGNED_WORDS.get(station.firmware.status, station.firmware.status)
    return Request("FirmwareStatusNotification", {"status": told.value})


def log_status_now(station: "Station", *, diagnostics: bool) -> Request:
    """Return where an upload stands; Idle unless one is under way (4.4, N01.FR.12).

    Args:
        station: Whose.
        diagnostics: Told as DiagnosticsStatusNotification.
    """
    upload = station.logs.ongoing
    if upload is not None and (upload.request_id is None) == diagnostics:
        return log_status(station.logs.status, upload)
    name = "DiagnosticsStatusNotification" if diagnostics else "LogStatusNotification"
    return Request(name, {"status": "Idle"})
