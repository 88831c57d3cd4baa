"""Charges of OCPP 2.0.1 of which something is missing, made up by Hypothesis.

Registers at start and end that are not configured, events that were lost, numbers that are all the
same, nobody's token, and what is told of a time after the end.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import strategies as st

from shared.domain.sessions import TransactionEventReported
from tests.support.transaction_events import BEGIN, END, PERIODIC, event, register, started

Events = tuple[TransactionEventReported, ...]
ANONYMOUS = {"id_token": None, "id_token_type": None, "authorization_status": None}


@dataclass(frozen=True)
class UncertainScript:
    """The events of one charge that reach us in the end, without and with those after its end.

    `whole` says that its registers at start and end are among them.
    """

    transaction_id: str
    events: Events
    late: Events
    whole: bool

    @property
    def told(self) -> Events:
        return self.events + self.late


@st.composite
def uncertain_scripts(draw: st.DrawFn, number: int) -> UncertainScript:
    """Make the charge of this number; each is some days from the others."""
    steps = draw(st.integers(0, 5))
    has_begin, has_end = (draw(st.sampled_from([True, True, False])) for _ in range(2))
    begin = [register(0, 1000, BEGIN)] if has_begin else []
    length = draw(st.sampled_from([3, 30])) * (steps + 1)
    updates = [
        event("Updated", step, step * length / (steps + 1),
              register(step * length / (steps + 1), 1000 + 500 * step))
        for step in range(1, steps + 1)
    ]  # fmt: skip
    end_wh = 1500 + 500 * steps
    end = [register(length, end_wh, END)] if has_end else []
    words = ANONYMOUS if draw(st.integers(0, 9)) == 0 else {}
    whole = [
        started(*begin, evse_id=None, **words), *updates, event("Ended", steps + 1, length, *end)
    ]  # fmt: skip
    lost = (
        draw(st.sets(st.integers(0, steps + 1), max_size=3))
        if draw(st.integers(0, 2)) == 0
        else set()
    )
    context = draw(st.sampled_from([PERIODIC, END]))
    late = [
        event("Updated", steps + 2 + more, length + 60 + more,
              register(length + 60 + more, 90_000 + more, context))
        for more in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    same_number = draw(st.integers(0, 4)) == 0
    name = f"tx-{number}"

    def put(told: TransactionEventReported) -> TransactionEventReported:
        moved = [
            replace(value, sampled_at=value.sampled_at + timedelta(days=number))
            for value in told.meter_values
        ]
        return replace(
            told,
            transaction_id=name,
            seq_no=0 if same_number else told.seq_no,
            occurred_at=told.occurred_at + timedelta(days=number),
            meter_values=moved,
        )

    kept = tuple(put(each) for place, each in enumerate(whole) if place not in lost)
    ends = (0, steps + 1)
    return UncertainScript(
        transaction_id=name,
        events=kept,
        late=tuple(map(put, late)),
        whole=has_begin and has_end and not lost.intersection(ends),
    )
