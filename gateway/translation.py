"""What OCPP-J's versions write alike: times, and identifiers of what cannot be told apart."""

import asyncio
from datetime import MINYEAR, UTC, datetime, timedelta
from typing import Any, Protocol

from gateway import quirks
from gateway.errors import CallRefusedError, ErrorCode
from shared.domain.sessions.meter_values import MeterValue
from shared.domain.stations.quirks import QuirkKind

_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta.resolution
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta.resolution
# In 2026-06-30T23:59:60Z.
_T, _SECONDS = slice(10, 11), slice(16, 19)
_EXAMPLE_LENGTH = 60
# Of one turn of the event loop: so many samples take 2 ms to be translated.
_SAMPLES_PER_TURN = 1_000
_FEW_METER_VALUES = 10


def parse_time(text: str, name: str = "timestamp") -> datetime:
    """Read an RFC 3339 time, also without a zone (then UTC) or with more digits than microseconds.

    A clock that is not set may tell the first instant of the calendar, which Postgres' driver takes
    for "never"; it is told from that, and kept, by a microsecond.

    Args:
        text: what the station sent.
        name: the member it stood in, for the refusal.

    Raises:
        CallRefusedError: it is no time.
    """
    try:
        time = _read_time(text, name)
        if time.tzinfo is None:
            quirks.found(QuirkKind.TIME_WITHOUT_ZONE, name, text)
            time = time.replace(tzinfo=UTC)
        return min(max(_in_utc(time), _FIRST), _LAST)
    except (ValueError, OverflowError):
        raise CallRefusedError(
            ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"{name}: {text[:50]!r} is not an RFC 3339 time"
        ) from None


def parse_optional_time(text: str | None, now: datetime, name: str = "timestamp") -> datetime:
    """Read a time that may be left out, and for which `now` stands then.

    One that cannot be read is as good as none: what else the message says must not be lost.

    Args:
        text: what the station sent, if anything.
        now: the time of its arrival.
        name: the member it stood in.
    """
    if text is None:
        return now
    try:
        return parse_time(text, name)
    except CallRefusedError:
        quirks.found(QuirkKind.UNREADABLE_TIME, name, text[:_EXAMPLE_LENGTH])
        return now


def named_request(request_id: int | None) -> int | None:
    """Return the request that a station names, or None for the number that stands for none.

    Some send -1 where OCPP has them leave the id out. No request of ours has such an id.
    """
    return None if request_id is None or request_id < 0 else request_id


def parse_item_time(text: str, items: str) -> datetime | None:
    """Read the timestamp of an item of a list; None, counted, if it is none and the item has to go.

    Args:
        text: what the station sent.
        items: what the list is called.
    """
    try:
        return parse_time(text)
    except CallRefusedError:
        quirks.found(QuirkKind.ITEM_DROPPED, f"{items}.timestamp", text[:_EXAMPLE_LENGTH])
        return None


def check_times(items: list[dict[str, Any]]) -> None:
    """Make sure that it is not for their times that nothing of some items can be kept.

    Raises:
        CallRefusedError: one is no time.
    """
    for item in items:
        parse_time(item["timestamp"])


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:  # its zone leads out of the calendar
        return _FIRST if time.year == MINYEAR else _LAST


def _read_time(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if text[_SECONDS] == ":60":  # a leap second (RFC 3339 §5.7) is the one after it (ours)
            before = f"{text[: _SECONDS.start]}:59{text[_SECONDS.stop :]}"
            return _read_time(before, name) + timedelta(seconds=1)
        # Small letters and a blank for the T, which RFC 3339 §5.6 allows; other blanks, which it
        # does not.
        plain = text.strip().upper()
        if plain[_T] == " ":
            plain = f"{plain[: _T.start]}T{plain[_T.stop :]}"
        time = datetime.fromisoformat(plain.replace(" ", ""))
        quirks.found(QuirkKind.TIME_FORM, name, text)
        return time


def format_time(time: datetime) -> str:
    """Write a time in UTC with milliseconds, the most that OCPP 2.0.1 allows (part 2 §2.1.2)."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class _Translate(Protocol):
    def __call__(
        self, meter_values: list[dict[str, Any]], /, *, may_be_none: bool
    ) -> list[MeterValue]: ...


async def in_turns(
    translate: _Translate, meter_values: list[dict[str, Any]], *, may_be_none: bool = False
) -> list[MeterValue]:
    """Translate a list of meter values; a long one with a turn for all others now and then.

    Args:
        translate: what a version of OCPP makes of them.
        meter_values: as they were on the wire.
        may_be_none: whether their message says something without any of them.

    Raises:
        CallRefusedError: it does not, and none is left because of a time.
    """
    if len(meter_values) <= _FEW_METER_VALUES:
        return translate(meter_values, may_be_none=may_be_none)
    translated: list[MeterValue] = []
    begun: list[dict[str, Any]] = []
    samples = 0
    for each in meter_values:
        begun.append(each)
        samples += len(each["sampledValue"])
        if samples >= _SAMPLES_PER_TURN:
            translated += translate(begun, may_be_none=True)
            begun, samples = [], 0
            await asyncio.sleep(0)
    translated += translate(begun, may_be_none=True)
    if not translated and not may_be_none:
        check_times(meter_values)
    return translated
