"""Events of stations and their connectors."""

from collections.abc import Mapping

from shared.domain.notices.events import EventType
from shared.domain.notices.kinds.kind import EventKind

_STATUS = {
    "evse_id": "which EVSE; 0 is the station itself",
    "connector_id": "which of its connectors; 0 is the station itself",
    "status": "in the words of OCPP 2.0.1: Available, Occupied, Reserved, Unavailable, Faulted",
    "reported_status": "the station's own word, which in OCPP 1.6 says more",
    "error_code": "what OCPP 1.6 tells beside it",
    "reported_at": "when it was so, by the station's clock",
}
_EXAMPLE_STATUS = {
    "evse_id": 1,
    "connector_id": 1,
    "status": "Occupied",
    "reported_status": "Charging",
    "error_code": "NoError",
    "reported_at": "2026-06-01T09:30:01.000000Z",
}

KINDS: Mapping[EventType, EventKind] = {
    EventType.STATION_ONLINE: EventKind(
        "A station that was offline is connected. One that comes back while its last connection "
        "still counts has not been away.",
        {
            "ocpp_version": "what it speaks",
            "connected_at": "since when",
        },
        {"ocpp_version": "1.6", "connected_at": "2026-06-01T09:30:00.000000Z"},
    ),
    EventType.STATION_OFFLINE: EventKind(
        "A station is connected no more.",
        {
            "ocpp_version": "what it spoke",
            "connected_at": "since when it was connected",
            "reason": "who closed the connection and why, as in its history of connections",
        },
        {
            "ocpp_version": "1.6",
            "connected_at": "2026-06-01T09:30:00.000000Z",
            "reason": "connection_lost",
        },
    ),
    EventType.STATION_BOOTED: EventKind(
        "A station said who it is (BootNotification) and was accepted.",
        {
            "vendor": "who made it",
            "model": "what it is",
            "serial_number": "which one it is",
            "firmware_version": "what runs on it",
            "reason": "why it booted; told in OCPP 2.0.1 alone",
        },
        {
            "vendor": "Example",
            "model": "Wall 22",
            "serial_number": "E-1001",
            "firmware_version": "2.4.1",
            "reason": None,
        },
    ),
    EventType.STATION_FAULTED: EventKind(
        "A connector, or the station itself, has become faulty, or has another fault than before. "
        "It is told beside its connector.status_changed.",
        {
            **_STATUS,
            "info": "the station's own words about it",
            "vendor_id": "whose code the next one is",
            "vendor_error_code": "the maker's own code",
        },
        {
            **_EXAMPLE_STATUS,
            "status": "Faulted",
            "reported_status": "Faulted",
            "error_code": "GroundFailure",
            "info": "RCD tripped",
            "vendor_id": "Example",
            "vendor_error_code": "E-17",
        },
    ),
    EventType.STATION_UNKNOWN: EventKind(
        "A station that nobody has registered came to the door, and came again. It is told to the "
        "default organization alone, and of no more than 200 ids in an hour.",
        {
            "address": "where it came from",
            "user_agent": "what it calls itself",
            "subprotocols": "which versions of OCPP it offers",
            "attempts": "how often it came so far",
            "first_seen_at": "when it came first",
        },
        {
            "address": "192.0.2.17",
            "user_agent": "Example/2.4",
            "subprotocols": ["ocpp1.6"],
            "attempts": 2,
            "first_seen_at": "2026-06-01T09:29:00.000000Z",
        },
    ),
    EventType.CONNECTOR_STATUS_CHANGED: EventKind(
        "A connector, or the station itself, is in another state than before. Beyond a station's "
        "quota of statuses only the last one is told, a minute later.",
        _STATUS,
        _EXAMPLE_STATUS,
    ),
    EventType.SECURITY_EVENT_RECEIVED: EventKind(
        "A station told of something that concerns its security.",
        {
            "security_event_id": "which event",
            "type": "what, in the words of OCPP's list",
            "occurred_at": "when, by the station's clock",
            "tech_info": "the station's own words about it",
        },
        {
            "security_event_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c34",
            "type": "TamperDetectionActivated",
            "occurred_at": "2026-06-01T09:29:58.000000Z",
            "tech_info": "door open",
        },
    ),
    EventType.QUIRK_FIRST_SEEN: EventKind(
        "A firmware deviates from OCPP in a way that it was not seen to before. It is told to the "
        "default organization alone.",
        {
            "quirk_id": "which quirk",
            "kind": "what is off",
            "action": "in which message",
            "member": "where in it",
            "ocpp_version": "in which version",
            "vendor": "who made the station",
            "model": "what it is",
            "firmware_version": "what runs on it",
        },
        {
            "quirk_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c35",
            "kind": "number_as_text",
            "action": "MeterValues",
            "member": "connectorId",
            "ocpp_version": "1.6",
            "vendor": "Example",
            "model": "Wall 22",
            "firmware_version": "2.4.1",
        },
    ),
}
"""By type."""
