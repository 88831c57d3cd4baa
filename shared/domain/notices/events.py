"""Events: what happened, told once and in one form, each with a number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What can happen; `catalogue` says what each tells."""

    STATION_ONLINE = "station.online"
    STATION_OFFLINE = "station.offline"
    STATION_BOOTED = "station.booted"
    STATION_FAULTED = "station.faulted"
    STATION_UNKNOWN = "station.unknown"
    CONNECTOR_STATUS_CHANGED = "connector.status_changed"
    SESSION_STARTED = "session.started"
    SESSION_UPDATED = "session.updated"
    SESSION_ENDED = "session.ended"
    SESSION_NEEDS_REVIEW = "session.needs_review"
    SESSION_SETTLED_ANEW = "session.settled_anew"
    COMMAND_ENDED = "command.ended"
    FIRMWARE_UPDATE_PROGRESSED = "firmware_update.progressed"
    LOG_UPLOAD_PROGRESSED = "log_upload.progressed"
    CERTIFICATE_PROGRESSED = "certificate.progressed"
    SECURITY_EVENT_RECEIVED = "security_event.received"
    QUIRK_FIRST_SEEN = "quirk.first_seen"
    RESERVATION_CHANGED = "reservation.changed"
    ALERT_FIRED = "alert.fired"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    ALERT_RESOLVED = "alert.resolved"
    WEBHOOK_DISABLED = "webhook.disabled"
    TICKET_OPENED = "ticket.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that has happened and has no number yet.

    Attributes:
        type: what.
        station_id: of which station; None if it is about none.
        organization_id: whose; None: that of the station, else of whoever puts it.
        location_id: where; None: where the station is.
        occurred_at: when, by our clock; None: when the transaction began that puts it.
        data: what is told of it, as JSON: members as `catalogue` has them.
    """

    type: EventType
    station_id: str | None = None
    organization_id: str | None = None
    location_id: str | None = None
    occurred_at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has happened.

    Attributes:
        number: its place in the order of all events. Whoever has seen an event has seen, or could
            have seen, all that have lower numbers: none of them appears later.
        type: what; a text, as a newer version may have put a type that this one does not know.
        occurred_at: when, by our clock.
        recorded_at: when it got its number; never earlier than that of a lower number.
        organization_id: whose.
        location_id: where; None if it is not about a place.
        station_id: of which station; None if it is about none.
        data: what is told of it.
    """

    number: int
    type: str
    occurred_at: datetime
    recorded_at: datetime
    organization_id: str
    location_id: str | None
    station_id: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are asked for; None is no condition, and an empty set lets nothing through."""

    types: frozenset[str] | None = None
    station_ids: frozenset[str] | None = None
    location_ids: frozenset[str] | None = None
    organization_ids: frozenset[str] | None = None

    def matches(self, event: Event) -> bool:
        """Tell whether an event is asked for."""
        return (
            (self.types is None or event.type in self.types)
            and (self.station_ids is None or event.station_id in self.station_ids)
            and (self.location_ids is None or event.location_id in self.location_ids)
            and (self.organization_ids is None or event.organization_id in self.organization_ids)
        )


EVERY_EVENT = EventFilter()


def public_form(event: Event) -> dict[str, Any]:
    """Return an event as everybody is told of it: by the API, in streams and to webhooks.

    Its id is text, because numbers may be beyond what JavaScript can count.
    """
    return {
        "id": str(event.number),
        "type": str(event.type),
        "occurred_at": told_time(event.occurred_at),
        "organization_id": event.organization_id,
        "location_id": event.location_id,
        "station_id": event.station_id,
        "data": dict(event.data),
    }


def told_time(time: datetime) -> str:
    """Return a time as events tell it, as the API does."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
