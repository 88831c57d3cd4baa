"""Which events are asked for, in the query of a request."""

from typing import Annotated

from fastapi import Query

from control.api.access.locations_schemas import LocationId
from control.api.accounts.organizations_schemas import OrganizationId
from control.api.types import StationId
from shared.domain.notices.events import EventFilter, EventType

_MAX = 200


def event_filter(
    *,
    type_: Annotated[
        list[EventType] | None,
        Query(
            alias="type",
            max_length=_MAX,
            description="only these types; several in one request: `type=a&type=b`",
        ),
    ] = None,
    station_id: Annotated[
        list[StationId] | None, Query(max_length=_MAX, description="only of these stations")
    ] = None,
    location_id: Annotated[
        list[LocationId] | None, Query(max_length=_MAX, description="only of these locations")
    ] = None,
    organization_id: Annotated[
        list[OrganizationId] | None,
        Query(
            max_length=_MAX,
            description="only of these organizations, and not of those below them. Left out: of "
            "one's own and of all below it",
        ),
    ] = None,
) -> EventFilter:
    """Return the filter of a request; those of several names must all match."""
    return EventFilter(
        types=_set(type_),
        station_ids=_set(station_id),
        location_ids=_set(location_id),
        organization_ids=_set(organization_id),
    )


def _set(values: list[str] | list[EventType] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(str(each) for each in values)
