"""Finds stations whose connections take each other's place again and again, and slows them down.

The newest connection wins. So two boxes that carry one identity throw each other out as fast as
they can connect, and neither can charge; every time costs a claim in Postgres, and a boot. The
limit leaves the station to whoever holds it, for a while, and says that something is wrong.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from gateway.admission import FailureLimit
from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from shared.domain.device_model import SecurityEventReported
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

FLAPPING = "FlappingIdentity"
"""Security event of ours: connections of one station displace each other (2.0.1 A04 leaves the
list open)."""

_REPORT_INTERVAL_S = 3600.0


class FlappingGuard:
    """Counts how often a connection has taken the place of one that was still open.

    A connection that had ended is no displacement, so that a station with a bad line is not slowed
    down; one that comes back before its old connection was found dead counts, but rarely does so
    more than once in a ping time-out.

    Args:
        settings: how often is too often.
        ingest: keeps security events.
        now: the clock.
    """

    def __init__(
        self, settings: GatewaySettings, *, ingest: Ingest, now: Callable[[], datetime]
    ) -> None:
        self._ingest = ingest
        self._now = now
        self._displacements = FailureLimit(
            burst=settings.station_displacements,
            refill_s=settings.station_displacement_refill_s,
            max_keys=settings.max_remembered_failures,
        )
        self._reports = FailureLimit(
            burst=1, refill_s=_REPORT_INTERVAL_S, max_keys=settings.max_remembered_failures
        )

    def displaced(self, station_id: str) -> None:
        """Count that a connection has taken another one's place; report it if that is too often."""
        self._displacements.failed(station_id)
        metrics.displacements.inc()
        if (
            self._displacements.retry_after_s(station_id) is not None
            and self._reports.retry_after_s(station_id) is None
        ):
            self._reports.failed(station_id)
            self._report(station_id)

    def retry_after_s(self, station_id: str) -> int | None:
        """Return after how many seconds the station may connect again, or None if it may now."""
        return self._displacements.retry_after_s(station_id)

    def _report(self, station_id: str) -> None:
        text = (
            "connections of this station take each other's place again and again: look whether two "
            "boxes carry this identity"
        )
        log.warning(text, station_id=station_id)
        kept = self._ingest.submit(
            SecurityEventReported(
                station_id=station_id, type=FLAPPING, occurred_at=self._now(), tech_info=text
            )
        )
        kept.add_done_callback(_log_failure)


def _log_failure(kept: asyncio.Future[str | None]) -> None:
    if not kept.cancelled() and (error := kept.exception()) is not None:
        log.warning("a security event could not be kept", error=describe_error(error))
