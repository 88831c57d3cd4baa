"""Finds stations whose connections take each other's place again and again, and slows them down.

The newest connection wins. So two boxes that carry one identity throw each other out as fast as
they can connect, and neither can charge; every time costs a claim in Postgres, and a boot. The
limit leaves the station to whoever holds it, for a while, and says that something is wrong.
"""

from gateway.admission import FailureLimit
from gateway.security_reports import SecurityReports
from gateway.settings import GatewaySettings
from shared.telemetry import metrics

FLAPPING = "FlappingIdentity"
"""Security event of ours: connections of one station displace each other (2.0.1 A04 leaves the
list open)."""


class FlappingGuard:
    """Counts how often a connection has taken the place of one that was still open.

    A connection that had ended is no displacement, so that a station with a bad line is not slowed
    down; one that comes back before its old connection was found dead counts, but rarely does so
    more than once in a ping time-out.

    Args:
        settings: how often is too often.
        reports: where the operator is told.
    """

    def __init__(self, settings: GatewaySettings, reports: SecurityReports) -> None:
        self._reports = reports
        self._displacements = FailureLimit(
            burst=settings.station_displacements,
            refill_s=settings.station_displacement_refill_s,
            max_keys=settings.max_remembered_failures,
        )

    def displaced(self, station_id: str) -> None:
        """Count that a connection has taken another one's place; report it if that is too often."""
        self._displacements.failed(station_id)
        metrics.displacements.inc()
        if self._displacements.retry_after_s(station_id) is not None:
            self._reports.report(
                station_id,
                FLAPPING,
                "connections of this station take each other's place again and again: look "
                "whether two boxes carry this identity",
            )

    def retry_after_s(self, station_id: str) -> int | None:
        """Return after how many seconds the station may connect again, or None if it may now."""
        return self._displacements.retry_after_s(station_id)
