"""Updates of the firmware: downloaded, verified, installed when nobody charges, and booted.

The steps are those of 1.6 (4.5 and 5.19; whitepaper, L01) and 2.0.1 (L01, L02).
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from simulator.certificates import is_signed_by, load_certificate
from simulator.charging import StopReason
from simulator.connector import Connector
from simulator.context import Context
from simulator.dialect import BootReason, Dialect
from simulator.events import FirmwareProgressed
from simulator.maintenance import FirmwareStatus, FirmwareUpdate, SecurityEventType
from simulator.notices import Notices
from simulator.restarting import Restarting
from simulator.security_log import SecurityLog
from simulator.transfers import TransferResult, Transfers, TransferStatus

_VERSION = re.compile(r"\d+(?:\.\d+)+")

#: Nothing goes on any more.
_OVER = frozenset(
    {
        FirmwareStatus.IDLE,
        FirmwareStatus.INSTALLED,
        FirmwareStatus.DOWNLOAD_FAILED,
        FirmwareStatus.INVALID_SIGNATURE,
        FirmwareStatus.INSTALLATION_FAILED,
    }
)
#: Too late to give an update up.
_POINT_OF_NO_RETURN = frozenset({FirmwareStatus.INSTALLING, FirmwareStatus.INSTALL_REBOOTING})


class FirmwareUpdates:
    """The updates of one station, one at a time.

    Args:
        context: Clock and chance, and the version that runs.
        dialect: Words how far an update has come.
        connectors: All of the station, by number: nobody may charge during an installation.
        restarting: Restarts into what has been installed.
        transfers: Fetches the file.
        notices: Takes what is told.
        security_log: Notes what was installed, and what was forged.
    """

    __slots__ = (
        "_connectors",
        "_context",
        "_dialect",
        "_failures",
        "_notices",
        "_restarting",
        "_security_log",
        "_transfer",
        "_transfers",
        "_update",
        "_version",
        "status",
    )

    def __init__(
        self,
        *,
        context: Context,
        dialect: Dialect,
        connectors: Mapping[int, Connector],
        restarting: Restarting,
        transfers: Transfers,
        notices: Notices,
        security_log: SecurityLog,
    ) -> None:
        self._context = context
        self._dialect = dialect
        self._connectors = connectors
        self._restarting = restarting
        self._transfers = transfers
        self._notices = notices
        self._security_log = security_log
        self._update: FirmwareUpdate | None = None
        self._failures = 0
        self._transfer = 0
        self._version = context.firmware_version
        self.status = FirmwareStatus.IDLE

    @property
    def ongoing(self) -> FirmwareUpdate | None:
        """The update that is under way."""
        return None if self.status in _OVER else self._update

    @property
    def can_begin(self) -> bool:
        """Whether another update may take the place of one that is under way."""
        return self.status not in _POINT_OF_NO_RETURN

    def begin(self, update: FirmwareUpdate) -> None:
        """Take on an update; one that is under way is given up."""
        self._give_up()
        self.status = FirmwareStatus.IDLE
        self._update = update
        self._failures = 0
        self._version = _next_version(update.location, self._context.firmware_version)
        if update.retrieve_at > self._context.now:
            self._become(FirmwareStatus.DOWNLOAD_SCHEDULED)
        self._at(update.retrieve_at, self._download)

    def charge_over(self) -> None:
        """A charge has ended: install what has waited for it."""
        if self.status is FirmwareStatus.INSTALL_SCHEDULED:
            self._install_when_idle()

    def in_service(self) -> None:
        """The station was accepted: what has been installed runs."""
        update = self._update
        if self.status is not FirmwareStatus.INSTALL_REBOOTING or update is None:
            return
        self._become(FirmwareStatus.INSTALLED)
        self._security_log.note(SecurityEventType.FIRMWARE_UPDATED, f"to version {self._version}")

    def restart(self) -> None:
        """Go on after a restart; what was interrupted begins again."""
        update = self.ongoing
        if update is None or self.status is FirmwareStatus.INSTALL_REBOOTING:
            return
        self._at(update.retrieve_at, self._download)

    def _give_up(self) -> None:
        self._transfers.cancel(self._transfer)
        self._context.timers.cancel("firmware")
        if self.status is FirmwareStatus.INSTALL_SCHEDULED:
            self._drain(drained=False)

    def _become(self, status: FirmwareStatus) -> None:
        update = self._update
        if update is None:
            return
        self.status = status
        self._context.report(FirmwareProgressed(status=status.value, version=self._version))
        request = self._dialect.firmware_status(status, update)
        if request is not None:
            self._notices.tell(request)

    # Step by step

    def _download(self) -> None:
        update = self._update
        if update is None:
            return
        if self.status is not FirmwareStatus.DOWNLOADING:
            self._become(FirmwareStatus.DOWNLOADING)
        self._transfer = self._transfers.download(update.location, self._downloaded)

    def _downloaded(self, result: TransferResult) -> None:
        update = self._update
        if update is None:
            return
        if result.status is not TransferStatus.DONE:
            self._failures += 1
            in_vain = result.status is TransferStatus.UNSUPPORTED
            if in_vain or self._failures >= update.attempts:
                self._become(FirmwareStatus.DOWNLOAD_FAILED)
            else:
                self._at(self._context.now + update.retry_interval_s, self._download)
            return
        self._become(FirmwareStatus.DOWNLOADED)
        if update.signing_certificate is not None:
            if not self._is_genuine(update, result.content):
                self._become(FirmwareStatus.INVALID_SIGNATURE)
                self._security_log.note(
                    SecurityEventType.INVALID_FIRMWARE_SIGNATURE, f"of {update.location}"[:255]
                )
                return
            self._become(FirmwareStatus.SIGNATURE_VERIFIED)
        if not result.content or self._context.misbehaviours.fails_to_install():
            # Some firmware proves useless only when it is unpacked.
            self._at(self._context.now, self._fail)
            return
        self._schedule(update)

    def _is_genuine(self, update: FirmwareUpdate, content: bytes) -> bool:
        """Check the signature over the whole file (L01.FR.04 of the whitepaper, L01.FR.12)."""
        if self._context.misbehaviours.takes_signatures_for_forged():
            return False
        certificate = load_certificate(update.signing_certificate or "")
        return certificate is not None and is_signed_by(
            certificate, update.signature or "", content
        )

    def _schedule(self, update: FirmwareUpdate) -> None:
        now = self._context.now
        if update.install_at is not None and update.install_at > now:
            self._become(FirmwareStatus.INSTALL_SCHEDULED)
            self._at(update.install_at, self._await_idle)
        else:
            self._await_idle()

    def _await_idle(self) -> None:
        """Let nobody begin to charge any more, and install when nobody does (L01.FR.06, .07)."""
        self._drain(drained=True)
        if self.status is not FirmwareStatus.INSTALL_SCHEDULED and self._charging:
            self._become(FirmwareStatus.INSTALL_SCHEDULED)
        self._install_when_idle()

    def _install_when_idle(self) -> None:
        update, context = self._update, self._context
        if update is None or self._charging or (update.install_at or 0.0) > context.now:
            return
        self._become(FirmwareStatus.INSTALLING)
        self._at(context.now + context.draw(context.profile.install_s), self._installed)

    def _installed(self) -> None:
        self._become(FirmwareStatus.INSTALL_REBOOTING)
        self._context.firmware_version = self._version
        self._restarting.begin(
            StopReason.ORDERLY_RESET, told=True, because=BootReason.FIRMWARE_UPDATE
        )

    def _fail(self) -> None:
        self._become(FirmwareStatus.INSTALLING)
        self._become(FirmwareStatus.INSTALLATION_FAILED)

    @property
    def _charging(self) -> bool:
        return any(each.charge is not None for each in self._connectors.values())

    def _drain(self, *, drained: bool) -> None:
        for connector in self._connectors.values():
            connector.drain(drained=drained)

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        now = self._context.now
        self._context.timers.set("firmware", max(moment, now), action)


def _next_version(location: str, present: str) -> str:
    """Return the version in the name of the file, or else the one that follows the present one."""
    name = unquote(urlsplit(location).path).rpartition("/")[2]
    if found := _VERSION.search(name):
        return found.group()[:50]
    head, dot, last = present.rpartition(".")
    return f"{head}{dot}{int(last) + 1}" if last.isdecimal() else f"{present}.1"
