"""What people are told of a session: what changed, in its end, its bill, and before a decision."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import (
    EndRule,
    EndSource,
    HistoryKind,
    ReviewDecision,
    ReviewReason,
    Settlement,
    Shown,
    Surroundings,
    list_changes,
)
from shared.domain.sessions.bill import Bill, list_differences
from shared.domain.sessions.review import Seen
from tests.unit.shared.sessions.test_settlement import BEGIN, end, facts, minute, register, settled

CHANGED = ReviewReason.CHANGED_AFTER_SETTLEMENT
NOBODY = Shown(ended_by=None, end_rule=None, reasons=frozenset())
BY_RULE = Shown(ended_by=EndSource.RULE, end_rule=EndRule.NEXT_START, reasons=frozenset())
MATCHED = Shown(ended_by=EndSource.MATCHED, end_rule=None, reasons=frozenset())
FOLLOWED = Surroundings(next_start_at=minute(61), next_start_received_at=minute(61))
BILL = Bill(id_token="A", energy_wh=Decimal(2000), started_at=BEGIN, ended_at=minute(60))


def ended_by(source: EndSource) -> Settlement:
    return settled(facts(ends=(end(source=source),)))


def open_session() -> Settlement:
    return settled(facts(), now=minute(1))


def changes(shown: Shown, settlement: Settlement) -> list[tuple[HistoryKind, dict[str, Any]]]:
    reasons = frozenset(settlement.reasons)
    return list_changes(replace(shown, reasons=shown.reasons | reasons), settlement)


@pytest.mark.parametrize(
    ("shown", "settlement", "told"),
    [
        (NOBODY, ended_by(EndSource.STATION), []),
        (NOBODY, ended_by(EndSource.MATCHED), [("end_matched", {})]),
        (MATCHED, ended_by(EndSource.MATCHED), []),
        (MATCHED, ended_by(EndSource.STATION), [("end_released", {"ended_by": "station"})]),
        (MATCHED, open_session(), [("end_released", {"ended_by": None})]),
        (BY_RULE, open_session(), [("reopened", {"rule": "next_start", "ended_by": None})]),
        (BY_RULE, ended_by(EndSource.STATION),
         [("rule_end_replaced", {"rule": "next_start", "ended_by": "station"})]),
        (BY_RULE, ended_by(EndSource.MATCHED),
         [("rule_end_replaced", {"rule": "next_start", "ended_by": "matched"}),
          ("end_matched", {})]),
    ],
)  # fmt: skip
def test_who_says_that_a_session_ended_is_told_when_it_changes(
    shown: Shown, settlement: Settlement, told: list[Any]
) -> None:
    assert changes(shown, settlement) == told


def test_a_rules_end_is_told_with_its_time_and_told_again_if_another_rule_has_it() -> None:
    closed = settled(facts(register(30, 1800), surroundings=FOLLOWED))
    detail = {"rule": "next_start", "ended_at": minute(30).isoformat()}
    assert changes(NOBODY, closed) == [("closed_by_rule", detail)]
    assert changes(BY_RULE, closed) == []
    quiet = replace(BY_RULE, end_rule=EndRule.SESSION_QUIET)
    assert changes(quiet, closed) == [("closed_by_rule", detail)]


def test_a_review_is_asked_for_with_the_reasons_that_are_new() -> None:
    known = facts(ends=(end(900),), evse_id=0)
    seen = replace(NOBODY, reasons=frozenset({ReviewReason.EVSE_IMPLAUSIBLE}))
    told = list_changes(seen, settled(known))
    assert told == [("needs_review", {"reasons": ["energy_unknown", "meter_stop_below_start"]})]
    assert list_changes(replace(seen, reasons=settled(known).reasons), settled(known)) == []


def test_reasons_that_need_nobody_are_no_review() -> None:
    decided = replace(settled(facts(ends=(end(900),))), needs_review=False)
    assert list_changes(NOBODY, decided) == []


def changed_bill(energy_wh: int) -> Settlement:
    found = replace(BILL, energy_wh=Decimal(energy_wh))
    return replace(
        ended_by(EndSource.STATION), reasons=frozenset({CHANGED}), found=found, needs_review=True
    )


def test_a_bill_that_changes_is_told_with_both_and_each_change_after_the_first_alone() -> None:
    shown = Shown(ended_by=EndSource.STATION, end_rule=None, reasons=frozenset(), bill=BILL)
    first = list_changes(shown, changed_bill(2500))
    energies = {"energy_wh_before": Decimal(2000), "energy_wh": Decimal(2500)}
    assert first == [
        ("changed_after_settlement", energies),
        ("needs_review", {"reasons": ["changed_after_settlement"]}),
    ]
    known = replace(
        shown, reasons=frozenset({CHANGED}), found=replace(BILL, energy_wh=Decimal(2500))
    )
    assert list_changes(known, changed_bill(2500)) == []
    energies = {"energy_wh_before": Decimal(2500), "energy_wh": Decimal(2600)}
    assert list_changes(known, changed_bill(2600)) == [("changed_after_settlement", energies)]
    assert list_changes(replace(known, found=None), changed_bill(2600)) == []


def test_a_session_that_could_never_be_billed_has_no_bill_that_changes() -> None:
    told = list_changes(replace(NOBODY, ended_by=EndSource.STATION), changed_bill(2500))
    assert [kind for kind, _ in told] == [HistoryKind.NEEDS_REVIEW]
    same = replace(changed_bill(2500), reasons=frozenset(), needs_review=False)
    billed = replace(NOBODY, ended_by=EndSource.STATION, bill=BILL, found=BILL)
    assert list_changes(billed, same) == []


def test_two_bills_differ_in_whom_in_what_and_in_when() -> None:
    other = Bill(id_token=None, energy_wh=None, started_at=None, ended_at=minute(61))
    assert list_differences(BILL, BILL) == {}
    assert list_differences(BILL, other) == {
        "id_token_before": "A",
        "id_token": None,
        "energy_wh_before": Decimal(2000),
        "energy_wh": None,
        "started_at_before": BEGIN.isoformat(),
        "started_at": None,
        "ended_at_before": minute(60).isoformat(),
        "ended_at": minute(61).isoformat(),
    }


SEEN = Seen(
    energy_wh=Decimal(2000),
    ended_at=datetime(2026, 1, 2, 4, tzinfo=UTC),
    reasons=frozenset({ReviewReason.ENDS_DIFFER, ReviewReason.END_MISSING}),
    decision=None,
)
LATER = datetime(2026, 1, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (SEEN, []),
        (replace(SEEN, energy_wh=Decimal("2000.00")), []),
        (replace(SEEN, energy_wh=Decimal("2000.00000000000000001")), []),
        (replace(SEEN, energy_wh=Decimal(2001)), [("energy_wh", Decimal(2000), Decimal(2001))]),
        (replace(SEEN, energy_wh=None), [("energy_wh", Decimal(2000), None)]),
        (replace(SEEN, ended_at=LATER), [("ended_at", SEEN.ended_at, LATER)]),
        (replace(SEEN, ended_at=None, energy_wh=Decimal(7)), [("ended_at", SEEN.ended_at, None)]),
        (replace(SEEN, reasons=frozenset({ReviewReason.ENDS_DIFFER})),
         [("review_reasons", ["end_missing", "ends_differ"], ["ends_differ"])]),
        (replace(SEEN, decision=ReviewDecision.VOID), [("review_decision", None, "void")]),
    ],
)  # fmt: skip
def test_a_decision_is_about_what_was_seen(now: Seen, told: list[Any]) -> None:
    assert list(SEEN.differences(now)) == told


def test_an_energy_that_json_cannot_hold_was_seen_as_none() -> None:
    huge = replace(SEEN, energy_wh=Decimal("1E+400"))
    assert list(huge.differences(replace(SEEN, energy_wh=None))) == []
    assert [name for name, _, _ in huge.differences(SEEN)] == ["energy_wh"]


def test_the_energy_of_a_session_that_goes_on_is_not_decided_upon() -> None:
    going = replace(SEEN, ended_at=None)
    assert list(going.differences(replace(going, energy_wh=Decimal(9)))) == []
    ended = replace(going, ended_at=SEEN.ended_at + timedelta(0) if SEEN.ended_at else None)
    assert [name for name, _, _ in going.differences(ended)] == ["ended_at"]
