"""Logs that a station uploads when it is asked to (1.6, 5.9; whitepaper and 2.0.1: N01)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.events import LogProgressed
from simulator.maintenance import LogStatus, LogType, LogUpload
from simulator.transfers import TransferResult, TransferStatus

if TYPE_CHECKING:
    from simulator.station import Station

_NOT_FOR_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
#: The field of a file name has 255 characters.
_STATION_ID_IN_NAME = 100

_FAILURES = {
    TransferStatus.FAILED: LogStatus.UPLOAD_FAILURE,
    TransferStatus.REFUSED: LogStatus.BAD_MESSAGE,
    TransferStatus.DENIED: LogStatus.PERMISSION_DENIED,
    TransferStatus.UNSUPPORTED: LogStatus.NOT_SUPPORTED,
}


class LogUploads:
    """The uploads of one station, one at a time."""

    __slots__ = ("_content", "_failures", "_name", "_station", "_transfer", "_upload", "status")

    def __init__(self, station: "Station") -> None:
        self._station = station
        self._upload: LogUpload | None = None
        self._content = b""
        self._failures = 0
        self._name = ""
        self._transfer = 0
        self.status = LogStatus.IDLE

    @property
    def ongoing(self) -> LogUpload | None:
        """The upload that is under way."""
        return self._upload if self.status is LogStatus.UPLOADING else None

    def prepare(self, upload: LogUpload) -> str:
        """Take on an upload in place of any other, and return the name of its file.

        The file is written now; `begin` uploads it.
        """
        station = self._station
        station.transfers.cancel(self._transfer)
        station.context.timers.cancel("log")
        self.status = LogStatus.IDLE
        self._upload = upload
        self._failures = 0
        kind = "diagnostics" if upload.log_type is LogType.DIAGNOSTICS else "security"
        id_ = _NOT_FOR_FILE_NAMES.sub("-", station.profile.station_id)[:_STATION_ID_IN_NAME]
        self._name = f"{id_}-{kind}-{int(station.context.now)}.log"
        self._content = "".join(f"{line}\n" for line in _lines(station, upload)).encode()
        return self._name

    def begin(self) -> None:
        """Upload what has been prepared."""
        self._become(LogStatus.UPLOADING)
        self._send()

    def restart(self) -> None:
        """Go on after a restart; what was interrupted begins again."""
        if self.ongoing is not None:
            self._station.context.timers.set("log", self._station.context.now, self._send)

    def _send(self) -> None:
        if self._upload is not None:
            self._transfer = self._station.transfers.upload(
                self._upload.location, self._name, self._content, self._uploaded
            )

    def _uploaded(self, result: TransferResult) -> None:
        upload, context = self._upload, self._station.context
        if upload is None:
            return
        if result.status is TransferStatus.DONE:
            self._become(LogStatus.UPLOADED)
            return
        self._failures += 1
        if result.status is TransferStatus.UNSUPPORTED or self._failures >= upload.attempts:
            self._become(_FAILURES[result.status])
        else:
            context.timers.set("log", context.now + upload.retry_interval_s, self._send)

    def _become(self, status: LogStatus) -> None:
        station, upload = self._station, self._upload
        if upload is None:
            return
        self.status = status
        station.context.report(LogProgressed(status=status.value, file_name=self._name))
        request = station.dialect.log_status(status, upload)
        if request is not None:
            station.notices.tell(request)


def _lines(station: "Station", upload: LogUpload) -> Iterator[str]:
    """Write the log."""
    context, profile = station.context, station.profile
    yield f"{context.timestamp()} {upload.log_type.value} of {profile.station_id}"
    if upload.log_type is LogType.DIAGNOSTICS:
        yield f"{profile.vendor} {profile.model}, firmware {context.firmware_version}"
        yield f"OCPP {profile.version.value}, {profile.connectors} connectors"
        yield f"messages not yet confirmed: {station.link.undelivered}"
        for number, connector in station.connectors.items():
            reading = connector.meter.read(context.now)
            yield (
                f"connector {number}: {connector.status.value}, {reading.energy_wh} Wh, "
                f"{reading.power_w} W, {reading.current_a} A, {reading.voltage_v} V"
            )
    for event in station.security_log:
        if (upload.since or event.at) <= event.at <= (upload.until or event.at):
            yield f"{context.timestamp(event.at)} {event.type.value}: {event.info}"
