"""An end that names no transaction is given away only if one session can be meant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.sessions import Limits, OpenSession, StrayEnd, match_ends

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
        replace(END, meter_stop_wh=Decimal(999)),
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
