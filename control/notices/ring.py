"""The newest events in memory, as they are sent, for all streams of a process."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from control.notices.frames import event_frame
from shared.domain.notices.events import Event, EventFilter

# Of what was put together for one stream, and most others want as well.
_SHARED_MAX = 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some events, ready to be sent.

    Attributes:
        frames: as they are sent; b"" if none was asked for.
        last: whoever has these has all up to this number that they asked for.
        count: how many events.
        recorded_at: when the first of them got its number; None if there is none.
    """

    frames: bytes
    last: int
    count: int = 0
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Recent:
    event: Event  # without its data, which is in the frame
    frame: bytes


def chunk_of(events: Sequence[Event], *, last: int, max_bytes: int) -> Chunk:
    """Return the first events of some, at least one of them.

    Args:
        events: in order, and all of them asked for.
        last: up to where these are all, if all of them fit.
        max_bytes: how long the chunk may be, unless its first event is longer.
    """
    frames: list[bytes] = []
    size = 0
    for event in events:
        frame = event_frame(event)
        if frames and size + len(frame) > max_bytes:
            last = events[len(frames) - 1].number
            break
        frames.append(frame)
        size += len(frame)
    first = events[0].recorded_at if events else None
    return Chunk(b"".join(frames), last, len(frames), first)


class Ring:
    """The newest events, up to a number and a size.

    Args:
        max_events: how many are held.
        max_bytes: how long they may be together, as they are sent.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._recent: list[_Recent] = []
        self._size = 0
        self._base = 0
        self._shared: dict[tuple[int, int, EventFilter], Chunk] = {}
        self.head: int | None = None
        """Number of the newest event that was seen; None before any was looked for."""

    def begin(self, head: int) -> None:
        """Forget everything, and go on behind this number."""
        self.forget()
        self._base = self.head = head

    def forget(self) -> None:
        """Forget everything, also where it goes on."""
        self._recent.clear()
        self._shared.clear()
        self._size, self.head = 0, None

    def append(self, events: Sequence[Event]) -> None:
        """Take the next events, in order; the oldest ones go."""
        for event in events:
            frame = event_frame(event)
            self._recent.append(_Recent(replace(event, data={}), frame))
            self._size += len(frame)
        self.head = events[-1].number
        self._shared.clear()
        gone, size = max(0, len(self._recent) - self._max_events), self._size
        size -= sum(len(each.frame) for each in self._recent[:gone])
        while size > self._max_bytes:
            size -= len(self._recent[gone].frame)
            gone += 1
        if gone:
            self._base, self._size = self._recent[gone - 1].event.number, size
            del self._recent[:gone]

    def reaches_back_to(self, position: int) -> bool:
        """Tell whether all events behind this number are here, as far as any have been seen."""
        return self.head is not None and position >= self._base

    def holds_all_behind(self, position: int) -> bool:
        """Tell the same, and that this number has been seen."""
        return self.head is not None and self._base <= position <= self.head

    def behind(self, position: int, found: EventFilter, *, max_bytes: int) -> Chunk:
        """Return the events behind a number that somebody asks for, or the first of them.

        Args:
            position: what they have; `reaches_back_to` it.
            found: what they ask for.
            max_bytes: how long the chunk may be, unless its first event is longer.
        """
        key = position, max_bytes, found
        chunk = self._shared.get(key)
        if chunk is None:
            chunk = self._put_together(position, found, max_bytes)
            if len(self._shared) < _SHARED_MAX:
                self._shared[key] = chunk
        return chunk

    def _put_together(self, position: int, found: EventFilter, max_bytes: int) -> Chunk:
        frames: list[bytes] = []
        size, last, first = 0, max(position, self.head or 0), None
        start = bisect_right(self._recent, position, key=lambda each: each.event.number)
        for index in range(start, len(self._recent)):
            recent = self._recent[index]
            if not found.matches(recent.event):
                continue
            if frames and size + len(recent.frame) > max_bytes:
                last = self._recent[index - 1].event.number
                break
            frames.append(recent.frame)
            size += len(recent.frame)
            first = first or recent.event.recorded_at
        return Chunk(b"".join(frames), last, len(frames), first)
