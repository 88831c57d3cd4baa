"""The life of a charge, told in TransactionEvents (E01 to E07, J02)."""

import random
from datetime import datetime
from itertools import pairwise
from uuid import UUID

import pytest

from simulator.events import Acknowledged, AuthorizationRefused, Discarded
from simulator.ocpp201 import Ocpp201
from tests.unit.simulator.bench import START, Payload
from tests.unit.simulator.ocpp201.bench import ACCEPTED, BLOCKED, Bench201

TOKEN = {"idToken": "TOKEN", "type": "ISO14443"}
ENERGY = "Energy.Active.Import.Register"


def _contexts(event: Payload) -> list[str]:
    return [value["sampledValue"][0]["context"] for value in event["meterValue"]]


def _energies(event: Payload) -> list[int]:
    return [
        sample["value"]
        for value in event["meterValue"]
        for sample in value["sampledValue"]
        if sample["measurand"] == ENERGY
    ]


def test_a_session_from_plugging_in_to_leaving(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.plug_in()
    occupied = station.expect("StatusNotification")
    assert occupied.payload["connectorStatus"] == "Occupied"
    station.reply(occupied, {})
    authorize = station.expect("Authorize")
    assert authorize.payload == {"idToken": TOKEN}
    station.reply(authorize, ACCEPTED)

    started = station.expect("TransactionEvent")
    transaction_id = started.payload["transactionInfo"]["transactionId"]
    assert str(UUID(transaction_id)) == transaction_id
    assert started.payload == {
        "eventType": "Started",
        "timestamp": "2026-02-02T02:40:00.000Z",
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": transaction_id, "chargingState": "EVConnected"},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": TOKEN,
        "meterValue": [
            {
                "timestamp": "2026-02-02T02:40:00.000Z",
                "sampledValue": [
                    {
                        "value": 1000,
                        "context": "Transaction.Begin",
                        "measurand": ENERGY,
                        "location": "Outlet",
                        "unitOfMeasure": {"unit": "Wh", "multiplier": 0},
                    }
                ],
            }
        ],
    }
    station.reply(started, ACCEPTED)
    charging = station.expect("TransactionEvent")
    assert charging.payload == {
        "eventType": "Updated",
        "timestamp": "2026-02-02T02:40:00.000Z",
        "triggerReason": "ChargingStateChanged",
        "seqNo": 1,
        "transactionInfo": {"transactionId": transaction_id, "chargingState": "Charging"},
        "numberOfPhasesUsed": 3,
    }
    station.reply(charging, {})
    station.silent()  # Occupied it was already.

    station.tick(10)
    sample = station.expect("TransactionEvent")
    assert sample.payload["triggerReason"] == "MeterValuePeriodic"
    assert sample.payload["seqNo"] == 2
    assert sample.payload["transactionInfo"] == {"transactionId": transaction_id}
    assert "evse" not in sample.payload
    assert "idToken" not in sample.payload
    assert sample.payload["meterValue"][0]["timestamp"] == "2026-02-02T02:40:10.000Z"
    assert _contexts(sample.payload) == ["Sample.Periodic"]
    units = {
        each["measurand"]: each["unitOfMeasure"]["unit"]
        for each in sample.payload["meterValue"][0]["sampledValue"]
    }
    assert units == {
        ENERGY: "Wh",
        "Power.Active.Import": "W",
        "Current.Import": "A",
        "Voltage": "V",
        "SoC": "Percent",
    }
    station.reply(sample, {})

    station.tick(5)
    station.stop()
    ended = station.expect("TransactionEvent")
    assert ended.payload["eventType"] == "Ended"
    assert ended.payload["triggerReason"] == "StopAuthorized"
    assert ended.payload["timestamp"] == "2026-02-02T02:40:15.000Z"
    assert ended.payload["seqNo"] == 3
    assert ended.payload["idToken"] == TOKEN
    assert ended.payload["transactionInfo"] == {
        "transactionId": transaction_id,
        "chargingState": "EVConnected",
        "stoppedReason": "Local",
    }
    assert _contexts(ended.payload) == ["Transaction.Begin", "Transaction.End"]
    begin, end = _energies(ended.payload)
    assert begin == 1000 < _energies(sample.payload)[0] < end
    station.reply(ended, ACCEPTED)
    station.silent()
    station.tick(1)
    assert station.expect("StatusNotification").payload["connectorStatus"] == "Available"
    kinds = [event.kind for event in station.events_of(Acknowledged)]
    assert kinds == ["started", "state changed", "metered", "ended"]


def test_online_events_are_not_marked_offline(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.begin()
    said = station.live(30)
    station.stop()
    events = station.events_in(said + station.live(5))
    assert len(events) == 4
    assert not [event for event in events if "offline" in event]


def test_every_transaction_counts_from_zero_and_has_an_id_of_its_own(
    bench: type[Bench201],
) -> None:
    station = bench(connectors=2).booted()
    ids = []
    for connector_id in (1, 2, 1):
        ids.append(station.begin(connector_id=connector_id))
        said = station.live(25)
        station.stop(connector_id)
        events = station.events_in(said + station.live(5))
        assert [event["seqNo"] for event in events] == [2, 3, 4]
        assert {event["transactionInfo"]["transactionId"] for event in events} == {ids[-1]}
    assert len(set(ids)) == 3


def test_a_transaction_id_is_never_used_again_not_even_in_the_next_life(
    bench: type[Bench201],
) -> None:
    def first_id(now: float) -> str:
        life = bench(seed=1)
        life.now = now
        life.station = life.station.__class__(
            life.station.profile,
            make_dialect=Ocpp201,
            rng=random.Random(1),  # noqa: S311  # noise, no secret
            now=now,
        )
        return life.booted().begin()

    assert first_id(START) == first_id(START)
    assert first_id(START) != first_id(START + 1)


def test_direct_current_has_no_phases(bench: type[Bench201]) -> None:
    station = bench(phases=0).booted()
    station.plug_in()
    events = station.events_in(station.settle())
    assert events[1]["transactionInfo"]["chargingState"] == "Charging"
    assert "numberOfPhasesUsed" not in events[1]


def test_a_refused_token_sends_the_driver_away(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.answers["Authorize"] = lambda _: BLOCKED
    station.plug_in("THIEF")
    said = station.settle()
    assert station.events_in(said) == []
    assert station.statuses_in(said) == [(1, "Occupied"), (1, "Available")]
    assert station.events_of(AuthorizationRefused)[0].id_token == "THIEF"


@pytest.mark.parametrize("status", ["Blocked", "ConcurrentTx", "NoCredit", "NotAtThisTime"])
def test_a_token_refused_in_the_start_ends_the_transaction(
    bench: type[Bench201], status: str
) -> None:
    station = bench().booted()
    station.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": status}} if "idToken" in event else {}
    )
    station.plug_in()
    events = station.events_in(station.settle())
    assert [event["eventType"] for event in events] == ["Started", "Updated", "Ended"]
    assert events[-1]["triggerReason"] == "Deauthorized"
    assert events[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert "idToken" not in events[-1]


def test_a_token_refused_in_the_start_may_also_only_stop_the_energy(
    bench: type[Bench201],
) -> None:
    station = bench().booted()
    assert station.set("TxCtrlr", "StopTxOnInvalidId", "false") == "Accepted"
    station.answers["TransactionEvent"] = lambda event: BLOCKED if "idToken" in event else {}
    station.plug_in()
    events = station.events_in(station.live(30))
    assert "Ended" not in [event["eventType"] for event in events]
    assert events[2]["triggerReason"] == "ChargingStateChanged"
    assert events[2]["transactionInfo"]["chargingState"] == "SuspendedEVSE"
    assert {_energies(event)[0] for event in events if "meterValue" in event} == {1000}


def test_a_full_battery_suspends_the_charge(bench: type[Bench201]) -> None:
    station = bench(arrival_soc_percent=(99.9, 99.9), battery_wh=(10_000, 10_000)).booted()
    station.begin()
    said = station.live(120)
    states = [event["transactionInfo"].get("chargingState") for event in station.events_in(said)]
    assert [state for state in states if state] == ["SuspendedEV"]
    assert station.statuses_in(said) == []


def test_what_is_measured_can_be_chosen_for_each_kind_of_event(bench: type[Bench201]) -> None:
    station = bench().booted(interval=86_400)
    assert station.set("SampledDataCtrlr", "TxStartedMeasurands", "") == "Accepted"
    assert station.set("SampledDataCtrlr", "TxUpdatedMeasurands", "Voltage,SoC") == "Accepted"
    assert station.set("SampledDataCtrlr", "TxEndedMeasurands", "Power.Active.Import") == "Accepted"
    assert station.set("SampledDataCtrlr", "TxUpdatedInterval", "7") == "Accepted"
    station.plug_in()
    said = station.live(15)
    station.stop()
    events = station.events_in(said + station.settle())
    measured = [
        [
            sample["measurand"]
            for value in event.get("meterValue", [])
            for sample in value["sampledValue"]
        ]
        for event in events
    ]
    assert measured == [[], [], ["Voltage", "SoC"], ["Voltage", "SoC"], ["Power.Active.Import"] * 2]
    assert [event["seqNo"] for event in events] == [0, 1, 2, 3, 4]


def test_without_measurands_there_are_no_samples_and_no_gaps(bench: type[Bench201]) -> None:
    station = bench().booted(interval=86_400)
    station.set("SampledDataCtrlr", "TxUpdatedMeasurands", "")
    station.begin()
    assert station.live(60) == []
    station.stop()
    assert station.expect("TransactionEvent").payload["seqNo"] == 2


def test_samples_for_the_end_are_taken_at_an_interval_of_their_own(bench: type[Bench201]) -> None:
    station = bench(meter_interval_s=100).booted(interval=86_400)
    station.begin()
    assert station.set("SampledDataCtrlr", "TxEndedInterval", "10") == "Accepted"
    station.live(35)
    station.stop()
    ended = station.events_in(station.settle())[-1]
    assert _contexts(ended) == [
        "Transaction.Begin",
        *["Sample.Periodic"] * 3,
        "Transaction.End",
    ]
    assert _energies(ended) == sorted(_energies(ended))


def test_a_profile_can_ask_for_the_samples_with_the_end(bench: type[Bench201]) -> None:
    station = bench(transaction_data=True, meter_interval_s=1).booted()
    station.begin()
    station.live(500)
    station.stop()
    ended = station.events_in(station.settle())[-1]
    # E06.FR.13: thinned out evenly, and the first and the last are there.
    assert 25 < len(ended["meterValue"]) <= 52
    times = [datetime.fromisoformat(value["timestamp"]) for value in ended["meterValue"]]
    assert len({after - before for before, after in pairwise(times[1:-1])}) == 1
    assert _contexts(ended)[0] == "Transaction.Begin"
    assert _contexts(ended)[-1] == "Transaction.End"


def test_an_unusable_answer_counts_as_a_failure(bench: type[Bench201]) -> None:
    station = bench(transaction_attempts=1).booted()
    station.answers["TransactionEvent"] = lambda _: {"idTokenInfo": {"status": "Maybe"}}
    station.plug_in()
    station.settle()
    assert [event.kind for event in station.events_of(Discarded)] == ["started", "state changed"]
