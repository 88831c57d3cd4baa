"""Events of sessions and reservations."""

from collections.abc import Mapping

from shared.domain.notices.events import EventType
from shared.domain.notices.kinds.kind import EventKind

_SESSION = {
    "session_id": "which session",
    "transaction_id": "its transaction, as the station knows it",
    "evse_id": "where; null until the station tells",
    "connector_id": "where; null until the station tells",
    "id_token": "who charges; null if nobody was told",
    "started_at": "when it began, by the station's clock",
}
_SESSION_END = {
    **_SESSION,
    "ended_at": "when it ended; null if it goes on after all",
    "ended_by": "who says so: station, operator, matched or rule",
    "stopped_reason": "why, in the station's words",
    "energy_wh": "what was delivered; null if nobody knows",
    "needs_review": "whether a person has to look at it before it is billed",
    "billable": "whether it can be billed as it is",
}
_EXAMPLE_SESSION = {
    "session_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c2d",
    "transaction_id": "4711",
    "evse_id": 1,
    "connector_id": 1,
    "id_token": "04A2B3C4",
    "started_at": "2026-06-01T09:30:00Z",
}
_EXAMPLE_END = {
    **_EXAMPLE_SESSION,
    "ended_at": "2026-06-01T10:30:00Z",
    "ended_by": "station",
    "stopped_reason": "EVDisconnected",
    "energy_wh": 21480,
    "needs_review": False,
    "billable": True,
}

KINDS: Mapping[EventType, EventKind] = {
    EventType.SESSION_STARTED: EventKind(
        "A session has begun; told within seconds after its station told it.",
        {
            **_SESSION,
            "authorization_status": "what was said of the token",
            "meter_start_wh": "the register at its start, if it was told with it",
            "reservation_id": "the reservation that it used",
        },
        {
            **_EXAMPLE_SESSION,
            "authorization_status": "Accepted",
            "meter_start_wh": 1204500,
            "reservation_id": None,
        },
    ),
    EventType.SESSION_UPDATED: EventKind(
        "A session goes on, and its meter has told something new: no more often than once in "
        "`session_update_interval_s` for each session.",
        {
            **_SESSION,
            "sampled_at": "when the newest of these were read, by the station's clock",
            "energy_wh": "what was delivered so far",
            "register_wh": "what the meter shows",
            "power_w": "how fast it charges",
            "soc_percent": "how full the vehicle's battery is",
        },
        {
            **_EXAMPLE_SESSION,
            "sampled_at": "2026-06-01T09:45:00Z",
            "energy_wh": 5370,
            "register_wh": 1209870,
            "power_w": 21600,
            "soc_percent": 46,
        },
    ),
    EventType.SESSION_ENDED: EventKind(
        "A session is over, as its station, an operator or a rule says; told once it is worked "
        "out, within seconds.",
        _SESSION_END,
        _EXAMPLE_END,
    ),
    EventType.SESSION_NEEDS_REVIEW: EventKind(
        "A person has to look at a session, for reasons that are new.",
        {
            **_SESSION,
            "ended_at": "when it ended",
            "energy_wh": "what was delivered, as far as is known",
            "reasons": "what is new, in the words of the API",
        },
        {
            **_EXAMPLE_SESSION,
            "ended_at": "2026-06-01T10:30:00Z",
            "energy_wh": None,
            "reasons": ["energy_unknown"],
        },
    ),
    EventType.SESSION_SETTLED_ANEW: EventKind(
        "A session of which session.ended was told is another one now: its end, its energy, who "
        "pays, or whether it can be billed. If it goes on after all, its end is null, and is told "
        "by session.ended again.",
        _SESSION_END,
        {**_EXAMPLE_END, "energy_wh": 21530},
    ),
    EventType.RESERVATION_CHANGED: EventKind(
        "A reservation was answered, replaced, used, cancelled, or is over.",
        {
            "reservation_id": "which reservation of the station",
            "state": "active, rejected, cancelled, used, expired or removed",
            "status": "the station's own word",
            "evse_id": "which EVSE; null if the station chooses",
            "expires_at": "until when it holds",
            "session_id": "the session that used it",
        },
        {
            "reservation_id": 7,
            "state": "active",
            "status": "Accepted",
            "evse_id": 1,
            "expires_at": "2026-06-01T10:00:00.000000Z",
            "session_id": None,
        },
    ),
}
"""By type."""
