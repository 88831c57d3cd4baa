"""What real stations do wrong, done wrong in 2.0.1."""

from itertools import pairwise

import pytest

from simulator.misbehaviour import MisbehaviourName
from tests.unit.simulator.bench import Payload
from tests.unit.simulator.ocpp201.bench import Bench201


def _events(bench: type[Bench201], name: MisbehaviourName) -> list[Payload]:
    station = bench(misbehaviours=frozenset({name})).booted(interval=86_400)
    station.plug_in()
    said = station.live(15)
    station.stop()
    return station.events_in(said + station.live(5))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (MisbehaviourName.DUPLICATE_START, [0, 0, 1, 2, 3]),
        (MisbehaviourName.DUPLICATE_METER_VALUES, [0, 1, 2, 2, 3]),
        (MisbehaviourName.DUPLICATE_STOP, [0, 1, 2, 3, 3]),
        (MisbehaviourName.NEVER_STOP, [0, 1, 2]),
    ],
)
def test_a_repeated_event_keeps_its_number(
    bench: type[Bench201], name: MisbehaviourName, numbers: list[int]
) -> None:
    events = _events(bench, name)
    assert [event["seqNo"] for event in events] == numbers
    for first, second in pairwise(events):
        assert (first == second) == (first["seqNo"] == second["seqNo"])


def test_an_end_of_a_transaction_that_never_was_still_fits_its_field(
    bench: type[Bench201],
) -> None:
    *others, ended = _events(bench, MisbehaviourName.WRONG_TRANSACTION_ID)
    (transaction_id,) = {event["transactionInfo"]["transactionId"] for event in others}
    wrong_id = ended["transactionInfo"]["transactionId"]
    assert wrong_id != transaction_id
    assert len(wrong_id) <= 36


def test_timestamps_without_zone(bench: type[Bench201]) -> None:
    for event in _events(bench, MisbehaviourName.ZONELESS_TIMESTAMPS):
        assert not event["timestamp"].endswith("Z")
        for value in event.get("meterValue", []):
            assert not value["timestamp"].endswith("Z")
