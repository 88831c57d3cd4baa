"""An end that names no transaction is given away only if one session can be meant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from shared.domain.sessions import Limits, OpenSession, StrayEnd, TooManyPairsError, match_ends

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
SESSION = OpenSession(
    session_id="s1",
    started_at=BEGIN,
    meter_start_wh=Decimal(1000),
    id_token="Tag",
    sampled_until=BEGIN + timedelta(minutes=30),
)
END = StrayEnd(
    letter_id="e1",
    ended_at=BEGIN + timedelta(hours=1),
    meter_stop_wh=Decimal(3000),
    id_token="TAG",
)


def minutes(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def matched(
    *ends: StrayEnd, sessions: tuple[OpenSession, ...] = (SESSION,), evses: int = 2
) -> dict[str, str]:
    return match_ends(ends, sessions, evses=evses, limits=Limits())


def test_the_only_session_with_its_token_is_meant() -> None:
    assert matched(END) == {"e1": "s1"}


@pytest.mark.parametrize(
    "end",
    [
        replace(END, id_token="OTHER"),
        replace(END, meter_stop_wh=Decimal(940)),
        replace(END, meter_stop_wh=Decimal(2_000_000)),
        replace(END, ended_at=BEGIN - timedelta(seconds=1)),
        replace(END, ended_at=BEGIN + timedelta(minutes=28)),
        replace(END, id_token=None),
    ],
    ids=["another token", "register below", "register beyond", "before it began",
         "it was sampled later", "several EVSEs and no token"],
)  # fmt: skip
def test_an_end_that_does_not_fit_is_not_given_away(end: StrayEnd) -> None:
    assert matched(end) == {}


def test_without_a_token_the_station_must_have_one_evse() -> None:
    assert matched(replace(END, id_token=None), evses=1) == {"e1": "s1"}
    assert matched(replace(END, id_token=None), evses=0) == {}


def test_two_sessions_that_fit_get_nothing() -> None:
    other = replace(SESSION, session_id="s2", started_at=BEGIN + timedelta(minutes=1))
    assert matched(END, sessions=(SESSION, other)) == {}
    assert matched(END, sessions=(SESSION, replace(other, id_token="X"))) == {"e1": "s1"}


def test_two_ends_that_fit_one_session_are_both_uncertain() -> None:
    assert matched(END, replace(END, letter_id="e2", meter_stop_wh=Decimal(3100))) == {}


def test_an_end_at_the_last_instant_of_the_calendar_is_compared_like_any_other() -> None:
    last = replace(END, ended_at=datetime.max.replace(tzinfo=UTC))
    assert matched(last) == {"e1": "s1"}


def hours(number: float) -> datetime:
    return BEGIN + timedelta(hours=number)


def charges(*starts: float, wh: int = 1000, **words: Any) -> tuple[OpenSession, ...]:
    """Return sessions on one EVSE that follow each other, none of which has an end of its own."""
    return tuple(
        replace(
            SESSION,
            session_id=f"s{number}",
            started_at=hours(start),
            meter_start_wh=Decimal(wh * number),
            sampled_until=None,
            next_started_at=hours(starts[number]) if number < len(starts) else None,
            **words,
        )
        for number, start in enumerate(starts, 1)
    )


def ends(*ended: float, wh: int = 1000, id_token: str | None = None) -> tuple[StrayEnd, ...]:
    return tuple(
        StrayEnd(
            letter_id=f"e{number}",
            ended_at=hours(end),
            meter_stop_wh=Decimal(wh * number + 900),
            id_token=id_token,
        )
        for number, end in enumerate(ended, 1)
    )


@pytest.mark.parametrize("id_token", [None, "Tag"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_charges_that_follow_each_other_get_their_ends_in_order(
    order: tuple[int, ...], id_token: str | None
) -> None:
    sessions, told = charges(0, 2, 4), ends(1, 3, 5, id_token=id_token)
    found = matched(
        *(told[place] for place in order),
        sessions=tuple(sessions[place] for place in reversed(order)),
        evses=1,
    )
    assert found == {"e1": "s1", "e2": "s2", "e3": "s3"}


def test_a_session_whose_end_was_lost_gets_none_of_a_later_one() -> None:
    assert matched(*ends(1, 3, 5)[1:], sessions=charges(0, 2, 4), evses=1) == {
        "e2": "s2",
        "e3": "s3",
    }
    # The second one has told its end itself, and is no candidate: nobody is meant.
    first, _, third = charges(0, 2, 4)
    assert matched(*ends(1, 3, 5)[1:], sessions=(first, third), evses=1) == {"e3": "s3"}


def test_on_one_evse_a_session_ends_with_the_first_end_after_its_start() -> None:
    """The second end is that of a charge whose start was lost, or has not come yet."""
    assert matched(*ends(1, 3), sessions=charges(0), evses=1) == {"e1": "s1"}
    assert matched(*ends(1, 3), sessions=charges(0, 2), evses=1) == {"e1": "s1", "e2": "s2"}
    at_once = replace(ends(1)[0], letter_id="e2", meter_stop_wh=Decimal(1950))
    assert matched(*ends(1), at_once, sessions=charges(0), evses=1) == {}


def test_an_end_whose_start_comes_later_moves_on_to_it() -> None:
    (late,) = ends(3)
    assert matched(late, sessions=charges(0), evses=1) == {"e1": "s1"}
    assert matched(late, sessions=charges(0, 2, wh=500), evses=1) == {"e1": "s2"}


def test_with_several_evses_what_has_ended_is_no_candidate_any_more() -> None:
    first, second = charges(0, 2)
    elsewhere = replace(first, next_started_at=None)
    told = ends(1, 3, id_token="Tag")
    assert matched(*told, sessions=(elsewhere, second)) == {"e1": "s1", "e2": "s2"}
    assert matched(told[1], sessions=(elsewhere, second)) == {}
    assert matched(*told, sessions=(elsewhere,)) == {}


def test_with_several_evses_and_no_token_nobody_is_meant() -> None:
    assert matched(*ends(1, 3), sessions=charges(0, 2)) == {}


def test_an_end_at_the_instant_of_the_next_start_may_mean_either() -> None:
    first, second = charges(0, 2)
    at_once = replace(ends(2)[0], meter_stop_wh=Decimal(2000))
    assert matched(at_once, sessions=(first, second), evses=1) == {}
    last = replace(ends(3)[0], letter_id="e2", meter_stop_wh=Decimal(2900))
    assert matched(at_once, last, sessions=(first, second), evses=1) == {"e1": "s1", "e2": "s2"}
    assert matched(ends(2)[0], sessions=(first, second), evses=1) == {"e1": "s1"}


def test_sessions_whose_order_is_not_certain_do_not_bound_each_other() -> None:
    """The one with the later start came first: told late from offline, or the clock was set."""
    first, second = charges(0, 2)
    first = replace(first, next_started_at=None)
    told = ends(1, 3)
    assert matched(*told, sessions=(first, second), evses=1) == {"e1": "s1", "e2": "s2"}
    assert matched(told[1], sessions=(first, second), evses=1) == {}


def test_an_end_that_is_not_certain_leaves_none_over_for_another() -> None:
    first, second = charges(0, 2)
    first = replace(first, next_started_at=None)
    found = match_ends(
        ends(1, 3), [first, second], evses=1, limits=Limits(), sampled_since=hours(2)
    )
    assert found == {}


@pytest.mark.parametrize("wh", [999, 950, 948])
def test_a_register_that_fell_by_its_last_digits_fits(wh: int) -> None:
    assert matched(replace(END, meter_stop_wh=Decimal(wh))) == {"e1": "s1"}
    assert matched(replace(END, meter_stop_wh=Decimal(947))) == {}


def test_more_pairs_than_are_compared_are_refused() -> None:
    told = ends(*range(1, 20, 2))
    sessions = charges(*range(0, 20, 2))
    assert len(match_ends(told, sessions, evses=1, limits=Limits(), max_pairs=10)) == 10
    unbounded = [replace(each, next_started_at=None) for each in sessions]
    with pytest.raises(TooManyPairsError):
        match_ends(told, unbounded, evses=1, limits=Limits(), max_pairs=10)


def test_an_end_fits_up_to_the_most_that_can_flow() -> None:
    most_wh = 1000 + 500_000 + 50
    assert matched(replace(END, meter_stop_wh=Decimal(most_wh))) == {"e1": "s1"}
    assert matched(replace(END, meter_stop_wh=Decimal(most_wh + 1))) == {}


@pytest.mark.parametrize(("after_s", "expected"), [(60, {"e1": "s1"}), (61, {})])
def test_a_last_sample_may_be_stamped_a_minute_after_its_end(
    after_s: int, expected: dict[str, str]
) -> None:
    sampled_until = END.ended_at + timedelta(seconds=after_s)
    assert matched(END, sessions=(replace(SESSION, sampled_until=sampled_until),)) == expected


def test_an_end_without_a_token_leaves_the_later_ones_their_sessions() -> None:
    earlier = replace(END, letter_id="e0", id_token=None, ended_at=minutes(50))
    assert matched(earlier, END) == {"e1": "s1"}


def test_what_is_not_certain_of_one_session_leaves_the_others_their_ends() -> None:
    sessions = (SESSION, replace(SESSION, session_id="s2", id_token="OTHER"))
    of_one = (END, replace(END, letter_id="e2", meter_stop_wh=Decimal(3001)))
    of_other = replace(END, letter_id="e3", id_token="OTHER", ended_at=minutes(90))
    assert matched(*of_one, of_other, sessions=sessions) == {"e3": "s2"}


@pytest.mark.parametrize(("since", "expected"), [(60, {"e1": "s1"}), (61, {})])
def test_an_end_of_before_samples_are_known_is_not_given_away(
    since: float, expected: dict[str, str]
) -> None:
    known = match_ends([END], [SESSION], evses=2, limits=Limits(), sampled_since=minutes(since))
    assert known == expected
