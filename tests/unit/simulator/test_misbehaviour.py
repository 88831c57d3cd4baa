"""Each misbehaviour does the one thing it is named for."""

import pytest

from simulator.events import Acknowledged, ChargeStarted, Connected, Disconnected
from simulator.misbehaviour import Misbehaviour, MisbehaviourName
from simulator.profile import Scenario, ScenarioMode
from tests.unit.simulator.bench import Bench, Frame


def _session(bench: type[Bench], *names: str) -> tuple[Bench, list[Frame]]:
    station = bench(
        misbehaviours=frozenset(map(MisbehaviourName, names)), meter_interval_s=10
    ).booted(interval=86_400)
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    station.tick(0)
    said = station.live(35)
    station.stop()
    return station, said + station.live(5)


def _actions(said: list[Frame]) -> list[str | None]:
    wanted = {"StartTransaction", "MeterValues", "StopTransaction"}
    return [frame.action for frame in said if frame.action in wanted]


def test_every_name_has_its_class() -> None:
    assert {kind.name for kind in Misbehaviour.__subclasses__()} == set(MisbehaviourName)


def test_a_station_without_misbehaviour_says_everything_once(bench: type[Bench]) -> None:
    _, said = _session(bench)
    assert _actions(said) == ["StartTransaction", *["MeterValues"] * 3, "StopTransaction"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("duplicate-start", ["StartTransaction"] * 2 + ["MeterValues"] * 3 + ["StopTransaction"]),
        ("duplicate-stop", ["StartTransaction"] + ["MeterValues"] * 3 + ["StopTransaction"] * 2),
        (
            "duplicate-meter-values",
            ["StartTransaction"] + ["MeterValues"] * 6 + ["StopTransaction"],
        ),
        ("never-stop", ["StartTransaction"] + ["MeterValues"] * 3),
    ],
)
def test_repetitions_and_omissions(bench: type[Bench], name: str, expected: list[str]) -> None:
    station, said = _session(bench, name)
    assert _actions(said) == expected
    copies = [frame for frame in said if frame.action == expected[0]]
    assert all(copy.payload == copies[0].payload for copy in copies)
    assert len({frame.id for frame in said}) == len(said)
    assert len(station.events_of(Acknowledged)) == len(expected)


def test_a_duplicate_start_keeps_the_first_transaction_id(bench: type[Bench]) -> None:
    _, said = _session(bench, "duplicate-start")
    later = {frame.payload.get("transactionId") for frame in said if frame.action == "MeterValues"}
    assert later == {1}


def test_timestamps_without_zone(bench: type[Bench]) -> None:
    _, said = _session(bench, "zoneless-timestamps")
    stamps = [frame.payload["timestamp"] for frame in said if "timestamp" in frame.payload]
    stamps += [
        value["timestamp"] for frame in said for value in frame.payload.get("meterValue", [])
    ]
    assert len(stamps) > 5
    assert not any(stamp.endswith("Z") or "+" in stamp for stamp in stamps)


def test_one_value_of_each_sample_is_empty(bench: type[Bench]) -> None:
    _, said = _session(bench, "empty-values")
    for frame in said:
        for value in frame.payload.get("meterValue", []):
            empties = [each for each in value["sampledValue"] if each["value"] == ""]
            assert len(empties) == 1
            assert len(value["sampledValue"]) == 5


def test_a_stop_of_a_transaction_that_never_was(bench: type[Bench]) -> None:
    _, said = _session(bench, "wrong-transaction-id")
    ids = [frame.payload["transactionId"] for frame in said if "transactionId" in frame.payload]
    assert ids == [1, 1, 1, 1_000_001]


def test_slow_answers_come_late_but_come_and_the_effect_follows(bench: type[Bench]) -> None:
    station = bench(misbehaviours=frozenset({MisbehaviourName.SLOW_ANSWERS})).booted(86_400)
    station.asked["m"] = "RemoteStartTransaction"
    station.receive('[2,"m","RemoteStartTransaction",{"connectorId":1,"idTag":"APP"}]')
    station.receive('[2,"m","RemoteStartTransaction",{"connectorId":1,"idTag":"APP"}]')
    assert station.sent.pop()[0] == 4  # The same id is still in work.
    station.tick(4.9)
    station.silent()
    station.tick(15.2)
    assert station.sent.pop(0)[:2] == [3, "m"]
    assert station.station.connectors[1].charge is not None


def test_no_answers_never_come_but_commands_are_carried_out(bench: type[Bench]) -> None:
    station = bench(misbehaviours=frozenset({MisbehaviourName.NO_ANSWERS})).booted(86_400)
    station.receive('[2,"m","RemoteStartTransaction",{"connectorId":1,"idTag":"APP"}]')
    said = station.live(60)
    assert not [frame for frame in said if frame[0] != 2]
    assert "StartTransaction" in [frame.action for frame in said]


def test_the_connection_drops_in_the_middle_of_charges(bench: type[Bench]) -> None:
    scenario = Scenario(
        mode=ScenarioMode.LOOP, session_s=(30, 60), pause_s=(1, 1), drop_after_s=(5, 20)
    )
    names = frozenset({MisbehaviourName.DROP_CONNECTION})
    station = bench(misbehaviours=names, scenario=scenario).power_on().connect()
    for _ in range(600):
        station.live(1)
        if station.dials:
            station.connect()
    assert all(hang_up.abrupt for hang_up in station.hang_ups)
    charges = len(station.events_of(ChargeStarted))
    assert len(station.hang_ups) >= charges - 1 > 5
    assert len(station.events_of(Disconnected)) == len(station.events_of(Connected)) - 1
    kinds = [event.kind for event in station.events_of(Acknowledged)]
    assert kinds.count("started") in {charges, charges - 1}


def test_reused_message_ids_mark_a_retransmission(bench: type[Bench]) -> None:
    station = bench(
        misbehaviours=frozenset({MisbehaviourName.REUSED_MESSAGE_IDS}), transaction_retry_s=5
    ).booted(86_400)
    station.charge()
    station.tick(10)
    first = station.expect("MeterValues")
    station.refuse(first)
    station.tick(5)
    second = station.expect("MeterValues")
    assert second.id == first.id
    station.reply(second, {})
    station.tick(5)
    assert station.expect("MeterValues").id != first.id


def test_misbehaviours_combine(bench: type[Bench]) -> None:
    _, said = _session(bench, "duplicate-start", "duplicate-stop", "zoneless-timestamps")
    assert _actions(said)[:2] == ["StartTransaction"] * 2
    assert _actions(said)[-2:] == ["StopTransaction"] * 2
