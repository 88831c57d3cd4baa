"""Integers of OCPP 2.0.1 that are written with a fraction of zero or an exponent."""

import json
from typing import Any

import pytest

from gateway import ocpp16, ocpp201
from gateway.errors import ErrorCode
from gateway.routing import Protocol
from gateway.rpc import Call, Heavy, Peer, Refusal
from gateway.steps import finish

TIME = "2026-01-01T00:00:00Z"
EVENT = (
    '{"eventType": "Started", "timestamp": "2026-01-01T00:00:00Z", "triggerReason": "Authorized",'
    ' "seqNo": %s, "transactionInfo": {"transactionId": "T", "remoteStartId": %s},'
    ' "evse": {"id": %s, "connectorId": %s}, "numberOfPhasesUsed": %s}'
)
Noted = list[tuple[str, str]]


def received(action: str, payload: str, *, protocol: Protocol = ocpp201.PROTOCOL) -> Any:
    """Return what becomes of a CALL, and the deviations that were noted."""
    noted: Noted = []
    peer = Peer(protocol, lambda _, deviation: noted.append((deviation.kind, deviation.member)))
    event = peer.receive(f'[2, "m", "{action}", {payload}]'.encode())
    return (finish(event.steps) if isinstance(event, Heavy) else event), noted


def integers_in(value: object) -> list[object]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in integers_in(inner)]
    return [value] if not isinstance(value, str) else []


@pytest.mark.parametrize("one", ["1.0", "1e0", "10E-1", "1.00000", "0.1e1"])
def test_a_whole_float_is_an_integer_before_its_handler(one: str) -> None:
    call, noted = received("TransactionEvent", EVENT % ((one,) * 5))
    assert isinstance(call, Call)
    numbers = integers_in(call.kwargs)
    assert [(type(number), number) for number in numbers] == [(int, 1)] * 5
    assert sorted(noted) == [
        ("fraction", "evse.connectorId"),
        ("fraction", "evse.id"),
        ("fraction", "numberOfPhasesUsed"),
        ("fraction", "seqNo"),
        ("fraction", "transactionInfo.remoteStartId"),
    ]


def test_integers_that_are_right_are_not_noted() -> None:
    call, noted = received("TransactionEvent", EVENT % (0, 1, 2, 3, 3))
    assert isinstance(call, Call)
    assert noted == []


@pytest.mark.parametrize("number", ["1.5", "1e400", "1e99", "3000000000.0", "true"])
def test_what_is_no_integer_is_refused(number: str) -> None:
    refusal, noted = received("TransactionEvent", EVENT % (number, 1, 1, 1, 1))
    assert isinstance(refusal, Refusal)
    assert ("refused", "seqNo") in noted


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e999999999"])
@pytest.mark.parametrize("padding", [0, 5_000])
def test_a_number_beyond_all_measure_costs_its_sample_alone(number: str, padding: int) -> None:
    """Long or short, the message is understood: its handler drops the sample."""
    value = f'{{"timestamp": "{TIME}", "sampledValue": [{{"value": {number}}}, {{"value": 3.10}}]}}'
    payload = f'{{"evseId": 1, "meterValue": [{value}]}}'
    call, noted = received("MeterValues", payload + " " * padding)
    assert isinstance(call, Call)
    assert noted == []
    (kept,) = ocpp201.meter_values.to_meter_values(call.kwargs["meter_value"])
    assert [sample["value"] for sample in kept.samples] == ["3.10"]


def test_such_numbers_of_1_6_are_samples_too() -> None:
    value = {"timestamp": TIME, "sampledValue": ["FIRST", {"value": "1"}]}
    payload = json.dumps({"connectorId": 1, "meterValue": [value]})
    call, _ = received(
        "MeterValues",
        payload.replace('"FIRST"', '{"value": 1e400}, {"value": 2.50}'),
        protocol=ocpp16.PROTOCOL,
    )
    assert isinstance(call, Call)
    (kept,) = ocpp16.meter_values.to_meter_values(call.kwargs["meter_value"])
    assert [sample["value"] for sample in kept.samples] == ["2.50", "1"]


def test_multipliers_of_a_long_charge_are_mended_like_one() -> None:
    """Each is an integer then, however many there are."""
    sample = '{"value": 4000, "unitOfMeasure": {"unit": "Wh", "multiplier": 0.0}}'
    value = f'{{"timestamp": "{TIME}", "sampledValue": [{", ".join([sample] * 5)}]}}'
    payload = f'{{"evseId": 1.0, "meterValue": [{", ".join([value] * 700)}]}}'
    call, noted = received("MeterValues", payload)
    assert isinstance(call, Call)
    multipliers = {
        type(sample["unitOfMeasure"]["multiplier"])
        for value in call.kwargs["meter_value"]
        for sample in value["sampledValue"]
    }
    assert multipliers == {int}
    assert sorted(noted) == [
        ("fraction", "evseId"),
        ("fraction", "meterValue.sampledValue.unitOfMeasure.multiplier"),
    ]


def test_a_gateway_that_mends_nothing_refuses_them() -> None:
    event = Peer(ocpp201.PROTOCOL).receive(
        f'[2, "m", "TransactionEvent", {EVENT % ("1.0", 1, 1, 1, 1)}]'.encode()
    )
    assert isinstance(event, Refusal)
    assert event.code == ErrorCode.TYPE_CONSTRAINT_VIOLATION
