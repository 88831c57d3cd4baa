"""Whatever is missing, comes late or in any order: a bill once made moves only with a reason."""

import os
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.domain.sessions import Bill, EndSource, EnergyMethod, ReviewReason, Settlement
from tests.support.session_ledger import Ledger, outcome
from tests.support.transaction_events import START, TOKEN
from tests.support.uncertain_scripts import UncertainScript, uncertain_scripts

SESSIONS = int(os.environ.get("VOLTARO_SOAK_SESSIONS", "600"))
_SESSIONS_PER_RUN = 6


class UncertainLine(RuleBasedStateMachine):
    """Delivers what is left of some charges."""

    played: ClassVar[int] = 0
    billed: ClassVar[int] = 0
    changed: ClassVar[int] = 0

    @initialize(
        made=st.tuples(*(uncertain_scripts(number) for number in range(_SESSIONS_PER_RUN))),
        shuffle=st.randoms(use_true_random=False),
    )
    def begin(self, made: tuple[UncertainScript, ...], shuffle: st.DataObject) -> None:
        self.scripts, self.shuffle = {script.transaction_id: script for script in made}, shuffle
        self.ledger, self.now = Ledger(), START
        self.words = [word for script in made for word in script.told]
        self.delivered: set[int] = set()
        self.bills: dict[str, Bill] = {}
        self.contradicted: set[str] = set()

    def _deliver(self, place: int) -> None:
        self.now += timedelta(seconds=1)
        self.ledger.receive(self.words[place], self.now)
        self.delivered.add(place)

    @precondition(lambda self: self.words)
    @rule(place=st.integers(0, 10**6), count=st.integers(1, 8))
    def deliver(self, place: int, count: int) -> None:
        """Deliver some words, new ones or such whose answer was lost."""
        for each in range(count):
            self._deliver((place + each * 7) % len(self.words))

    @precondition(lambda self: self.bills)
    @rule(place=st.integers(0, 10**6))
    def charge_somebody_else(self, place: int) -> None:
        """Tell another token for a charge that has been billed, and that it came first."""
        name = sorted(self.bills)[place % len(self.bills)]
        first = self.scripts[name].events[0]
        words = {**TOKEN, "id_token": "OWNER"}
        self.contradicted.add(name)
        self.ledger.receive(replace(first, seq_no=-1, meter_values=[], **words), self.now)

    @rule()
    def look(self) -> None:
        """Let the worker look: what could be billed is billed, and fetched by somebody."""
        for transaction_id, settlement in self.ledger.settle(self.now).items():
            self._check(self.scripts[transaction_id], settlement)

    def _check(self, script: UncertainScript, settlement: Settlement) -> None:
        bill = self.bills.get(script.transaction_id)
        if settlement.billable:
            type(self).billed += bill is None
            assert self.bills.setdefault(script.transaction_id, settlement.found) == (
                settlement.found
            )
        elif bill is not None and settlement.found != bill:
            type(self).changed += 1
            assert ReviewReason.CHANGED_AFTER_SETTLEMENT in settlement.reasons
        if settlement.energy_method is EnergyMethod.REGISTERS:
            assert script.whole

    def _compare(self, name: str, found: Settlement, expected: Settlement) -> None:
        if name not in self.contradicted:
            assert outcome(found) == outcome(expected), self.scripts[name]

    def teardown(self) -> None:
        if not hasattr(self, "scripts"):
            return
        rest = [place for place in range(len(self.words)) if place not in self.delivered]
        self.shuffle.shuffle(rest)
        for place in rest:
            self._deliver(place)
        self.look()
        in_order, without_late = Ledger(), Ledger()
        for script in self.scripts.values():
            for word in script.told:
                in_order.receive(word, START)
            for word in script.events:
                without_late.receive(word, START)
        found = self.ledger.settle(self.now)
        for name, settlement in in_order.settle(self.now).items():
            self._compare(name, found[name], settlement)
        for name, settlement in without_late.settle(self.now).items():
            # What comes late closes no charge, but keeps one from being closed by rule.
            if settlement.end is not None and settlement.end.source is EndSource.STATION:
                self._compare(name, found[name], settlement)
        if self.bills:
            self.charge_somebody_else(place=0)
            self.look()
        type(self).played += len(self.scripts)


@pytest.mark.timeout(0)
def test_a_bill_moves_only_with_a_reason_whatever_is_missing_or_late(
    record_property: pytest.FixtureRequest,
) -> None:
    UncertainLine.played = UncertainLine.billed = UncertainLine.changed = 0
    run_state_machine_as_test(
        UncertainLine,
        settings=settings(
            max_examples=-(-SESSIONS // _SESSIONS_PER_RUN),
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert UncertainLine.played >= SESSIONS
    # It was about something: charges were billed, and some of them changed.
    assert UncertainLine.billed > SESSIONS // 100
    assert UncertainLine.changed > 0
    told = f"{UncertainLine.played}, {UncertainLine.billed} billed, {UncertainLine.changed} changed"
    record_property("uncertain charges played", told)  # type: ignore[operator]
