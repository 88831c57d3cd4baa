"""Security events of our own: what a pod finds odd about a station, told once and not all the time.

They stand beside those that stations tell (2.0.1 A04 leaves the list of types open).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from gateway.admission import FailureLimit
from gateway.ingest import Ingest
from shared.domain.stations.device_model import SecurityEventReported

log = structlog.get_logger()

MESSAGE_NOT_UTF8 = "MessageNotUtf8"
"""Security event of ours: a station sent a text that nobody can read."""

_INTERVAL_S = 3600.0


class SecurityReports:
    """Tells operators about stations, each matter of each station once in an hour.

    Args:
        ingest: keeps security events.
        now: the clock.
        max_remembered: how many matters are remembered.
    """

    def __init__(self, ingest: Ingest, *, now: Callable[[], datetime], max_remembered: int) -> None:
        self._ingest = ingest
        self._now = now
        self._told = FailureLimit(burst=1, refill_s=_INTERVAL_S, max_keys=max_remembered)

    def report(self, station_id: str, type_: str, text: str, *, about: str = "") -> None:
        """Tell of a station, unless that was told within the hour.

        Args:
            station_id: which.
            type_: of the security event.
            text: one sentence for the operator.
            about: tells matters of one type apart.
        """
        # No station id has a blank (OCPP-J 1.6 §3.1.1).
        matter = f"{station_id} {type_} {about}"
        if self._told.retry_after_s(matter) is not None:
            return
        self._told.failed(matter)
        log.warning(text, station_id=station_id)
        kept = self._ingest.submit(
            SecurityEventReported(
                station_id=station_id, type=type_, occurred_at=self._now(), tech_info=text
            )
        )
        kept.add_done_callback(_log_failure)


def report_not_utf8(reports: SecurityReports, station_id: str) -> None:
    """Tell the operator of a station whose message is not UTF-8, which ends its connection.

    Nobody can answer it (RFC 6455 §8.1), so that the station may send it for ever.
    """
    reports.report(
        station_id,
        MESSAGE_NOT_UTF8,
        "this station sent a text message that is not UTF-8, so its connection was closed with "
        "1007, and it may send the message again and nothing behind it. Its firmware writes some "
        "text in another encoding: look at its names, tokens and vendors' texts that have other "
        "letters than ASCII",
    )


def _log_failure(kept: asyncio.Future[str | None]) -> None:
    if not kept.cancelled() and (error := kept.exception()) is not None:
        log.warning("a security event could not be kept", error=type(error).__name__)
