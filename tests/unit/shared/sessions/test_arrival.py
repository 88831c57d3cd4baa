"""Readings by when they came."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.sessions import Reading, ReadingOf
from shared.domain.sessions.arrival import by_our_clock, told_during
from tests.support.session_scripts import sample

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def came(at: float, of: ReadingOf) -> Reading:
    return Reading(minute(at - 600), minute(at), [sample("1000")], of)


@pytest.mark.parametrize("of", ReadingOf)
def test_a_reading_is_taken_as_of_when_it_came(of: ReadingOf) -> None:
    told = came(5, of)
    assert by_our_clock([told]) == [Reading(minute(5), minute(5), told.samples, of)]


@pytest.mark.parametrize(
    ("at", "until", "is_told"),
    [(-1, 60, False), (0, 60, True), (60, 60, True), (61, 60, False), (61, None, True)],
)
def test_one_that_names_no_transaction_is_of_the_session_that_went_on_when_it_came(
    at: float, until: float | None, *, is_told: bool
) -> None:
    until_at = None if until is None else minute(until)
    nameless, named = came(at, ReadingOf.NONE), came(at, ReadingOf.SESSION)
    told = told_during([nameless, named], minute(0), until_at)
    assert told == ([nameless, named] if is_told else [named])
