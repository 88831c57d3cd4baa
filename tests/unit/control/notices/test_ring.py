"""The newest events in memory: bounded, and nothing between two reads is left out."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from control.notices.frames import event_frame
from control.notices.ring import Ring, chunk_of
from shared.domain.notices.events import EVERY_EVENT, Event, EventFilter

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
ODD = EventFilter(station_ids=frozenset({"odd"}))


def event(number: int, *, size: int = 0) -> Event:
    return Event(
        number=number,
        type="station.online",
        occurred_at=NOW,
        recorded_at=NOW,
        organization_id="default",
        location_id=None,
        station_id="odd" if number % 2 else "even",
        data={"text": "x" * size},
    )


def numbers(frames: bytes) -> list[int]:
    return [
        int(line.removeprefix(b"id: ")) for line in frames.splitlines() if line.startswith(b"id: ")
    ]


def test_a_frame_is_an_id_one_line_of_data_and_a_blank_line() -> None:
    frame = event_frame(event(7))
    head, data, blank, rest = frame.split(b"\n")
    assert head == b"id: 7"
    assert data.startswith(b'data: {"id":"7",')
    assert (blank, rest) == (b"", b"")


def test_a_line_end_in_what_is_told_ends_no_line() -> None:
    told = Event(
        **{
            **{name: getattr(event(1), name) for name in Event.__slots__},
            "data": {"text": "a\r\nid: 9\n\n\u2028"},
        }
    )
    assert event_frame(told).count(b"\n") == 3
    assert b"\r" not in event_frame(told)


def test_the_oldest_events_go_when_there_are_too_many_or_they_are_too_long() -> None:
    ring = Ring(max_events=3, max_bytes=1_000_000)
    ring.begin(10)
    ring.append([event(number) for number in (11, 12)])
    assert ring.reaches_back_to(10)
    ring.append([event(number) for number in (13, 14)])
    assert not ring.reaches_back_to(10)
    assert ring.reaches_back_to(11)
    assert numbers(ring.behind(11, EVERY_EVENT, max_bytes=10_000).frames) == [12, 13, 14]
    ring = Ring(max_events=1000, max_bytes=3000)
    ring.begin(0)
    ring.append([event(number, size=1000) for number in (1, 2, 3, 4)])
    assert not ring.reaches_back_to(1)
    assert ring.reaches_back_to(2)


def test_one_event_that_is_longer_than_everything_may_be_passes_through() -> None:
    ring = Ring(max_events=10, max_bytes=100)
    ring.begin(0)
    ring.append([event(1, size=1000)])
    assert ring.head == 1
    assert ring.reaches_back_to(1)
    assert not ring.reaches_back_to(0)
    assert numbers(chunk_of([event(1, size=1000)], last=5, max_bytes=10).frames) == [1]


@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=40),
    pages=st.integers(1, 7),
    max_bytes=st.integers(200, 2000),
    found=st.sampled_from([EVERY_EVENT, ODD, EventFilter(types=frozenset())]),
)
def test_chunk_after_chunk_is_everything_that_was_asked_for_once(
    sizes: list[int], pages: int, max_bytes: int, found: EventFilter
) -> None:
    all_of_it = [event(number, size=size) for number, size in enumerate(sizes, start=1)]
    ring = Ring(max_events=1000, max_bytes=1_000_000)
    ring.begin(0)
    position, told = 0, []
    for first in range(0, len(all_of_it), pages):
        ring.append(all_of_it[first : first + pages])
        while position < (ring.head or 0):
            chunk = ring.behind(position, found, max_bytes=max_bytes)
            assert chunk.last > position
            assert len(chunk.frames) <= max_bytes or chunk.count == 1
            position = chunk.last
            told += numbers(chunk.frames)
    assert told == [each.number for each in all_of_it if found.matches(each)]
