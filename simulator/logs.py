"""Logs that a station uploads when it is asked to (1.6, 5.9; whitepaper and 2.0.1: N01)."""

import re
from collections.abc import Iterator, Mapping

from simulator.connector import Connector
from simulator.context import Context
from simulator.dialect import Dialect
from simulator.events import LogProgressed
from simulator.link import Link
from simulator.maintenance import LogStatus, LogType, LogUpload
from simulator.notices import Notices
from simulator.security_log import SecurityLog
from simulator.transfers import TransferResult, Transfers, TransferStatus

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
    """The uploads of one station, one at a time.

    Args:
        context: Clock, timers, and what the station is.
        link: How many messages are not yet confirmed stands in the log.
        dialect: Words how far an upload has come.
        connectors: All of the station, by number; their state stands in the log.
        transfers: Sends the file.
        notices: Takes what is told.
        security_log: What stands in the log.
    """

    __slots__ = (
        "_connectors",
        "_content",
        "_context",
        "_dialect",
        "_failures",
        "_link",
        "_name",
        "_notices",
        "_security_log",
        "_transfer",
        "_transfers",
        "_upload",
        "status",
    )

    def __init__(
        self,
        *,
        context: Context,
        link: Link,
        dialect: Dialect,
        connectors: Mapping[int, Connector],
        transfers: Transfers,
        notices: Notices,
        security_log: SecurityLog,
    ) -> None:
        self._context = context
        self._link = link
        self._dialect = dialect
        self._connectors = connectors
        self._transfers = transfers
        self._notices = notices
        self._security_log = security_log
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
        context = self._context
        self._transfers.cancel(self._transfer)
        context.timers.cancel("log")
        self.status = LogStatus.IDLE
        self._upload = upload
        self._failures = 0
        kind = "diagnostics" if upload.log_type is LogType.DIAGNOSTICS else "security"
        id_ = _NOT_FOR_FILE_NAMES.sub("-", context.profile.station_id)[:_STATION_ID_IN_NAME]
        self._name = f"{id_}-{kind}-{int(context.now)}.log"
        self._content = "".join(f"{line}\n" for line in self._lines(upload)).encode()
        return self._name

    def begin(self) -> None:
        """Upload what has been prepared."""
        self._become(LogStatus.UPLOADING)
        self._send()

    def restart(self) -> None:
        """Go on after a restart; what was interrupted begins again."""
        if self.ongoing is not None:
            self._context.timers.set("log", self._context.now, self._send)

    def _send(self) -> None:
        if self._upload is not None:
            self._transfer = self._transfers.upload(
                self._upload.location, self._name, self._content, self._uploaded
            )

    def _uploaded(self, result: TransferResult) -> None:
        upload, context = self._upload, self._context
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
        upload = self._upload
        if upload is None:
            return
        self.status = status
        self._context.report(LogProgressed(status=status.value, file_name=self._name))
        request = self._dialect.log_status(status, upload)
        if request is not None:
            self._notices.tell(request)

    def _lines(self, upload: LogUpload) -> Iterator[str]:
        """Write the log."""
        context, profile = self._context, self._context.profile
        yield f"{context.timestamp()} {upload.log_type.value} of {profile.station_id}"
        if upload.log_type is LogType.DIAGNOSTICS:
            yield f"{profile.vendor} {profile.model}, firmware {context.firmware_version}"
            yield f"OCPP {profile.version.value}, {profile.connectors} connectors"
            yield f"messages not yet confirmed: {self._link.undelivered}"
            for number, connector in self._connectors.items():
                reading = connector.meter.read(context.now)
                yield (
                    f"connector {number}: {connector.status.value}, {reading.energy_wh} Wh, "
                    f"{reading.power_w} W, {reading.current_a} A, {reading.voltage_v} V"
                )
        for event in self._security_log:
            if (upload.since or event.at) <= event.at <= (upload.until or event.at):
                yield f"{context.timestamp(event.at)} {event.type.value}: {event.info}"
