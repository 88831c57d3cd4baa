"""What holds of TransactionEvents whatever the network, the CSMS and the drivers do."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.profile import Scenario, ScenarioMode
from tests.unit.simulator.bench import Payload
from tests.unit.simulator.ocpp201.bench import Bench201

CONNECTORS = 2

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.1, 40)),
        st.tuples(st.just("cut"), st.floats(0, 90)),
        st.tuples(st.just("error"), st.integers(1, 3)),
        st.tuples(
            st.just("ask"),
            st.sampled_from(
                [
                    ("Reset", {"type": "Immediate"}),
                    ("Reset", {"type": "OnIdle"}),
                    ("TriggerMessage", {"requestedMessage": "TransactionEvent"}),
                    ("ChangeAvailability", {"operationalStatus": "Inoperative"}),
                    ("ChangeAvailability", {"operationalStatus": "Operative"}),
                    (
                        "RequestStartTransaction",
                        {"remoteStartId": 1, "idToken": {"idToken": "APP", "type": "Central"}},
                    ),
                    ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
                ]
            ),
        ),
    ),
    max_size=25,
)


class Network:
    """Plays a list of mishaps against a station; then everything works again for long enough."""

    def __init__(self, seed: int) -> None:
        self.bench = Bench201(
            seed=seed,
            connectors=CONNECTORS,
            # Never given up, or "without a gap" could not hold.
            transaction_attempts=1000,
            transaction_retry_s=1,
            scenario=Scenario(mode=ScenarioMode.LOOP, session_s=(5, 40), pause_s=(1, 10)),
        ).power_on()
        #: What the CSMS has learnt, in order, each event once.
        self.learnt: list[Payload] = []
        self._seen: dict[tuple[str, int], Payload] = {}
        self._commands = 0

    def play(self, steps: list[tuple[str, Any]]) -> None:
        for step, value in steps:
            match step:
                case "wait":
                    self._live(value)
                case "cut":
                    self._cut(value)
                case "error":
                    for _ in range(value):
                        if self.bench.sent and self.bench.sent[0].action is not None:
                            self.bench.refuse(self.bench.sent.pop(0))
                case "ask":
                    self._ask(*value)
        self._live(90)
        self._ask("ChangeAvailability", {"operationalStatus": "Inoperative"})
        self._live(120)

    def _live(self, seconds: float) -> None:
        end = self.bench.now + seconds
        while True:
            if self.bench.dials and not self.bench.station.link.online:
                self.bench.sent.clear()
                self.bench.connect()
            while self.bench.sent:
                frame = self.bench.sent.pop(0)
                if frame.action is not None:
                    self._learn(frame.action, frame.payload)
                    self.bench.answer(frame)
            wake = self.bench.station.next_wake
            if wake is None or wake > end:
                break
            self.bench.tick(max(0.0, wake - self.bench.now))
        self.bench.tick(end - self.bench.now)

    def _learn(self, action: str, event: Payload) -> None:
        if action != "TransactionEvent":
            return
        key = (event["transactionInfo"]["transactionId"], event["seqNo"])
        told = {name: value for name, value in event.items() if name != "offline"}
        if key in self._seen:
            assert self._seen[key] == told, "a number stands for two events"
        else:
            self._seen[key] = told
            self.learnt.append(event)

    def _cut(self, seconds: float) -> None:
        """Lose the connection: what was sent has arrived, its answers are lost."""
        if self.bench.station.link.online:
            for frame in self.bench.sent:
                if frame.action is not None:
                    self._learn(frame.action, frame.payload)
            self.bench.sent.clear()
            self.bench.disconnect()
            self.bench.tick(seconds)

    def _ask(self, action: str, payload: Payload) -> None:
        if self.bench.station.link.online:
            self._commands += 1
            message_id = f"command-{self._commands}"
            self.bench.asked[message_id] = action
            self.bench.receive(json.dumps([2, message_id, action, payload]))
            self.bench.sent = [frame for frame in self.bench.sent if frame.id != message_id]


def _register(event: Payload) -> int | None:
    """Return the last register an event tells."""
    for value in reversed(event.get("meterValue", [])):
        for sample in value["sampledValue"]:
            if sample["measurand"] == "Energy.Active.Import.Register":
                return int(sample["value"])
    return None


@settings(max_examples=60)
@given(steps=STEPS, seed=st.integers(0, 1000))
def test_every_transaction_is_told_from_start_to_end_without_a_gap(
    steps: list[tuple[str, Any]], seed: int
) -> None:
    network = Network(seed)
    network.play(steps)
    assert network.bench.station.link.undelivered == 0

    numbers: dict[str, int] = {}
    places: dict[str, int] = {}
    register = dict.fromkeys(range(1, CONNECTORS + 1), 1000)
    stamps: dict[int, str] = {}
    for event in network.learnt:
        transaction_id = event["transactionInfo"]["transactionId"]
        if event["eventType"] == "Started":
            assert transaction_id not in numbers
            assert event["evse"]["id"] not in places.values(), "two transactions on one EVSE"
            places[transaction_id] = event["evse"]["id"]
            numbers[transaction_id] = -1
        evse_id = places[transaction_id]
        numbers[transaction_id] += 1
        assert event["seqNo"] == numbers[transaction_id]
        assert event["timestamp"] >= stamps.get(evse_id, "")
        stamps[evse_id] = event["timestamp"]
        energy_wh = _register(event)
        if energy_wh is not None:
            assert energy_wh >= register[evse_id]
            register[evse_id] = energy_wh
        if event["eventType"] == "Ended":
            del places[transaction_id]
    running = [
        each.charge.transaction_id
        for each in network.bench.station.connectors.values()
        if each.charge is not None
    ]
    assert sorted(places) == sorted(running)


@settings(max_examples=60)
@given(
    action=st.sampled_from(
        ["SetVariables", "GetVariables", "TriggerMessage", "Reset", "ChangeAvailability", "Dance"]
    ),
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("setVariableData", "getVariableData", "component", "variable", "name"),
                        *("attributeValue", "requestedMessage", "evse", "id", "type"),
                    ]
                ),
                inner,
            )
        ),
    ),
)
def test_nothing_that_is_asked_can_break_a_station(action: str, payload: object) -> None:
    station = Bench201().booted()
    station.asked["any"] = action
    station.receive(json.dumps([2, "any", action, payload]))
    frame = station.sent.pop(0)
    assert frame.id == "any"
    assert station.command("ClearCache", {}) == {"status": "Accepted"}
