"""What deviates again and again in one message: mended like one by one, and quickly."""

import itertools
import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import leniency, ocpp16, ocpp201, schemas
from gateway.errors import CallRefusedError
from gateway.leniency import mend
from gateway.routing import Protocol
from gateway.rpc import Call, Heavy, Peer
from gateway.steps import finish
from tests.support.long_charges import END_16, END_201, end_16, end_201

NOW = "2026-01-02T03:04:05.000+00:00"
TIME = "2026-01-01T00:00:00Z"
DROP: Any = object()


def some(*values: Any) -> st.SearchStrategy[Any]:
    """Return the first of some values half of the time, so that not everything deviates at once."""
    return st.sampled_from((*values[:1] * len(values), *values))


def objects(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(members).map(
        lambda made: {name: value for name, value in made.items() if value is not DROP}
    )


def items(sample: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    lists = st.lists(sample, max_size=4)
    item = objects(
        timestamp=some(TIME, "", None, DROP, 5, {}),
        Timestamp=some(DROP, TIME, None),
        sampledValue=lists | lists | sample | some(DROP, None),
        value=some(DROP, 1),
        x=some(DROP, None, {}),
    )
    return st.lists(item, min_size=5, max_size=15)


SAMPLE_16 = objects(
    value=some("1", 1, 2, 1.5, True, None, "", DROP, 10**20, {}),
    Value=some(DROP, 1, "2"),
    unit=some("Wh", "KWH", "kwh", "%", "parsec", "", None, 5, "u" * 200, DROP),
    Unit=some(DROP, "Wh", "KWH"),
    UNIT=some(DROP, "kWh"),
    measurand=some("Voltage", "voltage", "Fan.Speed", " ", 5, DROP, "Display.PresentSOC"),
    location=some(DROP, "Outlet", "Upstream", []),
    context=some(DROP, "Trigger", "trigger", "Sometimes", "", 5),
    timestamp=some(DROP, TIME),
    x=some(DROP, 1, [2]),
)
SAMPLE_201 = objects(
    value=some(1, "1", None, DROP),
    measurand=some("Voltage", "voltage", "Fan.Speed", None, "Display.PresentSOC"),
    location=some(DROP, "Outlet", "Upstream", "Moon"),
    signedMeterValue=some(DROP, 5)
    | objects(
        signedMeterData=some("x", "x" * 3_000, {}, DROP),
        signingMethod=some("", "x" * 60, DROP),
        encodingMethod=some("OCMF", DROP, {}),
        publicKey=some("", 7, DROP),
    ),
    context=some(DROP, "Trigger", "Sometimes"),
    unitOfMeasure=some(DROP, None)
    | objects(
        unit=some("Wh", 5, None, "u" * 30, "v" * 40),
        multiplier=some(0, 3.0, "3", "", None),
        Multiplier=some(DROP, 3, "3"),
    ),
    customData=some(DROP, {}, {"vendorId": None}, {"vendorId": 5}, {"vendorId": "v" * 300}, 5),
)
METER_VALUES_16 = ("v16", "MeterValues", "meterValue", {"connectorId": 1})
MESSAGES = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                METER_VALUES_16,
                ("v16", "StopTransaction", "transactionData", END_16),
            ]
        ),
        items(SAMPLE_16),
    ),
    st.tuples(
        st.sampled_from(
            [
                ("v201", "MeterValuesRequest", "meterValue", {"evseId": 1}),
                ("v201", "TransactionEventRequest", "meterValue", END_201),
            ]
        ),
        items(SAMPLE_201),
    ),
)
Found = tuple[dict[str, Any], set[tuple[str, str]]] | None


def found_in(message: tuple[Any, list[Any]], *, max_weight: int) -> Found:
    """Return what is made of a message whose lists are looked through in pieces beyond a weight."""
    (version, name, member, rest), list_ = message
    payload = json.loads(json.dumps({**rest, member: list_}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leniency, "_MAX_WEIGHT", max_weight)
        patch.setattr(leniency, "_PORTION_WEIGHT", 60)
        patch.setattr(leniency, "_MAX_PLACES", 1_000_000)
        try:
            deviations = mend(name, schemas.load(version, name), payload, NOW)
        except CallRefusedError:
            return None
    return payload, {(deviation.kind, deviation.member) for deviation in deviations}


@given(MESSAGES)
@settings(max_examples=300)
def test_what_is_mended_like_others_is_mended_like_one_by_one(
    message: tuple[Any, list[Any]],
) -> None:
    assert found_in(message, max_weight=10) == found_in(message, max_weight=1_000_000)


def numbers(sample: dict[str, Any]) -> None:
    sample["value"] = float(sample["value"])


def small_letters_and_more(sample: dict[str, Any]) -> None:
    sample |= {"value": float(sample["value"]), "measurand": sample["measurand"].lower(), "x": None}


def names_in_capitals(sample: dict[str, Any]) -> None:
    sample["Unit"] = sample.pop("unit", "w").upper()
    sample["context"] = "Sample.Sometimes"


def texts_for_numbers(sample: dict[str, Any]) -> None:
    sample["measurand"] = sample["measurand"].upper()
    sample["unitOfMeasure"] = {"unit": "a unit of the vendor's", "multiplier": "0", "x": 1}


Deviates = Callable[[dict[str, Any]], None]
LONG_CHARGES = [
    (ocpp16.PROTOCOL, "StopTransaction", "transactionData", end_16, numbers),
    (ocpp16.PROTOCOL, "StopTransaction", "transactionData", end_16, small_letters_and_more),
    (ocpp16.PROTOCOL, "StopTransaction", "transactionData", end_16, names_in_capitals),
    (ocpp201.PROTOCOL, "TransactionEvent", "meterValue", end_201, texts_for_numbers),
]


def encoded(action: str, payload: dict[str, Any]) -> bytes:
    return json.dumps([2, "m", action, payload], separators=(",", ":")).encode()


def receive(protocol: Protocol, frame: bytes) -> tuple[float, Call, set[str]]:
    """Return the seconds of a processor that a frame takes, what comes of it, and its quirks."""
    noted: set[str] = set()
    peer = Peer(protocol, lambda _, it: noted.add(it.kind))
    began_s = time.process_time()
    event = peer.receive(frame)
    if isinstance(event, Heavy):
        event = finish(event.steps)
    took_s = time.process_time() - began_s
    assert isinstance(event, Call)
    return took_s, event, noted


@pytest.mark.parametrize(("protocol", "action", "member", "end", "deviate"), LONG_CHARGES)
def test_all_that_a_long_charge_measured_is_mended_and_in_time(
    protocol: Protocol,
    action: str,
    member: str,
    end: Callable[[Deviates], dict[str, Any]],
    deviate: Deviates,
) -> None:
    """The yardstick is a message of the same length that is right: it takes 2 ms, and this 15."""
    payload = end(deviate)
    plain, odd = encoded(action, end(lambda _: None)), encoded(action, payload)
    assert len(odd) > 250_000
    plain_s, odd_s = math.inf, math.inf
    for _ in range(7):
        took_s, _, noted = receive(protocol, plain)
        assert noted == set()
        plain_s = min(plain_s, took_s)
        took_s, call, noted = receive(protocol, odd)
        assert "sample_dropped" not in noted
        odd_s = min(odd_s, took_s)
    mended = call.kwargs[protocol.routes[action].names[member]]
    assert [len(value["sampledValue"]) for value in mended] == [10] * len(payload[member])
    assert odd_s < 20 * plain_s


def test_a_deviation_that_comes_late_is_mended_as_well() -> None:
    """Each kind is looked for only where it comes first: nothing is used up by the others."""
    payload = end_16(small_letters_and_more)
    (*_, last) = payload["transactionData"]
    for sample in last["sampledValue"]:
        names_in_capitals(sample)
    found = mend("StopTransaction", schemas.load("v16", "StopTransaction"), payload, NOW)
    assert {(it.kind, it.member.rpartition(".")[2]) for it in found} == {
        ("text_as_number", "value"),
        ("wrong_case", "measurand"),
        ("additional_member", "sampledValue"),
        ("wrong_case", "unit"),
        ("unknown_word", "context"),
    }
    assert len(payload["transactionData"][-1]["sampledValue"]) == 10


@pytest.mark.parametrize("name", ["unit", "context", "x"])
def test_of_more_different_deviations_than_are_mended_those_that_are_wrong_are_dropped(
    name: str,
) -> None:
    """A refused StopTransaction is thrown away after a few tries: the end of the charge with it."""
    numbered = itertools.count()

    def deviate(sample: dict[str, Any]) -> None:
        numbers(sample)
        number = next(numbered)
        if number % 2:
            sample[f"x{number}" if name == "x" else name] = f"{number}"

    payload = end_16(deviate)
    was = sum(len(value["sampledValue"]) for value in payload["transactionData"])
    found = mend("StopTransaction", schemas.load("v16", "StopTransaction"), payload, NOW)
    left = [sample for value in payload["transactionData"] for sample in value["sampledValue"]]
    assert was / 2 <= len(left) < was
    assert {type(sample["value"]) for sample in left} == {str}
    assert payload["meterStop"] == END_16["meterStop"]
    assert "sample_dropped" in {deviation.kind for deviation in found}
