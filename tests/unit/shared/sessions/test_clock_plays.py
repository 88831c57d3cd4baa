"""Clocks that jump, ends that are lost, ends by rule that are revoked: Hypothesis plays them."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from shared.domain.sessions import EndSource, ReviewReason, Settlement
from tests.support.clock_plays import PLAYS, REVOKED, SET_BACK, Charge, Play
from tests.support.session_ledger import LIMITS, RULES, Ledger

_SOAK = int(os.environ.get("VOLTARO_SOAK_SESSIONS", "0"))
_BEGAN = datetime(2028, 2, 28, 22, 30, tzinfo=UTC)
_OF_REGISTERS = {ReviewReason.REGISTER_DECREASED, ReviewReason.REGISTER_JUMPED}


@pytest.mark.timeout(0)
@settings(
    max_examples=max(500, _SOAK // 10),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(made=PLAYS)
@example(made=("1.6", REVOKED))
@example(made=("2.0.1", REVOKED))
@example(made=("1.6", SET_BACK))
@example(made=("2.0.1", SET_BACK))
def test_what_a_clock_does_closes_no_running_charge_and_makes_no_bill_wrong_in_silence(
    made: tuple[str, list[tuple[str, Any]]],
) -> None:
    version, acts = made
    play, ledger = Play(version), Ledger()
    ids: dict[int, str] = {}
    for act, argument in [*acts, ("look", 0)]:
        say = play.do(act, argument)
        now = _BEGAN + play.now
        if act == "boot":
            ledger.boot(now)
        if say is not None:
            number = len(play.charges)
            transaction_id = ledger.receive(say(now + play.offset)(ids.get(number, "")), now)
            ids.setdefault(number, transaction_id or f"tx-{number}")
        if act == "look":
            settled = ledger.settle(now)
            for charge in play.charges:
                check(play, charge, settled[ids[charge.number]])


def check(play: Play, charge: Charge, settlement: Settlement) -> None:
    end = settlement.end
    if charge.ended is None:
        charge.closable |= is_closable(play, charge)
        assert (end is not None) is charge.closable
    elif not charge.end_told:
        assert end is None or end.source is EndSource.RULE
        assert (end is None) is (ReviewReason.END_MISSING not in settlement.reasons)
    else:
        assert end is not None
        assert end.source is EndSource.STATION
        odd = settlement.reasons & _OF_REGISTERS
        assert not odd or charge.jumped
        assert settlement.reasons - odd == reasons_of(charge)
        assert odd or settlement.energy_wh == charge.energy_wh
    assert end is None or settlement.needs_review is bool(settlement.reasons)


def is_closable(play: Play, charge: Charge) -> bool:
    """Tell whether a rule closes a charge that goes on: it is silent since a boot, or for days."""
    rebooted = play.booted is not None and play.booted > charge.last_word
    if rebooted and play.booted is not None and play.now >= play.booted + RULES.rebooted:
        return True
    return play.now >= charge.last_word + RULES.quiet


def reasons_of(charge: Charge) -> set[ReviewReason]:
    """Return what has to be looked at although all registers are right."""
    reasons = set()
    if charge.seems_to_last < timedelta(0):
        reasons.add(ReviewReason.ENDED_BEFORE_STARTED)
    if any(
        not -LIMITS.max_age <= offset <= LIMITS.max_ahead
        for offset in (charge.start_offset, charge.end_offset)
    ):
        reasons.add(ReviewReason.CLOCK_IMPLAUSIBLE)
    return reasons
