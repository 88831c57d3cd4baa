"""When a station was there, and the uptime of its connectors.

Uptime is worked out from what has been kept, whenever somebody asks: when the station was
connected, what its connectors said they were, and which maintenance was planned. Nothing that is
worked out is stored, so that nothing can be out of date.

The formula is that of 23 CFR 680.116(b), the rule for chargers under the NEVI program::

    uptime % = (T - (T_outage - T_excluded)) / T * 100

T is the time that was measured: the rule's is a year, here it is a month, or the part of it since
the connector was first heard of and until now. T_outage is when the connector was not available:
its station was not connected, or said of it or of itself that it is Faulted or Unavailable. A
connector that is taken or reserved is available. T_excluded is the part of the outage that lay in
planned maintenance.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from shared.domain.errors import InvalidInputError
from shared.domain.stations.stations import ConnectorStatus, Ownership

_MONTHS_PER_YEAR = 12


class DisconnectReason(StrEnum):
    """Why a connection ended."""

    CLOSED_BY_STATION = "closed_by_station"
    """It said so."""
    CONNECTION_LOST = "connection_lost"
    """TCP ended, and nobody had said anything."""
    PING_TIMEOUT = "ping_timeout"
    """It answered no ping in time."""
    REPLACED = "replaced"
    """It had connected once more."""
    CLOSED_BY_GATEWAY = "closed_by_gateway"
    """It broke a rule, or an operator changed what it may do; the close reason says which."""
    DRAINED = "drained"
    """Its pod stopped in order."""
    DATABASE_AWAY = "database_away"
    """Nothing that it said could be kept, so that it had to go on keeping it."""
    POD_DIED = "pod_died"
    """Its pod let its lease run out; it ended then at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnection:
    """A connection that has ended, and how.

    `last_heard_at` is when its last message came, None if nobody remembers.
    """

    ownership: Ownership
    reason: DisconnectReason
    close_code: int | None
    close_reason: str | None
    last_heard_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSpan:
    """One connection of a station, from its beginning to its end.

    `disconnected_at` is None while it lasts. `last_seen_at` is when the station last gave a sign of
    life. While the connection lasts, that is when its pod last renewed its lease: the pod pings its
    stations and lets go of those that do not answer, so that one row per pod says it of them all.
    """

    station_id: str
    epoch: int
    pod_id: str
    connection_id: str
    ocpp_version: str
    connected_at: datetime
    disconnected_at: datetime | None
    last_seen_at: datetime | None
    reason: DisconnectReason | None
    close_code: int | None
    close_reason: str | None


@dataclass(frozen=True, slots=True)
class Period:
    """A time from its start up to, and without, its end."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class StatusChange:
    """From `at` on, the status was this."""

    at: datetime
    status: ConnectorStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """For how long a connector was what, within what was measured of a period.

    `excluded` is the part of the outages (`offline`, `faulted` and `unavailable`) that lay in
    planned maintenance. `available` and the outages add up to `measured`.
    """

    measured: timedelta
    available: timedelta
    offline: timedelta
    faulted: timedelta
    unavailable: timedelta
    excluded: timedelta

    @property
    def outage(self) -> timedelta:
        """For how long it was not available, planned or not."""
        return self.offline + self.faulted + self.unavailable

    @property
    def percent(self) -> float | None:
        """Uptime in percent; None if nothing was measured."""
        if not self.measured:
            return None
        return 100 * ((self.measured - (self.outage - self.excluded)) / self.measured)


class _Condition(StrEnum):
    """What a connector is at an instant; the names of `Uptime`'s members."""

    AVAILABLE = "available"
    OFFLINE = "offline"
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"


def parse_month(text: str) -> Period:
    """Return a month such as `2026-11`, in UTC.

    Raises:
        InvalidInputError: it is no month.
    """
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        year, month = divmod(start.month, _MONTHS_PER_YEAR)
        return Period(start, start.replace(year=start.year + year, month=month + 1))
    except ValueError:
        raise InvalidInputError(f"{text!r} is no month: write it like 2026-11") from None


def measure_uptime(
    period: Period,
    *,
    connected: Iterable[Period],
    statuses: Sequence[StatusChange],
    station_statuses: Sequence[StatusChange],
    maintenance: Iterable[Period],
) -> Uptime:
    """Work out a connector's uptime.

    Args:
        period: what is asked for. Its end must not lie in the future.
        connected: when its station was connected; spans may touch and overlap.
        statuses: the connector's, in the order of time, with the last one before the period. What
            was before the first one is not measured: nobody knew of the connector.
        station_statuses: those of the station itself, likewise; it may have told none.
        maintenance: what was planned for the connector.
    """
    start = max(period.start, statuses[0].at) if statuses else period.end
    totals = dict.fromkeys(_Condition, timedelta())
    excluded = timedelta()
    if start < period.end:
        whole = Period(start, period.end)
        on, planned = _merge(connected, whole), _merge(maintenance, whole)
        edges = {start, period.end}
        edges.update(edge for span in (*on, *planned) for edge in (span.start, span.end))
        edges.update(
            change.at for change in (*statuses, *station_statuses) if start < change.at < period.end
        )
        instants = sorted(edges)
        for begin, end in pairwise(instants):
            if _covers(on, begin):
                condition = _worst(_status_at(statuses, begin), _status_at(station_statuses, begin))
            else:
                condition = _Condition.OFFLINE
            totals[condition] += end - begin
            if condition is not _Condition.AVAILABLE and _covers(planned, begin):
                excluded += end - begin
    return Uptime(
        measured=sum(totals.values(), timedelta()),
        excluded=excluded,
        **{condition.value: duration for condition, duration in totals.items()},
    )


def _merge(spans: Iterable[Period], within: Period) -> list[Period]:
    """Return the spans without what lies outside, none touching another, in order."""
    merged: list[Period] = []
    for span in sorted(spans, key=lambda each: each.start):
        start, end = max(span.start, within.start), min(span.end, within.end)
        if start >= end:
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Period(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Period(start, end))
    return merged


def _covers(spans: Sequence[Period], instant: datetime) -> bool:
    index = bisect_right(spans, instant, key=lambda span: span.start) - 1
    return index >= 0 and instant < spans[index].end


def _status_at(changes: Sequence[StatusChange], instant: datetime) -> ConnectorStatus | None:
    index = bisect_right(changes, instant, key=lambda change: change.at) - 1
    return changes[index].status if index >= 0 else None


def _worst(*statuses: ConnectorStatus | None) -> _Condition:
    if ConnectorStatus.FAULTED in statuses:
        return _Condition.FAULTED
    if ConnectorStatus.UNAVAILABLE in statuses:
        return _Condition.UNAVAILABLE
    return _Condition.AVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """Planned maintenance of an EVSE, or of the whole station if `evse_id` is None."""

    window_id: str
    station_id: str
    evse_id: int | None
    starts_at: datetime
    ends_at: datetime
    note: str | None
    created_at: datetime
    updated_at: datetime
