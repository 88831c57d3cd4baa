"""When a rule closes a session, at the very instants that decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.sessions.closing import (
    ClosingRules,
    EndRule,
    LastWords,
    RuleEnd,
    Surroundings,
    conclude_end,
)

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES = ClosingRules()
LATE = BEGIN + timedelta(days=30)


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


SAID = LastWords(heard_at=minute(31), said_at=minute(30))
CLOSED = RuleEnd(rule=EndRule.SESSION_QUIET, ended_at=minute(30), concluded_at=minute(99))


def rule_of(around: Surroundings, words: LastWords = SAID) -> EndRule | None:
    end, _ = conclude_end(words, around, replace(RULES, quiet=timedelta(days=99)), now=LATE)
    return end and end.rule


@pytest.mark.parametrize(
    ("around", "rule"),
    [
        (Surroundings(booted_at=minute(31)), None),
        (Surroundings(booted_at=minute(31) + SECOND), EndRule.STATION_REBOOTED),
        (Surroundings(available_since=minute(30), available_received_at=minute(40)), None),
        (Surroundings(available_since=minute(30) + SECOND, available_received_at=minute(40)),
         EndRule.CONNECTOR_AVAILABLE),
        (Surroundings(available_since=minute(40), available_received_at=minute(31)),
         EndRule.CONNECTOR_AVAILABLE),
        (Surroundings(available_since=minute(40), available_received_at=minute(31) - SECOND),
         None),
        (Surroundings(available_since=minute(40)), None),
        (Surroundings(offline_since=minute(1)), EndRule.STATION_SILENT),
        (Surroundings(), None),
    ],
    ids=["booted with the last words", "booted after them", "available when it last said so",
         "after that", "told with the last words", "told before them", "never told", "offline",
         "nothing"],
)  # fmt: skip
def test_what_a_sign_is_compared_with_are_the_last_words_by_the_same_clock(
    around: Surroundings, rule: EndRule | None
) -> None:
    assert rule_of(around) is rule


@pytest.mark.parametrize(
    ("words", "stands"),
    [
        (SAID, True),
        (replace(SAID, heard_at=minute(99)), True),
        (replace(SAID, heard_at=minute(99) + SECOND), False),
        (replace(SAID, said_at=minute(20)), True),
        (replace(SAID, said_at=minute(30) + SECOND), False),
    ],
    ids=["nothing new", "heard when it was concluded", "heard since", "said less", "said more"],
)
def test_a_conclusion_stands_until_something_is_heard_or_said_after_it(
    words: LastWords, *, stands: bool
) -> None:
    end, look_at = conclude_end(words, Surroundings(), RULES, now=minute(120), earlier=CLOSED)
    assert end == (replace(CLOSED, ended_at=words.said_at) if stands else None)
    assert look_at == (None if stands else words.heard_at + RULES.quiet)


def test_the_strongest_sign_closes_it_and_the_first_one_due_says_when_to_look() -> None:
    around = Surroundings(
        next_start_at=minute(40),
        next_start_received_at=minute(60),
        booted_at=minute(50),
        available_since=minute(45),
        available_received_at=minute(45),
        offline_since=minute(32),
    )
    open_, look_at = conclude_end(SAID, around, RULES, now=minute(50))
    assert (open_, look_at) == (None, minute(45) + RULES.available)
    closed, look_at = conclude_end(SAID, around, RULES, now=LATE)
    expected = RuleEnd(rule=EndRule.NEXT_START, ended_at=minute(30), concluded_at=LATE)
    assert (closed, look_at) == (expected, None)
