"""The words for firmware, logs and security that every version of OCPP shares."""

from dataclasses import dataclass
from enum import StrEnum


class FirmwareStatus(StrEnum):
    """How far an update has come, in the names of 2.0.1 (FirmwareStatusEnumType)."""

    IDLE = "Idle"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOADING = "Downloading"
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    SIGNATURE_VERIFIED = "SignatureVerified"
    INVALID_SIGNATURE = "InvalidSignature"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALLING = "Installing"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALLED = "Installed"
    INSTALLATION_FAILED = "InstallationFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdate:
    """An update that the CSMS has asked for.

    Attributes:
        location: Where to download it from.
        retrieve_at: Not before, seconds since the Unix epoch.
        install_at: Likewise; None as soon as possible.
        attempts: How often the download is tried.
        retry_interval_s: Between these.
        request_id: What the CSMS calls it; None in a request that has no number.
        signing_certificate: PEM; None if the update is not signed.
        signature: Of the file, in base64.
    """

    location: str
    retrieve_at: float
    install_at: float | None = None
    attempts: int
    retry_interval_s: float
    request_id: int | None = None
    signing_certificate: str | None = None
    signature: str | None = None


class LogType(StrEnum):
    """Which log, in the names both versions share (1.6 whitepaper, 6.13; LogEnumType)."""

    DIAGNOSTICS = "DiagnosticsLog"
    SECURITY = "SecurityLog"


class LogStatus(StrEnum):
    """How far an upload has come, in the names both versions share (UploadLogStatusEnumType)."""

    IDLE = "Idle"
    UPLOADING = "Uploading"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    BAD_MESSAGE = "BadMessage"
    NOT_SUPPORTED = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogUpload:
    """A log that the CSMS has asked for.

    Attributes:
        log_type: Which.
        location: Where to upload it.
        since: Nothing older, seconds since the Unix epoch.
        until: Nothing younger.
        attempts: How often the upload is tried.
        retry_interval_s: Between these.
        request_id: What the CSMS calls it; None in a request that has no number.
    """

    log_type: LogType
    location: str
    since: float | None = None
    until: float | None = None
    attempts: int
    retry_interval_s: float
    request_id: int | None = None


class SecurityEventType(StrEnum):
    """Security events (2.0.1 part 2, appendix 1; the 1.6 whitepaper, 8, refers to these)."""

    FIRMWARE_UPDATED = "FirmwareUpdated"
    RESET = "ResetOrReboot"
    PARAMETERS_CHANGED = "ReconfigurationOfSecurityParameters"
    INVALID_FIRMWARE_SIGNATURE = "InvalidFirmwareSignature"
    INVALID_SIGNING_CERTIFICATE = "InvalidFirmwareSigningCertificate"
    INVALID_STATION_CERTIFICATE = "InvalidChargingStationCertificate"


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Something that happened to the security of a station.

    Attributes:
        at: When, seconds since the Unix epoch.
        type: What.
        info: For people.
    """

    at: float
    type: SecurityEventType
    info: str
