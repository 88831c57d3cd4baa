"""Meter values in the order in which they came to us.

A station's clock that is set back while a charge goes on stamps what it says next before what it
has said, so that by its times the register falls. A station tells in order (OCPP 1.6 §3.7.1), so
that a register which never falls in the order of arrival shows that the clock fell, not the meter.
Of a register that falls either way, nothing is said here.
"""

from collections.abc import Iterable
from datetime import datetime

from shared.domain.sessions.energy import Reading, ReadingOf


def told_during(
    readings: Iterable[Reading], since: datetime, until: datetime | None
) -> list[Reading]:
    """Return those that can be a session's, by when they came.

    One that names no transaction is that of a session before, if it came before the first word of
    this one, and that of a session after, if it came after the end.
    """
    return [
        reading
        for reading in readings
        if reading.of is not ReadingOf.NONE
        or (since <= reading.received_at and (until is None or reading.received_at <= until))
    ]


def by_our_clock(readings: Iterable[Reading]) -> list[Reading]:
    """Return readings as if they had been taken when they came."""
    return [
        Reading(reading.received_at, reading.received_at, reading.samples, reading.of)
        for reading in readings
    ]
