"""Where samples of a begin are put, and by how little a register is none of before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import Limits, Reading, ReadingOf
from shared.domain.sessions.energy import Register
from shared.domain.sessions.repeats import Placed, place
from tests.support.session_scripts import sample

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
AT_BEGIN, BREAK = "Transaction.Begin", "Interruption.Begin"


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def reading(at: float, *samples: Any, of: ReadingOf = ReadingOf.SESSION) -> Reading:
    return Reading(minute(at), minute(at), list(samples), of)


def shown(at: float, value: Any, **words: Any) -> Reading:
    return reading(at, sample(str(value), **words))


def placed(*readings: Reading, start_wh: int | None = None) -> Placed:
    start = None if start_wh is None else Register(BEGIN, Decimal(start_wh))
    return place(readings, start, BEGIN, Limits())


def stands_at(found: Placed, value: Any, **words: Any) -> Sequence[float]:
    """Return the minutes at which a sample of this value and these words stands."""
    return [
        (each.sampled_at - BEGIN) / timedelta(minutes=1)
        for each in found.readings
        for told in each.samples
        if told["value"] == str(value) and words.items() <= told.items()
    ]


def test_what_was_taken_at_the_begin_stands_there() -> None:
    for context in (AT_BEGIN, BREAK):
        found = placed(shown(0, 1000, context=context), shown(0, 5000), start_wh=1000)
        assert stands_at(found, 1000) == [0]
        assert not found.repeated


# A meter may differ by 50 Wh and the last digits of both: "2000" by 1 Wh, "2.0" kWh by 100.
@pytest.mark.parametrize(
    ("most", "unit", "amount", "is_old"),
    [
        ("2000", "Wh", 1948, False),
        ("2000", "Wh", 1947, True),
        ("2.0", "kWh", 1849, False),
        ("2.0", "kWh", 1848, True),
        ("2000", "Wh", 2100, False),
    ],
)
def test_a_register_of_before_is_below_what_the_meter_has_shown_by_more_than_readings_differ(
    most: str, unit: str, amount: int, *, is_old: bool
) -> None:
    found = placed(shown(10, most, unit=unit), shown(20, amount, context=AT_BEGIN))
    assert stands_at(found, amount) == ([0] if is_old else [20])
    assert found.repeated is is_old


@pytest.mark.parametrize(
    ("amount", "is_start"), [(947, False), (948, True), (1052, True), (1053, False)]
)
def test_the_register_at_the_start_is_that_of_the_start_whenever_it_comes(
    amount: int, *, is_start: bool
) -> None:
    found = placed(shown(20, amount, context=AT_BEGIN), start_wh=1000)
    assert stands_at(found, amount) == ([0] if is_start else [20])
    assert not found.repeated


# The least that the meter has shown is 1000, or the start's; readings of it differ by 51 Wh.
@pytest.mark.parametrize(
    ("start_wh", "amount", "phase", "told_again"),
    [
        (None, 1500, None, True),
        (None, 949, None, True),
        (None, 948, None, False),
        (500, 449, None, True),
        (500, 448, None, False),
        (1500, 949, None, True),
        (500, 949, "L1", True),
        (500, 948, "L1", False),
        (None, 1948 + 1000, None, False),
    ],
)
def test_an_interruptions_register_is_left_out_if_the_meter_had_shown_it_and_more(
    start_wh: int | None, amount: int, phase: str | None, *, told_again: bool
) -> None:
    words = {} if phase is None else {"phase": phase}
    found = placed(
        shown(10, 1000, **words),
        shown(20, 3000, **words),
        shown(30, amount, context=BREAK, **words),
        start_wh=start_wh,
    )
    assert stands_at(found, amount) == ([] if told_again else [30])
    assert found.repeated is told_again


def test_a_phase_is_compared_with_itself_alone() -> None:
    begun = [sample(value, context=AT_BEGIN, phase=phase) for phase, value in
             (("L1", "100"), ("L2", "200"))]  # fmt: skip
    found = placed(shown(10, 3000, phase="L1"), shown(10, 900, phase="L2"), reading(20, *begun))
    assert (stands_at(found, 100), stands_at(found, 200)) == ([0], [0])
    found = placed(
        shown(10, 3000, phase="L1"),
        shown(10, 900, phase="L2"),
        shown(20, 1000, phase="L2", context=AT_BEGIN),
    )
    assert stands_at(found, 1000) == [20]


def test_a_begin_told_again_and_again_is_kept_once() -> None:
    told = [reading(at, sample(str(at * 100)), sample("7", context=AT_BEGIN)) for at in (10, 20)]
    assert stands_at(placed(*told), 7) == [0]


@pytest.mark.parametrize(
    ("again", "once"),
    [
        (sample("100", context=AT_BEGIN), sample("9990", context=AT_BEGIN)),
        (sample("100", context=AT_BEGIN), sample("1005", context=AT_BEGIN)),
        (sample("1500", context=BREAK), sample("9990", context=BREAK)),
        (sample("7", measurand="Power.Active.Import", context=BREAK),
         sample("8", measurand="Energy.Active.Import.Interval", context=BREAK)),
    ],
)  # fmt: skip
def test_what_was_told_again_once_is_not_forgotten(again: Any, once: Any) -> None:
    power = sample("7000", measurand="Power.Active.Import")
    found = placed(
        shown(10, 1400), reading(20, sample("3000"), power, again), reading(30, once), start_wh=1000
    )
    assert found.repeated


def test_a_start_that_is_told_late_does_not_undo_what_was_told_again_before() -> None:
    found = placed(
        shown(10, 3000, phase="L1"),
        shown(20, 100, phase="L1", context=AT_BEGIN),
        shown(30, 1000, context=AT_BEGIN),
        start_wh=1000,
    )
    assert found.repeated


@pytest.mark.parametrize("of", ReadingOf)
def test_readings_are_of_the_transaction_that_they_named(of: ReadingOf) -> None:
    told = reading(20, sample("3000"), sample("100", context=AT_BEGIN), of=of)
    found = placed(told)
    assert stands_at(found, 100) == [0]
    assert [each.of for each in found.readings] == [of, of]
    assert {each.received_at for each in found.readings} == {minute(20)}


def test_signed_values_and_those_of_the_car_stand_where_they_were_told() -> None:
    words = {"context": AT_BEGIN, "location": "EV"}
    found = placed(shown(10, 3000), shown(20, 80, **words))
    assert stands_at(found, 80) == [20]
    assert not found.repeated
