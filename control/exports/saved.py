"""Filters of reports: members of a list without its times, which follow from a period."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from control.exports import resources
from control.exports.resources import Resource
from shared.domain.accounts.audit_log import AuditFilter
from shared.domain.accounts.permissions import Permission
from shared.domain.notices.events import EventFilter
from shared.domain.notices.reports import ReportResource
from shared.domain.sessions import SessionFilter
from shared.domain.sessions.meter_values import MeterValueFilter
from shared.domain.stations.ocpp_log import LogFilter
from shared.store.notices.exported_events import EventsOfTime

RESOURCES: Mapping[ReportResource, Resource] = {
    ReportResource.SESSIONS: resources.SESSIONS,
    ReportResource.METER_VALUES: resources.METER_VALUES,
    ReportResource.OCPP_LOG: resources.OCPP_LOG,
    ReportResource.EVENTS: resources.EVENTS,
    ReportResource.AUDIT_LOG: resources.AUDIT_LOG,
}
PERMISSIONS: Mapping[ReportResource, Permission] = {
    ReportResource.SESSIONS: Permission.SESSIONS_READ,
    ReportResource.METER_VALUES: Permission.SESSIONS_READ,
    ReportResource.OCPP_LOG: Permission.STATIONS_READ,
    ReportResource.EVENTS: Permission.NOTICES_READ,
    ReportResource.AUDIT_LOG: Permission.ACCOUNTS_READ,
}
"""What reading the rows of a resource needs, as a report or otherwise."""


def filter_of(
    resource: ReportResource, members: Mapping[str, Any], since: datetime, until: datetime
) -> object:
    """Return which rows a report has, in the words of its resource.

    Args:
        resource: of which the rows are.
        members: as they were saved.
        since: when the report's time begins.
        until: and ends before.
    """
    return _FILTERS[resource](members, since, until)


def _events(members: Mapping[str, Any], since: datetime, until: datetime) -> EventsOfTime:
    found = EventFilter(
        types=_set(members.get("types")), station_ids=_set(members.get("station_ids"))
    )
    return EventsOfTime(found=found, since=since, until=until)


def _set(values: list[str] | None) -> frozenset[str] | None:
    return frozenset(values) if values else None


_FILTERS: Mapping[ReportResource, Callable[[Mapping[str, Any], datetime, datetime], object]] = {
    # What is billed is told by its end: a session of two months is one of the second.
    ReportResource.SESSIONS: lambda members, since, until: SessionFilter(
        **members, ended_since=since, ended_until=until
    ),
    ReportResource.METER_VALUES: lambda members, since, until: MeterValueFilter(
        **members, since=since, until=until
    ),
    ReportResource.OCPP_LOG: lambda members, since, until: LogFilter(
        **members, since=since, until=until
    ),
    ReportResource.EVENTS: _events,
    ReportResource.AUDIT_LOG: lambda members, since, until: AuditFilter(
        **members, since=since, until=until
    ),
}
