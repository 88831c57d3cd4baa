"""Events of alerts, webhooks and tickets."""

from collections.abc import Mapping

from shared.domain.notices.events import EventType
from shared.domain.notices.kinds.kind import EventKind

_ALERT = {
    "alert_id": "which alert",
    "rule_id": "the rule that it is of",
    "rule": "the rule's name",
    "kind": "what the rule looks for",
    "severity": "how grave it is",
    "summary": "what is the matter, in a sentence",
}
_EXAMPLE_ALERT = {
    "alert_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c2e",
    "rule_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c2f",
    "rule": "Offline for ten minutes",
    "kind": "station_offline",
    "severity": "warning",
    "summary": "CS-1 has been offline since 09:30",
}

KINDS: Mapping[EventType, EventKind] = {
    EventType.ALERT_FIRED: EventKind("A rule has found something.", _ALERT, _EXAMPLE_ALERT),
    EventType.ALERT_ACKNOWLEDGED: EventKind(
        "Somebody has taken on an alert.",
        {**_ALERT, "acknowledged_by": "who"},
        {**_EXAMPLE_ALERT, "acknowledged_by": "Ada"},
    ),
    EventType.ALERT_RESOLVED: EventKind("What an alert was about is over.", _ALERT, _EXAMPLE_ALERT),
    EventType.WEBHOOK_DISABLED: EventKind(
        "Nothing is delivered to a webhook any more.",
        {
            "webhook_id": "which webhook",
            "url": "where it delivered to",
            "reason": "why it was switched off",
        },
        {
            "webhook_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c36",
            "url": "https://example.com/events",
            "reason": "gone",
        },
    ),
    EventType.TICKET_OPENED: EventKind(
        "An alert could not be put right by itself, and somebody has to see to it.",
        {
            "alert_id": "the alert that it is about",
            "summary": "what is the matter, in a sentence",
        },
        {
            "alert_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c2e",
            "summary": "CS-1: connector 1 is still faulted after a reset",
        },
    ),
}
"""By type."""
