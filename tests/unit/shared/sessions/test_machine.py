"""A station on a bad line: whatever order its words come in, its sessions end up the same.

Words are delivered in any order, twice, or lost and said again; the worker looks in between, at any
time, and may close by rule what has not ended yet. In the end every session must be what it would
have been had everything come once and in order. What goes by arrival is which of two different ends
stands, the first one, and whether a start that is later by the station's clock bounds the one
before it.
"""

import os
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

from tests.support.session_ledger import Ledger, outcome
from tests.support.session_scripts import BEGIN, Script, scripts

SESSIONS = int(os.environ.get("VOLTARO_SOAK_SESSIONS", "2000"))
_SESSIONS_PER_RUN = 8
_LAST_LOOK = BEGIN + timedelta(days=1000)


class BadLine(RuleBasedStateMachine):
    """Delivers the words of some sessions."""

    played: ClassVar[int] = 0

    @initialize(
        made=st.tuples(*(scripts(number) for number in range(_SESSIONS_PER_RUN))),
        shuffle=st.randoms(use_true_random=False),
    )
    def begin(self, made: tuple[Script, ...], shuffle: st.DataObject) -> None:
        self.scripts, self.shuffle = made, shuffle
        self.ledger = Ledger()
        self.now = BEGIN
        self.ids: dict[int, str] = {}
        self.contradicted: set[int] = set()
        self.delivered: set[tuple[int, int]] = set()
        # A word is a script and a place in it; place -1 is the start.
        self.words = [
            (number, place)
            for number, script in enumerate(made)
            for place in range(-1 if script.start else 0, len(script.words))
        ]

    def _deliver(self, number: int, place: int) -> bool:
        """Deliver a word; a word that waits for its transaction's id is not said yet."""
        self.now += timedelta(seconds=1)
        script = self.scripts[number]
        if place < 0:
            assert script.start is not None
            transaction_id = self.ledger.receive(script.start, self.now)
            assert transaction_id is not None
            assert self.ids.setdefault(number, transaction_id) == transaction_id
        else:
            word = script.word(place, self.ids.get(number))
            if word is None:
                return False
            self.ledger.receive(word, self.now)
        self.delivered.add((number, place))
        return True

    @rule(place=st.integers(0, 10**6))
    def deliver(self, place: int) -> None:
        """Deliver any word, a new one or one that was delivered: its answer was lost."""
        self._deliver(*self.words[place % len(self.words)])

    @rule(count=st.integers(2, 12))
    def deliver_many(self, count: int) -> None:
        for word in self.shuffle.sample(self.words, min(count, len(self.words))):
            self._deliver(*word)

    @precondition(lambda self: self.delivered)
    @rule(place=st.integers(0, 10**6))
    def contradict(self, place: int) -> None:
        """Tell another end after the first one has come."""
        number = place % len(self.scripts)
        script = self.scripts[number]
        if (number, len(script.words) - 1) not in self.delivered or number not in self.ids:
            return
        end = script.contradict(self.ids[number])
        if end is not None:
            self.contradicted.add(number)
            self.ledger.receive(end, self.now)

    @rule(hours=st.sampled_from([0, 1, 30, 24 * 8]))
    def look(self, hours: int) -> None:
        """Let the worker look now, or after a long silence."""
        self.now += timedelta(hours=hours)
        self.ledger.settle(self.now)

    def teardown(self) -> None:
        if not hasattr(self, "scripts"):
            return
        rest = [word for word in self.words if word not in self.delivered]
        self.shuffle.shuffle(rest)
        while rest:
            rest = [word for word in rest if not self._deliver(*word)]
        in_order, ids = Ledger(), {}
        now = BEGIN
        for number, script in enumerate(self.scripts):
            if script.start is not None:
                came_at = self.ledger.sessions[self.ids[number]].received_at
                ids[number] = in_order.receive(script.start, came_at)
            for place in range(len(script.words)):
                word = script.word(place, ids.get(number))
                assert word is not None
                in_order.receive(word, now)
            if number in self.contradicted:
                end = script.contradict(ids[number] or "")
                assert end is not None
                in_order.receive(end, now)
        expected = in_order.settle(_LAST_LOOK)
        found = self.ledger.settle(_LAST_LOOK)
        for number, script in enumerate(self.scripts):
            if script.start is None:
                name = other = f"tx-{number}"
            else:
                name, other = self.ids[number], ids[number] or ""
            assert outcome(found[name]) == outcome(expected[other]), script
        type(self).played += len(self.scripts)


@pytest.mark.timeout(0)
def test_sessions_are_the_same_in_any_order_with_repetitions_and_losses(
    record_property: pytest.FixtureRequest,
) -> None:
    BadLine.played = 0
    run_state_machine_as_test(
        BadLine,
        settings=settings(
            max_examples=-(-SESSIONS // _SESSIONS_PER_RUN),
            stateful_step_count=12,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert BadLine.played >= SESSIONS
    record_property("sessions played in any order", BadLine.played)  # type: ignore[operator]
