"""Of a message with more different deviations than are looked into, what is right is kept."""

from typing import Any

import pytest

from gateway import leniency, schemas
from gateway.errors import CallRefusedError, ErrorCode
from gateway.leniency import mend

NOW = "2026-01-02T03:04:05.000+00:00"
TIME = "2026-01-01T00:00:00Z"
PLACES = 8
RIGHT = {"value": "1"}
Told = set[tuple[str, str, str]]


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leniency, "_MAX_WEIGHT", 10)
    monkeypatch.setattr(leniency, "_PORTION_WEIGHT", 60)
    monkeypatch.setattr(leniency, "_MAX_PLACES", PLACES)


def odd(number: int) -> dict[str, Any]:
    """Return a sample that deviates as no other does."""
    return {**RIGHT, f"x{number}": number}


def item(*samples: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "sampledValue": list(samples)}


def mended(items: list[Any]) -> tuple[list[Any], Told]:
    payload = {"connectorId": 1, "meterValue": items}
    found = mend("MeterValues", schemas.load("v16", "MeterValues"), payload, NOW)
    assert payload["connectorId"] == 1
    return payload["meterValue"], {(it.kind, it.member, it.example) for it in found}


def test_what_is_right_stays_in_its_place_and_what_is_not_looked_into_goes() -> None:
    kept, told = mended([item(odd(number), RIGHT) for number in range(40)])
    # The first ones were mended, of the others that sample is left which is right.
    assert [len(each["sampledValue"]) for each in kept] == sorted(
        (len(each["sampledValue"]) for each in kept), reverse=True
    )
    assert {len(each["sampledValue"]) for each in kept} == {1, 2}
    assert len(kept) == 40
    assert all(sample == RIGHT for each in kept for sample in each["sampledValue"])
    (additional,) = (it for it in told if it[0] == "additional_member")
    assert told - {additional} == {("sample_dropped", "meterValue.sampledValue", "")}


def test_an_item_of_which_nothing_is_right_goes_and_its_neighbours_do_not() -> None:
    items = [each for number in range(20) for each in (item(odd(number)), item(RIGHT, RIGHT))]
    kept, told = mended([*items, "x", None])
    assert kept.count(item(RIGHT, RIGHT)) == 20
    assert 0 < kept.count(item(RIGHT)) <= PLACES
    assert len(kept) < 20 + PLACES + 1
    assert ("sample_dropped", "meterValue.sampledValue", "") in told


def test_what_is_no_object_goes_and_is_counted() -> None:
    wrong = [item(odd(number), RIGHT) for number in range(PLACES + 4)]
    kept, told = mended([*wrong, "x", *[item(RIGHT)] * 9])
    assert len(kept) == len(wrong) + 9
    assert ("sample_dropped", "meterValue.sampledValue", "") in told


def test_of_one_long_item_the_samples_that_are_right_are_kept_whichever_part_they_stand_in() -> (
    None
):
    wrong_part = [odd(number) for number in range(100)]
    (kept,), told = mended([item(*[RIGHT] * 50, *wrong_part, *[RIGHT] * 50)])
    assert kept["timestamp"] == TIME
    assert 100 <= len(kept["sampledValue"]) <= 100 + PLACES
    assert {*map(str, kept["sampledValue"])} == {str(RIGHT)}
    assert ("sample_dropped", "meterValue.sampledValue", "") in told


def test_an_item_of_another_list_goes_as_a_whole() -> None:
    def variable(**more: Any) -> dict[str, Any]:
        return {
            "component": {"name": "C"},
            "variable": {"name": "V"},
            "variableAttribute": [{"value": "1"}],
            **more,
        }

    items = [
        each for number in range(20) for each in (variable(), variable(**{f"x{number}": number}))
    ]
    payload = {"requestId": 1, "generatedAt": TIME, "seqNo": 0, "reportData": items}
    found = mend("NotifyReport", schemas.load("v201", "NotifyReportRequest"), payload, NOW)
    kept = payload["reportData"]
    assert isinstance(kept, list)
    assert all(each == variable() for each in kept)
    assert 20 < len(kept) <= 20 + PLACES
    assert {(it.kind, it.member) for it in found} == {
        ("additional_member", "reportData"),
        ("item_dropped", "reportData"),
    }
    assert {it.example for it in found if it.kind == "item_dropped"} == {""}


def test_of_a_light_message_all_is_looked_into_or_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leniency, "_MAX_WEIGHT", 1_000)
    few = [item(*(odd(number) for number in range(PLACES - 1)))]
    assert mended(few)[0] == [item(*[RIGHT] * (PLACES - 1))]
    with pytest.raises(CallRefusedError, match="meterValue/0/sampledValue/0") as refused:
        mended([item(*(odd(number) for number in range(PLACES)))])
    assert refused.value.code is ErrorCode.FORMAT_VIOLATION


def test_what_is_wrong_beside_a_long_list_is_mended_or_refused() -> None:
    schema = schemas.load("v16", "MeterValues")
    values = [item(RIGHT) for _ in range(40)]
    payload: dict[str, Any] = {"ConnectorId": "1", "MeterValue": values, "x": None}
    found = mend("MeterValues", schema, payload, NOW)
    assert payload == {"connectorId": 1, "meterValue": values}
    assert {(it.kind, it.member, it.example) for it in found} == {
        ("wrong_case", "meterValue", "MeterValue"),
        ("wrong_case", "connectorId", "ConnectorId"),
        ("number_as_text", "connectorId", "1"),
        ("additional_member", "", "x"),
    }
    for broken in (
        {"connectorId": 1.5, "meterValue": values},
        {"meterValue": values},
        {"connectorId": 1, "meterValue": values, **{f"x{number}": 1 for number in range(PLACES)}},
        {"connectorId": 1, "meterValue": values, "MeterValue": values},
        {"connectorId": 1, "meters": values},
    ):
        with pytest.raises(CallRefusedError):
            mend("MeterValues", schema, broken, NOW)


def test_a_long_list_of_which_nothing_is_left_is_told_to_be_empty() -> None:
    kept, told = mended(["x"] * 40)
    assert kept == []
    assert ("too_few", "meterValue", "") in told
