"""What is written into an event stream (https://html.spec.whatwg.org/multipage/server-sent-events).

Events have no name of their own in the stream, so that a browser's `onmessage` hears them all, also
those of types to come; what they are stands in them. What the stream says of itself has a name.
"""

from enum import StrEnum
from typing import Any

import msgspec

from shared.domain.notices.events import Event, public_form

KEEP_ALIVE = b": still here\n"
"""A comment, without the blank line that would make some clients hand on an empty event."""


class EndReason(StrEnum):
    """Why a stream ended."""

    SHUTDOWN = "shutdown"
    SLOW = "slow"
    ACCESS_ENDED = "access_ended"
    EVENTS_GONE = "events_gone"
    CLIENT_LEFT = "client_left"
    """Nobody is told of this one."""


_DETAILS = {
    EndReason.SHUTDOWN: "this server process ends: connect again, to another one",
    EndReason.SLOW: "events were not taken as fast as they came: connect again to go on",
    EndReason.ACCESS_ENDED: "the key or session has ended, or may not read these events any more",
    EndReason.EVENTS_GONE: "the next events are not kept any longer: read what you follow anew, "
    "then connect without an id",
}


def event_frame(event: Event) -> bytes:
    """Return an event as it is sent: its number is what a client says to go on after it."""
    # JSON has no line ends of its own, so that it is one line of data.
    return b"id: %d\ndata: %b\n\n" % (event.number, msgspec.json.encode(public_form(event)))


def opened_frame(position: int, *, retry_ms: int) -> bytes:
    """Return the first thing a stream says, so that a client knows where to go on from the start.

    Args:
        position: the number behind which the stream begins.
        retry_ms: how long a browser waits before it connects again.
    """
    return b"retry: %d\n%b" % (retry_ms, _own_frame("stream.opened", position, {}))


def position_frame(position: int) -> bytes:
    """Return what is said instead of a comment when only events have passed that nobody asked for.

    Without it a client that hears nothing for a month would come back with an id that is too old.
    """
    return _own_frame("stream.position", position, {})


def ended_frame(position: int, reason: EndReason, *, retry_ms: int) -> bytes:
    """Return the last thing a stream says."""
    content = {"reason": reason.value, "detail": _DETAILS[reason]}
    return b"retry: %d\n%b" % (retry_ms, _own_frame("stream.ended", position, content))


def _own_frame(name: str, position: int, content: dict[str, Any]) -> bytes:
    data = msgspec.json.encode({**content, "resume_after": str(position)})
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (position, name.encode(), data)
