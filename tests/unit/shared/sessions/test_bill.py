"""What of a settled session is billed, to whom, and what keeps it from being billed."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions import (
    EndRule,
    EndSource,
    Limits,
    Review,
    ReviewDecision,
    ReviewReason,
    Surroundings,
)
from shared.domain.sessions.bill import Bill
from shared.domain.sessions.closing import RuleEnd
from shared.domain.sessions.energy import EnergyMethod, Reading, ReadingOf
from tests.support.session_scripts import sample
from tests.unit.shared.sessions.test_settlement import (
    BEGIN,
    INTERVAL,
    LIMITS,
    RECEIVED,
    end,
    facts,
    minute,
    reading,
    register,
    settled,
    words,
)

BILL = Bill(id_token="A", energy_wh=Decimal(2000), started_at=BEGIN, ended_at=minute(60))
ACCEPTED = Review(
    decision=ReviewDecision.ACCEPT,
    reasons=frozenset(),
    energy_wh=Decimal(2000),
    ended_at=minute(60),
)


def test_a_session_without_any_reason_is_billed_by_what_it_shows() -> None:
    settlement = settled(facts(ends=(end(),), id_token="A", heard_at=minute(61)))
    assert (settlement.found, settlement.billable, settlement.needs_review) == (BILL, True, False)
    assert (settlement.meter_stop_wh, settlement.heard_at) == (3000, minute(61))
    (estimate,) = settlement.estimates
    assert (estimate.first_at, estimate.last_at) == (BEGIN, minute(60))


@pytest.mark.parametrize(
    "known",
    [
        facts(register(30, 1800), id_token="A"),
        facts(ends=(end(None),), id_token="A"),
        facts(ends=(end(),), anonymous=True),
        facts(ends=(end(1010),), anonymous=True),
        facts(ends=(end(),), id_token="A", evse_id=0),
        facts(ends=(end(),), id_token="A", evse_id=0, anonymous=True),
        facts(ends=(end(),), id_token="A", review=replace(ACCEPTED, decision=ReviewDecision.VOID)),
    ],
    ids=["goes on", "no energy", "nobody's", "nobody's, empty", "suspect", "suspect and nobody's",
         "void"],
)  # fmt: skip
def test_nothing_else_is_billed(known: Any) -> None:
    assert settled(known, now=minute(61)).billable is False


def test_what_goes_on_has_no_energy_yet() -> None:
    going = settled(facts(register(30, 1800)), now=minute(61))
    assert (going.end, going.energy_wh, going.found.ended_at) == (None, None, None)
    assert going.estimates != ()
    assert going.meter_stop_wh is None


@pytest.mark.parametrize(
    ("stop_wh", "anonymous", "reasons"),
    [
        (1051, True, ["no_token"]),
        (1050, True, []),
        (3000, False, []),
    ],
)
def test_somebody_has_to_say_for_whom_energy_was(
    stop_wh: int, reasons: list[str], *, anonymous: bool
) -> None:
    settlement = settled(facts(ends=(end(stop_wh),), anonymous=anonymous))
    assert sorted(settlement.reasons) == reasons


def test_a_correction_is_what_is_billed() -> None:
    review = replace(
        ACCEPTED,
        decision=ReviewDecision.CORRECT,
        energy_wh=Decimal(7),
        ended_at=minute(50),
        corrects_energy=True,
        corrects_end=True,
    )
    settlement = settled(facts(ends=(end(),), id_token="A", review=review))
    assert settlement.found == replace(BILL, energy_wh=Decimal(7), ended_at=minute(50))
    assert settlement.energy_wh == 2000


@pytest.mark.parametrize(
    ("first", "changed"),
    [
        (None, False),
        (BILL, False),
        (replace(BILL, energy_wh=Decimal(1)), True),
        (replace(BILL, ended_at=minute(1)), True),
        (replace(BILL, id_token="B"), True),
        (replace(BILL, started_at=minute(1)), True),
    ],
)
def test_a_bill_that_is_another_than_the_first_is_looked_at(
    first: Bill | None, *, changed: bool
) -> None:
    settlement = settled(facts(ends=(end(),), id_token="A", bill=first))
    assert settlement.reasons == ({ReviewReason.CHANGED_AFTER_SETTLEMENT} if changed else set())


@pytest.mark.parametrize(
    ("first", "decision", "changed"),
    [
        (replace(BILL, energy_wh=Decimal(1)), "accept", False),
        (replace(BILL, id_token="B"), "accept", True),
        (replace(BILL, id_token="B"), "void", False),
    ],
)
def test_a_decision_is_about_what_is_billed_and_not_about_who_pays(
    first: Bill, decision: str, *, changed: bool
) -> None:
    review = replace(ACCEPTED, decision=ReviewDecision(decision))
    settlement = settled(facts(ends=(end(),), id_token="A", bill=first, review=review))
    assert settlement.reasons == ({ReviewReason.CHANGED_AFTER_SETTLEMENT} if changed else set())


def test_an_operators_end_stands_in_for_one_that_was_never_told() -> None:
    review = replace(ACCEPTED, ended_at=minute(50), corrects_end=True, reviewed_at=minute(99))
    known = facts(register(30, 1800), review=review, surroundings=FOLLOWED)
    settlement = settled(known)
    assert settlement.rule_end is None
    assert settlement.end is not None
    assert settlement.end.source is EndSource.OPERATOR
    assert (settlement.end.ended_at, settlement.end.received_at) == (minute(50), minute(99))
    undated = settled(replace(known, review=replace(review, reviewed_at=None)))
    assert undated.end is not None
    assert undated.end.received_at == minute(30)


FOLLOWED = Surroundings(next_start_at=minute(60), next_start_received_at=minute(60))


def test_a_rules_end_is_of_when_it_was_concluded() -> None:
    closed = settled(facts(register(30, 1800), surroundings=FOLLOWED), now=minute(99))
    assert closed.end is not None
    assert closed.end.source is EndSource.RULE
    assert (closed.end.ended_at, closed.end.received_at) == (minute(30), minute(99))
    assert closed.meter_stop_wh == 1800


def test_a_session_of_which_nothing_but_its_arrival_is_known_ends_then() -> None:
    known = facts(started_at=None, meter_start_wh=None, surroundings=FOLLOWED)
    closed = settled(known, now=minute(99))
    assert closed.end is not None
    assert closed.end.ended_at == RECEIVED


def test_what_could_not_be_read_closes_nothing_and_is_looked_at() -> None:
    unread = ReviewReason.METER_VALUES_TOO_MANY
    known = facts(surroundings=FOLLOWED, unread=unread)
    assert settled(known).end is None
    assert settled(known).reasons == {unread}
    concluded = RuleEnd(rule=EndRule.NEXT_START, ended_at=minute(9), concluded_at=minute(99))
    closed = settled(replace(known, concluded=concluded))
    assert closed.rule_end == concluded
    assert closed.end is not None
    assert closed.end.ended_at == minute(9)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"authorization_status": AuthorizationStatus.ACCEPTED}, []),
        ({"authorization_status": AuthorizationStatus.BLOCKED}, ["token_refused"]),
        ({"ends": (end(1000, at=0),)}, []),
        ({"ends": (end(1000, at=-1),)}, ["ended_before_started"]),
        ({"ends": (end(), end(at=61))}, ["ends_differ"]),
        ({"ends": (end(), end(2999))}, ["ends_differ"]),
        ({"ends": (end(), end(received_at=minute(70)))}, []),
        ({"started_at": None}, ["start_missing"]),
    ],
    ids=["accepted", "refused", "at once", "before", "another time", "another register",
         "told again", "no start"],
)  # fmt: skip
def test_what_is_told_has_to_make_sense(changes: dict[str, Any], reasons: list[str]) -> None:
    known = {"ends": (end(),), **changes}
    assert sorted(settled(facts(**known)).reasons) == reasons


@pytest.mark.parametrize(
    ("off", "reasons"),
    [
        (-LIMITS.max_age, set()),
        (-LIMITS.max_age - timedelta(seconds=1), {"clock_implausible"}),
        (LIMITS.max_ahead, set()),
        (LIMITS.max_ahead + timedelta(seconds=1), {"clock_implausible"}),
    ],
)
def test_a_clock_may_be_two_years_behind_and_a_day_ahead(off: timedelta, reasons: set[str]) -> None:
    told = end(received_at=minute(60) - off)
    assert settled(facts(ends=(told,))).reasons == reasons
    begun = facts(ends=(end(),), received_at=BEGIN - off)
    assert settled(begun).reasons == reasons


def test_a_time_that_was_shown_twice_matters_if_the_energy_is_taken_from_intervals() -> None:
    shown = [
        Reading(minute(at), minute(at), [sample(wh, measurand=INTERVAL)])
        for at, wh in ((20, "700"), (40, "700"), (40, "600"), (60, "600"))
    ]
    alone = settled(facts(*shown, ends=(end(None),), meter_start_wh=None))
    assert words(alone) == (2000, "intervals", ["clock_implausible"])
    beside = settled(facts(*shown, ends=(end(),)))
    assert words(beside) == (2000, "registers", [])


def test_what_was_shown_before_the_start_and_after_the_end_is_no_part_of_it() -> None:
    outside = [register(-1, 500), register(61, 9000)]
    within = [register(0, 1000), register(60, 3000)]
    known = facts(*outside, *within, ends=(end(None),), meter_start_wh=None)
    assert words(settled(known)) == (2000, "sampled_registers", [])
    assert words(settled(replace(known, started_at=None)))[0] == 2500


def test_a_reading_at_the_instant_of_the_next_start_is_of_that() -> None:
    def unknown(at: float, wh: int) -> Reading:
        return replace(register(at, wh), of=ReadingOf.UNKNOWN)

    shown = [unknown(0, 1000), unknown(59, 3000), unknown(60, 9000)]
    known = facts(*shown, ends=(end(None),), meter_start_wh=None, surroundings=FOLLOWED)
    assert words(settled(known))[0] == 2000


def test_a_begin_that_is_told_later_stands_at_the_start() -> None:
    begun = sample("1000", context="Transaction.Begin")
    known = facts(
        reading(10, sample("1500"), begun),
        register(60, 3000),
        ends=(end(None),),
        meter_start_wh=None,
    )
    settlement = settled(known)
    assert words(settlement) == (2000, "sampled_registers", [])
    assert [each.first_at for each in settlement.estimates] == [BEGIN]


def phases(at: float, wh: int) -> Reading:
    return register(at, wh, phase="L1")


@pytest.mark.parametrize(
    ("known", "reasons"),
    [
        (facts(register(10, 1500), ends=(end(),), meter_start_wh=None), ["start_uncovered"]),
        (facts(register(10, 1500), ends=(end(None),)), ["end_uncovered"]),
        (facts(register(60, 3000), ends=(end(None),), events_missing=2), []),
        (facts(register(59, 3000), ends=(end(None),), events_missing=2), ["events_missing"]),
        (facts(ends=(end(),), events_missing=2), []),
        (facts(phases(10, 0), phases(60, 900), ends=(end(None),)), ["start_uncovered"]),
        (facts(phases(0, 0), phases(50, 900), ends=(end(),), meter_start_wh=None),
         ["end_uncovered"]),
    ],
    ids=["no start", "no end", "events between samples", "events", "events between registers",
         "phases from later on", "phases until before"],
)  # fmt: skip
def test_energy_of_samples_has_to_cover_what_no_register_tells(
    known: Any, reasons: list[str]
) -> None:
    assert sorted(settled(known).reasons) == reasons


def test_how_much_is_covered_is_measured_by_the_whole_session() -> None:
    shown = [register(30, 1000), register(60, 3000), phases(30, 0), phases(60, 500)]
    known = facts(*shown, ends=(end(None),), meter_start_wh=None)
    assert words(settled(known)) == (2000, "sampled_registers", ["start_uncovered"])
    unknown = settled(replace(known, started_at=None))
    assert words(unknown) == (2000, "sampled_registers", ["energy_disagrees", "start_missing"])
    assert unknown.energy_method is EnergyMethod.SAMPLED_REGISTERS


@pytest.mark.parametrize(("minutes", "most_wh"), [(60, 500_050), (6, 50_050), (0, 50), (-6, 50)])
def test_in_no_time_only_the_tolerance_can_flow(minutes: int, most_wh: int) -> None:
    assert Limits().most_wh(timedelta(minutes=minutes)) == most_wh


@pytest.mark.parametrize(
    ("seen", "decision", "undecided"),
    [
        ({"ends_differ"}, "accept", False),
        ({"ends_differ", "end_missing"}, "accept", False),
        ({"end_missing"}, "accept", True),
        (set(), "void", False),
    ],
)
def test_reasons_that_an_operator_has_seen_are_decided_upon(
    seen: set[str], decision: str, *, undecided: bool
) -> None:
    review = replace(
        ACCEPTED,
        decision=ReviewDecision(decision),
        reasons=frozenset(ReviewReason(reason) for reason in seen),
    )
    known = facts(ends=(end(), end(2999)), id_token="A", review=review)
    assert settled(known).needs_review is undecided


@pytest.mark.parametrize("change", [ReviewReason.CHANGED_AFTER_SETTLEMENT, None])
def test_what_came_after_a_decision_was_seen_by_none(change: ReviewReason | None) -> None:
    seen = {ReviewReason.CHANGED_AFTER_REVIEW} | ({change} if change else set())
    later = replace(ACCEPTED, reasons=frozenset(seen), energy_wh=Decimal(1))
    settlement = settled(facts(ends=(end(),), id_token="A", review=later))
    assert settlement.reasons == {ReviewReason.CHANGED_AFTER_REVIEW}
    assert settlement.needs_review
