"""What a session's registers show: last digits, placeholders, falls and jumps."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import EndRule, Review, ReviewDecision, ReviewReason, Surroundings
from tests.unit.shared.sessions.test_settlement import (
    RULES,
    end,
    facts,
    minute,
    register,
    settled,
    words,
)


@pytest.mark.parametrize(
    ("start_wh", "shown", "unit", "stop_wh", "reasons"),
    [
        (1900, "1", "kWh", 2499, []),
        (1900, "1.8", "kWh", 2499, []),
        (1900, "1.7", "kWh", 2499, ["register_decreased"]),
        (2100, "3", "kWh", 2600, []),
        (2100, "2.8", "kWh", 2600, ["register_decreased"]),
        (1900, "1849", "Wh", 2499, []),
        (1900, "1847", "Wh", 2499, ["register_decreased"]),
        (1900, "1849.5", "Wh", 2499, []),
    ],
)
def test_a_fall_within_the_last_digits_of_both_registers_and_the_tolerance_is_none(
    start_wh: int, shown: str, unit: str, stop_wh: int, reasons: list[str]
) -> None:
    known = facts(
        register(30, shown, unit=unit), ends=(end(stop_wh),), meter_start_wh=Decimal(start_wh)
    )
    assert words(settled(known)) == (stop_wh - start_wh, "registers", reasons)


@pytest.mark.parametrize(
    ("start_wh", "shown", "stop_wh", "expected"),
    [
        (1000, (0, 1800), 3000, (2000, "registers", ["placeholder_register"])),
        (1000, (1800, 0, 2000), 3000, (2000, "registers", ["placeholder_register"])),
        (0, (1800, 0, 2000), 3000, (3000, "registers", ["placeholder_register"])),
        (0, (0, 0, 1800), 3000, (3000, "registers", [])),
        (1000, (0, 0), 3000, (2000, "registers", ["register_decreased"])),
        (0, (7_000_000, 7_004_000), 7_004_500,
         (4000, "sampled_registers", ["placeholder_register"])),
        (0, (0, 7_000_000, 7_004_000), 7_004_500,
         (4000, "sampled_registers", ["placeholder_register"])),
        (0, (), 7_000_000, (None, None, ["energy_unknown", "placeholder_register"])),
        (0, (1800, 2600), 0, (2600, "sampled_registers", ["placeholder_register"])),
        (1000, (1800, 9_000_000), 9_000_500, (8_999_500, "registers", ["register_jumped"])),
        (1000, (1800,), 9_000_500, (8_999_500, "registers", ["register_jumped"])),
    ],
    ids=["first", "between", "between, from 0", "from 0 on", "zeros alone", "start",
         "start and first", "start, nothing sampled", "stop", "jump between", "jump to the stop"],
)  # fmt: skip
def test_a_zero_where_a_register_is_not_known_yet_is_no_register(
    start_wh: int, shown: tuple[int, ...], stop_wh: int, expected: tuple[Any, ...]
) -> None:
    readings = [register(1 + 10 * number, value) for number, value in enumerate(shown)]
    known = facts(*readings, ends=(end(stop_wh),), meter_start_wh=Decimal(start_wh))
    assert words(settled(known)) == expected


@pytest.mark.parametrize(("offline", "since"), [(10, 30), (30, 30), (50, 50)])
def test_a_station_is_silent_since_it_went_or_since_its_last_words_if_they_came_later(
    offline: float, since: float
) -> None:
    known = facts(register(30, 1800), surroundings=Surroundings(offline_since=minute(offline)))
    due_at = minute(since) + RULES.silent
    assert settled(known, now=minute(60)).look_at == due_at
    assert settled(known, now=due_at - timedelta(seconds=1)).end is None
    closed = settled(known, now=due_at)
    assert closed.rule_end is not None
    assert closed.rule_end.rule is EndRule.STATION_SILENT


@pytest.mark.parametrize(
    ("corrects_end", "at", "reasons"),
    [(False, 60, set()), (False, 59, {ReviewReason.CHANGED_AFTER_REVIEW}), (True, 59, set())],
)
def test_another_end_with_the_same_energy_is_not_what_was_decided_upon(
    at: float, reasons: set[ReviewReason], *, corrects_end: bool
) -> None:
    review = Review(
        decision=ReviewDecision.CORRECT if corrects_end else ReviewDecision.ACCEPT,
        reasons=frozenset(),
        energy_wh=Decimal(2000),
        ended_at=minute(60),
        corrects_end=corrects_end,
    )
    known = facts(ends=(end(3000, at=at),), review=review)
    assert settled(known).reasons == reasons
    open_ = replace(known, ends=())
    assert (settled(open_).end is None) is not corrects_end
