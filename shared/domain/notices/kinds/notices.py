"""Events of alerts, webhooks and tickets."""

from collections.abc import Mapping

from shared.domain.notices.events import EventType
from shared.domain.notices.kinds.kind import EventKind

_ALERT = {
    "alert_id": "which alert",
    "rule_id": "the rule that it is of",
    "rule_name": "that rule's name",
    "kind": "what the rule watches",
    "severity": "how bad it is: info, warning or critical",
    "subject": "what it is about: a rule has one open alert of each subject",
    "evse_id": "at which EVSE; null if it is about none",
    "connector_id": "at which of its connectors",
    "session_id": "about which session",
    "evidence": "what was seen when it fired, by its kind",
    "acknowledged_by": "who sees to it; null if nobody does yet",
}
_EXAMPLE_ALERT = {
    "alert_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c2e",
    "rule_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c2f",
    "rule_name": "Connector faulted",
    "kind": "connector_faulted",
    "severity": "critical",
    "subject": "CS-0042/1/1",
    "evse_id": 1,
    "connector_id": 1,
    "session_id": None,
    "evidence": {"error_code": "GroundFailure", "info": "RCD", "vendor_error_code": "E-17"},
    "acknowledged_by": None,
}

KINDS: Mapping[EventType, EventKind] = {
    EventType.ALERT_FIRED: EventKind("A rule has found something.", _ALERT, _EXAMPLE_ALERT),
    EventType.ALERT_ACKNOWLEDGED: EventKind(
        "Somebody sees to what an alert is about.",
        _ALERT,
        {**_EXAMPLE_ALERT, "acknowledged_by": "Ada"},
    ),
    EventType.ALERT_RESOLVED: EventKind(
        "What an alert is about is over.", _ALERT, {**_EXAMPLE_ALERT, "acknowledged_by": "Ada"}
    ),
    EventType.WEBHOOK_DISABLED: EventKind(
        "Nothing is delivered to a webhook endpoint any more.",
        {
            "webhook_endpoint_id": "which endpoint",
            "url": "where it is",
            "reason": "requested, gone (it answered 410) or failing (it took nothing for days)",
        },
        {
            "webhook_endpoint_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c36",
            "url": "https://example.com/events",
            "reason": "gone",
        },
    ),
    EventType.TICKET_OPENED: EventKind(
        "What an alert is about could not be put right by itself: somebody has to go there.",
        _ALERT,
        _EXAMPLE_ALERT,
    ),
}
"""By type."""
