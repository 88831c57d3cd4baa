"""How much one station may make us keep: what it says again and again must not cost the others.

Nothing that a bill stands on is counted here: what belongs to a transaction is kept however much it
is, and bounded by how fast a station may send. Only what is said of one and cannot be understood
has a bound, as nobody can tell whether a bill stands on it. All else has a quota per station, of
one of two kinds. What tells of moments (events, readings) comes at a rate: a token bucket in this
process, which outlives the connection. What is a table of things (connectors, variables, keys) has
so many rows at most, which the statement that writes them counts.

What is beyond is answered as if it were kept, because the station would say it again for ever. It
is counted, and the operator is told.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from enum import StrEnum

from gateway.security_reports import SecurityReports
from gateway.settings import GatewaySettings
from shared.store.quotas import BEYOND_QUOTA
from shared.telemetry import metrics

QUOTA_EXCEEDED = "QuotaExceeded"
"""Security event of ours: a station says more than is kept of it."""

_HOUR_S = 3600.0


class Quota(StrEnum):
    """What is counted."""

    EVENTS = "events"
    SECURITY_EVENTS = "security_events"
    METER_SAMPLES = "meter_samples"
    """Outside transactions."""
    STATUS_CHANGES = "status_changes"
    TRANSFER_STEPS = "transfer_steps"
    """Of firmware and logs."""
    SIGNING_REQUESTS = "signing_requests"
    OCPP_LOG_KIB = "ocpp_log_kib"
    AUTHORIZATIONS = "authorizations"
    """Decisions that are kept; every question is answered."""
    CONNECTORS = "connectors"
    VARIABLES = "variables"
    CONFIGURATION_KEYS = "configuration_keys"
    REFUSED_CALLS = "refused_calls"


class RateQuota:
    """A token bucket per station: `burst` at once after a calm, then `per_hour`.

    Args:
        burst: how many at once.
        per_hour: in the long run.
        max_stations: how many are remembered; beyond, the one that said least lately is forgotten.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        burst: int,
        per_hour: float,
        max_stations: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = _HOUR_S / per_hour
        self._window_s = burst * self._interval_s
        self._max_stations = max_stations
        self._clock = clock
        # When each station's bucket is full again.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many stations are remembered."""
        return len(self._full_at)

    def take(self, station_id: str, wanted: int) -> int:
        """Take up to `wanted` tokens, and return how many there were."""
        now = self._clock()
        full_at = max(self._full_at.get(station_id, now), now)
        # A token may be a hair short after a sum of intervals.
        there = int((now + self._window_s - full_at) / self._interval_s + 0.001)
        taken = min(wanted, there)
        if taken:
            self._full_at[station_id] = full_at + taken * self._interval_s
            self._full_at.move_to_end(station_id)
            if len(self._full_at) > self._max_stations:
                self._full_at.popitem(last=False)
        return taken


class StationQuotas:
    """The quotas of all stations of a pod.

    Args:
        settings: how much is allowed.
        reports: where the operator is told.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        reports: SecurityReports,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reports = reports
        rates = {
            Quota.EVENTS: (settings.station_events_burst, settings.station_events_per_hour),
            Quota.SECURITY_EVENTS: (
                settings.station_security_events_burst,
                settings.station_security_events_per_hour,
            ),
            Quota.METER_SAMPLES: (
                settings.station_meter_samples_burst,
                settings.station_meter_samples_per_hour,
            ),
            Quota.STATUS_CHANGES: (
                settings.station_status_changes_burst,
                settings.station_status_changes_per_hour,
            ),
            Quota.TRANSFER_STEPS: (
                settings.station_transfer_steps_burst,
                settings.station_transfer_steps_per_hour,
            ),
            Quota.OCPP_LOG_KIB: (
                settings.station_ocpp_log_burst_kib,
                settings.station_ocpp_log_kib_per_hour,
            ),
            Quota.AUTHORIZATIONS: (
                settings.station_authorizations_burst,
                settings.station_authorizations_per_hour,
            ),
            Quota.SIGNING_REQUESTS: (
                settings.station_signing_requests_burst,
                settings.station_signing_requests_per_hour,
            ),
        }
        self._rates = {
            quota: RateQuota(
                burst=burst,
                per_hour=per_hour,
                max_stations=settings.max_connections,
                clock=clock,
            )
            for quota, (burst, per_hour) in rates.items()
        }

    def without_rates(self) -> "StationQuotas":
        """Return these quotas for what an operator wants kept, however much there was before."""
        unlimited = copy(self)
        unlimited._rates = {}  # noqa: SLF001 - its own
        return unlimited

    def take(self, station_id: str, quota: Quota, wanted: int = 1) -> int:
        """Return how many of `wanted` things that a station says may be kept."""
        rate = self._rates.get(quota)
        granted = wanted if rate is None else rate.take(station_id, wanted)
        if granted < wanted:
            self._exceeded(station_id, quota, wanted - granted)
        return granted

    def heed(self, station_id: str, quota: Quota, written: str | None) -> None:
        """Take note of what the store says of a fact that has a quota of rows."""
        if written == BEYOND_QUOTA:
            self._exceeded(station_id, quota, 1)

    def _exceeded(self, station_id: str, quota: Quota, count: int) -> None:
        metrics.beyond_quota.labels(quota).inc(count)
        self._reports.report(
            station_id,
            QUOTA_EXCEEDED,
            f"this station says more than is kept of it ({quota}): look whether it is faulty, or "
            "raise the quota of the gateways",
            about=quota,
        )
