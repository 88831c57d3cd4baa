"""What holds whatever the network, the CSMS and the drivers do."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.profile import Scenario, ScenarioMode
from tests.unit.simulator.bench import Bench, Frame, Payload

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.1, 40)),
        st.tuples(st.just("cut"), st.floats(0, 90)),
        st.tuples(st.just("refuse the connection"), st.integers(1, 4)),
        st.tuples(st.just("error"), st.integers(1, 3)),
        st.tuples(st.just("reset"), st.sampled_from(["Soft", "Hard"])),
        st.tuples(st.just("remote start"), st.integers(1, 2)),
        st.tuples(st.just("unlock"), st.integers(1, 2)),
    ),
    max_size=25,
)


class Network:
    """Plays a list of mishaps against a station; then everything works again for long enough.

    The CSMS in it is a correct one: it tells apart what it has seen before by its content, and
    gives the same start the same transaction id.
    """

    def __init__(self, seed: int) -> None:
        self.bench = Bench(
            seed=seed,
            connectors=2,
            # Never given up, or "every start is followed by its stop" could not hold.
            transaction_attempts=1000,
            transaction_retry_s=1,
            scenario=Scenario(mode=ScenarioMode.LOOP, session_s=(5, 40), pause_s=(1, 10)),
        ).power_on()
        #: What the CSMS has learnt, in order: each message once, with its transaction id.
        self.learnt: list[tuple[Frame, int]] = []
        self._ids: dict[str, int] = {}
        self._seen: set[str] = set()
        self._commands = 0

    def play(self, steps: list[tuple[str, Any]]) -> None:
        for step, value in steps:
            match step:
                case "wait":
                    self._live(value)
                case "cut":
                    self._cut(value)
                case "refuse the connection":
                    self._refuse_connection(value)
                case "error":
                    self._error(value)
                case "reset":
                    self._command("Reset", {"type": value})
                case "remote start":
                    self._command("RemoteStartTransaction", {"connectorId": value, "idTag": "APP"})
                case "unlock":
                    self._command("UnlockConnector", {"connectorId": value})
        self._live(90)
        self._command("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        for number in self.bench.station.connectors:
            self._command("UnlockConnector", {"connectorId": number})
        self._live(30)

    def _live(self, seconds: float) -> None:
        end = self.bench.now + seconds
        while True:
            if self.bench.dials and not self.bench.station.link.online:
                self.bench.sent.clear()
                self.bench.connect()
            self._answer_all()
            wake = self.bench.station.next_wake
            if wake is None or wake > end:
                break
            self.bench.tick(max(0.0, wake - self.bench.now))
        self.bench.tick(end - self.bench.now)
        self._answer_all()

    def _answer_all(self) -> None:
        while self.bench.sent:
            frame = self.bench.sent.pop(0)
            if frame.action is None:
                continue
            transaction_id = self._learn(frame)
            if frame.action == "StartTransaction":
                accepted = {"idTagInfo": {"status": "Accepted"}}
                self.bench.reply(frame, {"transactionId": transaction_id, **accepted})
            else:
                self.bench.answer(frame)

    def _learn(self, frame: Frame) -> int | None:
        """Take note of a frame; returns the id of its transaction."""
        key = json.dumps([frame.action, frame.payload], sort_keys=True)
        if frame.action == "StartTransaction":
            transaction_id = self._ids.setdefault(key, len(self._ids) + 1)
        elif frame.action in {"MeterValues", "StopTransaction"}:
            transaction_id = frame.payload["transactionId"]
        else:
            return None
        if key not in self._seen:
            self._seen.add(key)
            self.learnt.append((frame, transaction_id))
        return transaction_id

    def _cut(self, seconds: float) -> None:
        """Lose the connection: what was sent has arrived, its answers are lost."""
        if self.bench.station.link.online:
            for frame in self.bench.sent:
                self._learn(frame)
            self.bench.sent.clear()
            self.bench.disconnect()
            self.bench.tick(seconds)

    def _refuse_connection(self, times: int) -> None:
        self._cut(0)
        for _ in range(times):
            self.bench.tick(61)
            if self.bench.dials:
                self.bench.dials = 0
                self.bench.station.connection_refused(self.bench.now, status=503)
                self.bench.tick(0)

    def _error(self, times: int) -> None:
        for _ in range(times):
            if self.bench.sent and self.bench.sent[0].action is not None:
                self.bench.refuse(self.bench.sent.pop(0))

    def _command(self, action: str, payload: Payload) -> None:
        if self.bench.station.link.online:
            self._commands += 1
            message_id = f"command-{self._commands}"
            self.bench.asked[message_id] = action
            self.bench.receive(json.dumps([2, message_id, action, payload]))
            self.bench.sent = [frame for frame in self.bench.sent if frame.id != message_id]


@settings(max_examples=60)
@given(steps=STEPS, seed=st.integers(0, 1000))
def test_every_start_is_followed_by_its_stop_and_no_register_ever_decreases(
    steps: list[tuple[str, Any]], seed: int
) -> None:
    network = Network(seed)
    network.play(steps)
    assert network.bench.station.link.undelivered == 0

    open_on: dict[int, int] = {}
    ended: set[int] = set()
    register = {1: 1000, 2: 1000}
    stamps: dict[int, str] = {}
    for frame, transaction_id in network.learnt:
        if frame.action == "StartTransaction":
            connector = frame.payload["connectorId"]
            assert connector not in open_on.values(), "two transactions on one connector"
            assert transaction_id not in open_on
            open_on[transaction_id] = connector
            energy, stamp = frame.payload["meterStart"], frame.payload["timestamp"]
        elif frame.action == "MeterValues":
            connector = open_on[transaction_id]
            (value,) = frame.payload["meterValue"]
            energy, stamp = int(value["sampledValue"][0]["value"]), value["timestamp"]
        else:
            connector = open_on.pop(transaction_id)
            ended.add(transaction_id)
            energy, stamp = frame.payload["meterStop"], frame.payload["timestamp"]
        assert energy >= register[connector]
        register[connector] = energy
        assert stamp >= stamps.get(connector, "")
        stamps[connector] = stamp
    assert open_on == {}
    assert ended == set(range(1, len(ended) + 1))


@settings(max_examples=60)
@given(
    text=st.one_of(
        st.text(),
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
        ).map(json.dumps),
    )
)
def test_nothing_that_arrives_can_break_a_station(text: str | bytes) -> None:
    station = Bench().booted()
    station.station.receive(text, station.now)
    station.station.take_outputs()
    assert station.command("ClearCache", {}) == {"status": "Accepted"}
