"""Messages that break their schema: what is mended, what is named, and what is refused."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import schemas
from gateway.errors import CallRefusedError, ErrorCode
from gateway.leniency import mend
from gateway.ocpp16 import PROTOCOL
from gateway.rpc import Call, Peer, Refusal
from tests.support.costly_frames import KINDS, costly_frame, wrong_numbers_among

NOW = "2026-01-02T03:04:05.000+00:00"
TIME = "2026-01-01T00:00:00Z"
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": TIME}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def samples(*samples: Any) -> dict[str, Any]:
    value = {"timestamp": TIME, "sampledValue": list(samples)}
    return {"connectorId": 1, "meterValue": [value]}


def mended(action: str, payload: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    payload = copy.deepcopy(payload)
    found = mend(action, schemas.load("v16", action), payload, NOW)
    return payload, [(deviation.kind, deviation.member) for deviation in found]


@pytest.mark.parametrize(
    ("action", "payload", "meant", "quirks"),
    [
        ("Heartbeat", {"x": 1}, {}, [("additional_member", "")]),
        ("Authorize", {"idtag": "T"}, {"idTag": "T"}, [("wrong_case", "idTag")]),
        ("Authorize", {"idTag": 42}, {"idTag": "42"}, [("text_as_number", "idTag")]),
        ("Authorize", {"idTag": "T" * 30}, {"idTag": "T" * 30}, [("too_long", "idTag")]),
        (
            "StatusNotification",
            {**STATUS, "status": "suspendedEV"},
            {**STATUS, "status": "SuspendedEV"},
            [("wrong_case", "status")],
        ),
        (
            "StatusNotification",
            {"connectorId": "1", "status": "Available", "info": None},
            STATUS,
            [
                ("number_as_text", "connectorId"),
                ("null_member", "info"),
                ("missing_member", "errorCode"),
            ],
        ),
        (
            "StatusNotification",
            {**STATUS, "errorCode": "Bird"},
            {**STATUS, "errorCode": "OtherError"},
            [("unknown_word", "errorCode")],
        ),
        (
            "StatusNotification",
            {**STATUS, "status": "Occupied"},
            {**STATUS, "status": "Occupied"},
            [("unknown_word", "status")],
        ),
        (
            "StartTransaction",
            {**START, "reservationId": ""},
            START,
            [("empty_member", "reservationId")],
        ),
        (
            "StartTransaction",
            {**START, "meterStart": "100.0", "connectorId": 1.0},
            START,
            [("number_as_text", "meterStart"), ("fraction", "connectorId")],
        ),
        (
            "StopTransaction",
            {"transactionId": 1, "meterStop": 2, "timestamp": "", "idTag": ""},
            {"transactionId": 1, "meterStop": 2, "timestamp": NOW},
            [
                ("empty_member", "timestamp"),
                ("missing_member", "timestamp"),
                ("empty_member", "idTag"),
            ],
        ),
        (
            "StartTransaction",
            {**START, "timestamp": ""},
            {name: value for name, value in START.items() if name != "timestamp"},
            [("empty_member", "timestamp"), ("missing_member", "timestamp")],
        ),
        (
            "StatusNotification",
            {**STATUS, "timestamp": ""},
            STATUS,
            [("empty_member", "timestamp")],
        ),
        (
            "MeterValues",
            samples({"value": 1.5, "unit": "KWH"}),
            samples({"value": "1.5", "unit": "kWh"}),
            [
                ("text_as_number", "meterValue.sampledValue.value"),
                ("wrong_case", "meterValue.sampledValue.unit"),
            ],
        ),
        (
            "MeterValues",
            samples({"value": "1", "unit": "parsec"}, {"value": "2", "unit": "%"}),
            samples({"value": "2", "unit": "Percent"}),
            [
                ("sample_dropped", "meterValue.sampledValue.unit"),
                ("wrong_case", "meterValue.sampledValue.unit"),
            ],
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": samples({"value": "1"})["meterValue"][0]},
            samples({"value": "1"}),
            [("lonely_item", "meterValue")],
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"sampledValue": [{"value": "1"}]}]},
            {
                "connectorId": 1,
                "meterValue": [{"sampledValue": [{"value": "1"}], "timestamp": NOW}],
            },
            [("missing_member", "meterValue.timestamp")],
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": []},
            {"connectorId": 1, "meterValue": []},
            [("too_few", "meterValue")],
        ),
        (
            "MeterValues",
            samples({"value": "1", "context": "Sometimes"}),
            samples({"value": "1"}),
            [("unknown_word", "meterValue.sampledValue.context")],
        ),
    ],
)
def test_what_leaves_no_doubt_is_mended_and_named(
    action: str, payload: dict[str, Any], meant: dict[str, Any], quirks: list[tuple[str, str]]
) -> None:
    found, named = mended(action, payload)
    assert found == meant
    assert sorted(named) == sorted(quirks)


def test_a_register_keeps_its_fraction_exactly() -> None:
    payload, named = mended("StartTransaction", {**START, "meterStart": 100.1})
    assert payload["meterStart"] == Decimal("100.1")
    assert named == [("fraction", "meterStart")]


def test_a_register_keeps_its_fraction_also_as_a_text() -> None:
    payload, named = mended("StartTransaction", {**START, "meterStart": "100.10"})
    assert str(payload["meterStart"]) == "100.10"
    assert sorted(named) == [("fraction", "meterStart"), ("number_as_text", "meterStart")]


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Authorize", {}, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        ("Authorize", {"idTag": None}, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        ("Authorize", {"idTag": ["T"]}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("Authorize", {"idTag": float("inf")}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("Authorize", {"idTag": "T" * 501}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "connectorId": 1.5}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "connectorId": True}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "meterStart": "12k"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "meterStart": "1,234"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "meterStart": "1_0"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "meterStart": "1e99"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ("StartTransaction", {**START, "meterStart": "NaN"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        (
            "StartTransaction",
            {**START, "connectorId": "99999999999"},
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
        ),
        (
            "StatusNotification",
            {**STATUS, "status": "Melting"},
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
        ),
        (
            "StatusNotification",
            {"errorCode": "NoError", "status": "Available", "x": 1},
            ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
        ),
    ],
)
def test_what_would_be_guessed_is_refused(
    action: str, payload: dict[str, Any], code: ErrorCode
) -> None:
    with pytest.raises(CallRefusedError) as refused:
        mended(action, payload)
    assert refused.value.code == code


def test_no_example_tells_an_id_token() -> None:
    payload = {**START, "idTag": 123456789, "meterStart": "100"}
    found = mend("StartTransaction", schemas.load("v16", "StartTransaction"), payload, NOW)
    examples = {deviation.member: deviation.example for deviation in found}
    assert examples == {"idTag": "", "meterStart": "100"}


@pytest.mark.parametrize("tag", [10**24, 10**60])
def test_a_token_that_is_a_long_number_is_its_digits(tag: int) -> None:
    assert mended("Authorize", {"idTag": tag})[0] == {"idTag": str(tag)}


def test_a_long_list_is_mended_like_a_short_one() -> None:
    """Also if it is long in one item, or in other letter case."""
    each = {"value": 1, "unit": "KWH", "x": None}
    right = {"value": "1", "unit": "kWh"}
    quirks = [
        ("additional_member", "transactionData.sampledValue"),
        ("text_as_number", "transactionData.sampledValue.value"),
        ("wrong_case", "transactionData"),
        ("wrong_case", "transactionData.sampledValue.unit"),
    ]
    end = {"transactionId": 1, "meterStop": 2, "timestamp": TIME}
    for samples_each, values in ((400, 1), (2, 200), (1, 400), (140, 3)):
        data = [{"timestamp": TIME, "sampledValue": [each] * samples_each}] * values
        meant = [{"timestamp": TIME, "sampledValue": [right] * samples_each}] * values
        payload, named = mended("StopTransaction", {**end, "TransactionData": data})
        assert payload == {**end, "transactionData": meant}
        assert sorted(named) == quirks


def test_what_a_long_list_has_right_stays_beside_what_is_mended() -> None:
    frame = json.loads(wrong_numbers_among(3_000, wrong=2_500))
    payload, named = mended("StopTransaction", frame[3])
    kept = [int(value["sampledValue"][0]["value"]) for value in payload["transactionData"]]
    assert kept == list(range(3_000))
    assert payload["meterStop"] == 2
    assert named == [("text_as_number", "transactionData.sampledValue.value")]


def test_what_does_harm_in_a_long_list_costs_itself_alone() -> None:
    right = samples({"value": "1"})["meterValue"] * 1_000
    values = [*right[:600], {"timestamp": {}, "sampledValue": []}, *right[600:]]
    payload, named = mended("MeterValues", {"connectorId": 1, "meterValue": values})
    assert payload["meterValue"] == right
    assert named == [("item_dropped", "meterValue.timestamp")]


def test_what_does_harm_beside_a_long_list_is_refused_where_it_is() -> None:
    values = samples({"value": "1"})["meterValue"] * 1_000
    with pytest.raises(CallRefusedError, match="connectorId") as refused:
        mended("MeterValues", {"connectorId": 1.5, "meterValue": values})
    assert refused.value.code == ErrorCode.TYPE_CONSTRAINT_VIOLATION


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "samples" in kind])
def test_whatever_is_long_is_understood_or_refused(kind: str) -> None:
    schema = schemas.load("v16", "MeterValues")
    payload = json.loads(costly_frame(kind, 40_000))[3]
    try:
        mend("MeterValues", schema, payload, NOW)
    except CallRefusedError:
        return
    assert {violation.kind for violation in schema.find_violations(payload)} <= {"MinItems"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["connectorId", "ConnectorID", "meterValue", "sampledValue", "value", "unit", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(st.sampled_from(["connectorId", "meterValue", "transactionId"]), json_values)
)
def test_whatever_comes_is_understood_or_refused(payload: dict[str, Any]) -> None:
    schema = schemas.load("v16", "MeterValues")
    try:
        mend("MeterValues", schema, payload, NOW)
    except CallRefusedError:
        return
    left = {violation.kind for violation in schema.find_violations(payload)}
    assert left <= {"MinItems", "MaxLength"}
    assert isinstance(payload["connectorId"], int)
    for meter_value in payload["meterValue"]:
        for sample in meter_value["sampledValue"]:
            assert isinstance(sample["value"], str)


@pytest.fixture
def noted() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def peer(noted: list[tuple[str, str, str]]) -> Peer:
    return Peer(PROTOCOL, lambda action, it: noted.append((action, it.kind, it.member)))


@pytest.mark.parametrize(
    ("frame", "quirk"),
    [
        (b'[2,"1","Heartbeat"]', ("Heartbeat", "frame_form", "payload")),
        (b'[2,"1","Heartbeat",null]', ("Heartbeat", "frame_form", "payload")),
        (b'[2,"1","Heartbeat",[]]', ("Heartbeat", "frame_form", "payload")),
        (b'[2,"1","Heartbeat",{},{}]', ("Heartbeat", "frame_form", "fifth")),
        (b'[2,"1","heartBeat",{}]', ("Heartbeat", "wrong_case", "action")),
        (b'\xef\xbb\xbf[2,"1","Heartbeat",{}]\x00\n', ("", "frame_form", "padding")),
    ],
)
def test_frames_of_another_form_are_read_as_they_were_meant(
    peer: Peer, noted: list[tuple[str, str, str]], frame: bytes, quirk: tuple[str, str, str]
) -> None:
    event = peer.receive(frame)
    assert isinstance(event, Call)
    assert event.route.action == "Heartbeat"
    assert noted == [quirk]


def test_a_message_that_is_right_leaves_no_trace(
    peer: Peer, noted: list[tuple[str, str, str]]
) -> None:
    assert isinstance(peer.receive(b'[2,"1","Authorize",{"idTag":"T"}]'), Call)
    assert noted == []


def test_a_refused_message_is_noted_with_where_it_was_wrong(
    peer: Peer, noted: list[tuple[str, str, str]]
) -> None:
    frame = json.dumps([2, "1", "StatusNotification", {**STATUS, "status": "Melting"}]).encode()
    assert isinstance(peer.receive(frame), Refusal)
    assert noted == [("StatusNotification", "refused", "status")]
