"""What is told of each thing that was mended: its kind, its member, and an example to show.

Operators go by these words to a vendor, so each stands here as it is shown.
"""

import copy
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from gateway import schemas
from gateway.errors import CallRefusedError
from gateway.leniency import mend, mend_and_note

NOW = "2026-01-02T03:04:05.000+00:00"
TIME = "2026-01-01T00:00:00Z"
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": TIME}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
EVENT = {
    "eventType": "Updated",
    "timestamp": TIME,
    "triggerReason": "Trigger",
    "seqNo": 1,
    "transactionInfo": {"transactionId": "T"},
}
Told = list[tuple[str, str, str]]


def values(*samples: Any) -> dict[str, Any]:
    return {"connectorId": 1, "meterValue": [{"timestamp": TIME, "sampledValue": list(samples)}]}


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


def mended(action: str, payload: dict[str, Any], version: str = "v16") -> tuple[Any, Told]:
    payload = copy.deepcopy(payload)
    name = action if version == "v16" else f"{action}Request"
    found = mend(action, schemas.load(version, name), payload, NOW)
    return payload, [(it.kind, it.member, it.example) for it in found]


@pytest.mark.parametrize(
    ("action", "payload", "told"),
    [
        ("Heartbeat", {"x": 1}, [("additional_member", "", "x")]),
        ("Heartbeat", {"": 1}, [("additional_member", "", "(no name)")]),
        ("Heartbeat", {"x" * 80: 1}, [("additional_member", "", "x" * 60)]),
        (
            "StatusNotification",
            {**without(STATUS, "errorCode"), "ErrorCode": "NoError"},
            [("wrong_case", "errorCode", "ErrorCode")],
        ),
        (
            "StatusNotification",
            without(STATUS, "errorCode"),
            [("missing_member", "errorCode", "")],
        ),
        (
            "StatusNotification",
            {**STATUS, "connectorId": "1"},
            [("number_as_text", "connectorId", "1")],
        ),
        (
            "StatusNotification",
            {**STATUS, "connectorId": 1.0},
            [("fraction", "connectorId", "1.0")],
        ),
        ("StatusNotification", {**STATUS, "info": None}, [("null_member", "info", "")]),
        ("StatusNotification", {**STATUS, "info": 17}, [("text_as_number", "info", "17")]),
        ("StatusNotification", {**STATUS, "info": "x" * 500}, [("too_long", "info", "500")]),
        (
            "StatusNotification",
            {**STATUS, "info": "x" * 501},
            [("member_dropped", "info", "x" * 60)],
        ),
        (
            "StatusNotification",
            {**STATUS, "status": "suspendedEV"},
            [("wrong_case", "status", "suspendedEV")],
        ),
        (
            "StatusNotification",
            {**STATUS, "status": "Occupied"},
            [("unknown_word", "status", "Occupied")],
        ),
        (
            "StatusNotification",
            {**STATUS, "errorCode": "Bird"},
            [("unknown_word", "errorCode", "Bird")],
        ),
        ("StartTransaction", without(START, "timestamp"), [("missing_member", "timestamp", "")]),
        (
            "StartTransaction",
            {**START, "reservationId": ""},
            [("empty_member", "reservationId", "")],
        ),
        ("StartTransaction", {**START, "meterStart": 100.1}, [("fraction", "meterStart", "100.1")]),
        (
            "StartTransaction",
            {**START, "meterStart": "100.10"},
            [
                ("number_as_text", "meterStart", "100.10"),
                ("fraction", "meterStart", "100.10"),
            ],
        ),
        ("MeterValues", {"connectorId": 1, "meterValue": []}, [("too_few", "meterValue", "")]),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": values({"value": "1"})["meterValue"][0]},
            [("lonely_item", "meterValue", "")],
        ),
        (
            "MeterValues",
            values({"value": "1", "unit": "parsec"}),
            [
                ("sample_dropped", "meterValue.sampledValue.unit", "parsec"),
                ("too_few", "meterValue.sampledValue", ""),
            ],
        ),
        (
            "MeterValues",
            values({"value": "1", "context": "Sometimes"}),
            [("unknown_word", "meterValue.sampledValue.context", "Sometimes")],
        ),
        (
            "MeterValues",
            values({"unit": "Wh"}, {"value": "1"}),
            [("sample_dropped", "meterValue.sampledValue.value", "")],
        ),
        (
            "MeterValues",
            values({"value": "1", "unit": {"x": "y"}}, {"value": "1"}),
            [("sample_dropped", "meterValue.sampledValue.unit", "")],
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"timestamp": 5.5, "sampledValue": []}, "x"]},
            [
                ("text_as_number", "meterValue.timestamp", "5.5"),
                ("item_dropped", "meterValue", "x"),
                ("too_few", "meterValue.sampledValue", ""),
            ],
        ),
        # Each way once, with its first example, however often.
        (
            "MeterValues",
            values(*({"value": "1", "unit": word} for word in ("KWH", "kwh", "WH"))),
            [("wrong_case", "meterValue.sampledValue.unit", "KWH")],
        ),
        # Nobody's tokens, data or readings are shown; how long they are is.
        ("Authorize", {"idTag": 42}, [("text_as_number", "idTag", "")]),
        ("Authorize", {"idtag": "T"}, [("wrong_case", "idTag", "")]),
        ("Authorize", {"idTag": "T" * 500}, [("too_long", "idTag", "500")]),
        (
            "MeterValues",
            values({"value": 7}),
            [("text_as_number", "meterValue.sampledValue.value", "")],
        ),
        ("DataTransfer", {"vendorId": "V", "data": 7}, [("text_as_number", "data", "")]),
    ],
    ids=lambda it: str(it)[:50],
)
def test_what_was_mended_is_told_with_an_example(
    action: str, payload: dict[str, Any], told: Told
) -> None:
    right, found = mended(action, payload)
    assert sorted(found) == sorted(told)
    again = mended(action, right)[1]
    assert again in ([], [it for it in told if it[0] in TOLERATED])


TOLERATED = {"too_long", "too_few", "missing_member", "unknown_word", "fraction"}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (without(EVENT, "triggerReason"), ("missing_member", "triggerReason", "")),
        (
            {**EVENT, "triggerReason": "CostLimitReached"},
            ("unknown_word", "triggerReason", "CostLimitReached"),
        ),
        ({**EVENT, "triggerReason": "x" * 50}, ("unknown_word", "triggerReason", "x" * 50)),
    ],
    ids=["left out", "a word of 2.1", "a vendor's word"],
)
def test_what_decides_nothing_is_kept_as_it_is(
    payload: dict[str, Any], told: tuple[str, str, str]
) -> None:
    assert mended("TransactionEvent", payload, "v201") == (payload, [told])


def test_a_word_of_pages_is_not_kept() -> None:
    with pytest.raises(CallRefusedError, match="triggerReason"):
        mended("TransactionEvent", {**EVENT, "triggerReason": "x" * 51}, "v201")


def test_a_hundred_unknown_members_are_left_out_and_one_more_is_refused() -> None:
    unknown = {f"x{number}": number for number in range(100)}
    assert mended("StatusNotification", {**STATUS, **unknown})[0] == STATUS
    with pytest.raises(CallRefusedError):
        mended("StatusNotification", {**STATUS, **unknown, "x": 1})


def test_a_name_in_two_letter_cases_is_told_by_the_right_one() -> None:
    both = {**STATUS, "Status": "Faulted"}
    assert mended("StatusNotification", both) == (STATUS, [("additional_member", "", "Status")])


def test_a_word_is_looked_for_up_to_a_length() -> None:
    filled = f"available{'.' * 91}"
    assert len(filled) == 100
    assert mended("StatusNotification", {**STATUS, "status": filled})[0] == STATUS
    with pytest.raises(CallRefusedError):
        mended("StatusNotification", {**STATUS, "status": f"{filled}."})


@pytest.mark.parametrize(
    ("member", "longest"), [("data", 8_192), ("vendorId", 500), ("messageId", 500)]
)
def test_each_member_has_a_length_up_to_which_it_is_kept(member: str, longest: int) -> None:
    payload = {"vendorId": "V", member: "x" * longest}
    right, found = mended("DataTransfer", payload)
    assert right == payload
    if member != "data":  # which has no length in OCPP
        assert found == [("too_long", member, f"{longest}")]
        with pytest.raises(CallRefusedError, match=member):
            mended("DataTransfer", {"vendorId": "V", member: "x" * (longest + 1)})


def test_a_register_stays_a_decimal_beside_what_is_mended() -> None:
    right, _ = mended("StartTransaction", {**START, "meterStart": "100.10", "x": 1})
    assert right == {**START, "meterStart": Decimal("100.10")}


def noted(action: str, payload: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    told: list[tuple[str, ...]] = []
    payload = copy.deepcopy(payload)
    with suppress(CallRefusedError):
        mend_and_note(
            action,
            schemas.load("v16", action),
            payload,
            lambda name, it: told.append((name, it.kind, it.member, it.example)),
        )
    return payload, told


def test_what_is_mended_and_what_is_refused_is_noted_with_its_action() -> None:
    payload, told = noted("MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": []}]})
    (value,) = payload["meterValue"]
    assert value["timestamp"].endswith("+00:00")  # now
    assert told == [
        ("MeterValues", "missing_member", "meterValue.timestamp", ""),
        ("MeterValues", "too_few", "meterValue.sampledValue", ""),
    ]
    assert noted("StartTransaction", {**START, "connectorId": 1.5})[1] == [
        ("StartTransaction", "refused", "connectorId", "TypeConstraintViolation")
    ]
    # Its Action decides what is left to a handler, and not filled in.
    assert noted("StartTransaction", without(START, "timestamp")) == (
        without(START, "timestamp"),
        [("StartTransaction", "missing_member", "timestamp", "")],
    )


def test_of_several_items_that_are_dropped_each_is_the_one_that_was_wrong() -> None:
    parsec = {"value": "0", "unit": "parsec"}
    numbers = [{"value": f"{number}"} for number in range(4)]
    mixed = [parsec, numbers[0], parsec, parsec, numbers[1], numbers[2], parsec, numbers[3]]
    assert mended("MeterValues", values(*mixed))[0] == values(*numbers)
