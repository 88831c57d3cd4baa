"""What one item of a long list has shown of its station is done to all others, and nothing else.

Each way to deviate comes once in an item that is looked into, and then in many that are not: what
they become is written down here, and is the same for a list that is looked through item by item.
"""

import copy
import json
from typing import Any

import pytest

from gateway import leniency, schemas
from gateway.habits import Habits
from gateway.leniency import mend

NOW = "2026-01-02T03:04:05.000+00:00"
TIME = "2026-01-01T00:00:00Z"
MANY = 40
PAGES = "x" * 3_000
"""Longer than 2.0.1 allows signed data, and shorter than 2.1 does."""

VALUES_16 = ("v16", "MeterValues", "meterValue", {"connectorId": 1})
VALUES_201 = ("v201", "MeterValuesRequest", "meterValue", {"evseId": 1})
REPORT = (
    "v201",
    "NotifyReportRequest",
    "reportData",
    {"requestId": 1, "generatedAt": TIME, "seqNo": 0},
)
Message = tuple[str, str, str, dict[str, Any]]


def item(*samples: Any, **more: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "sampledValue": list(samples), **more}


def variable(**characteristics: Any) -> dict[str, Any]:
    return {
        "component": {"name": "C"},
        "variable": {"name": "V"},
        "variableAttribute": [{"value": "1"}],
        "variableCharacteristics": {
            "dataType": "string",
            "supportsMonitoring": False,
            **characteristics,
        },
    }


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


SIGNED = {
    "signedMeterData": PAGES,
    "signingMethod": "",
    "encodingMethod": "OCMF",
    "publicKey": "",
}
RIGHT = {"value": "1"}
CASES = [
    (VALUES_16, item({"value": 7}), item({"value": "7"})),
    (VALUES_16, item({"value": 7.5}), item({"value": "7.5"})),
    (VALUES_16, item({"Value": "7"}), item({"value": "7"})),
    (VALUES_16, item({"value": "7", "Value": "8"}), item({"value": "7"})),
    (VALUES_16, item({"Value": 7}), item({"value": "7"})),  # in two steps
    (VALUES_16, item({"value": "7", "x": {}}), item({"value": "7"})),
    (VALUES_16, item({**RIGHT, "unit": "KWH"}), item({**RIGHT, "unit": "kWh"})),
    (VALUES_16, item({**RIGHT, "unit": "%"}), item({**RIGHT, "unit": "Percent"})),
    (VALUES_16, item({**RIGHT, "unit": None}), item(RIGHT)),
    (VALUES_16, item({**RIGHT, "unit": ""}), item(RIGHT)),
    (VALUES_16, item({**RIGHT, "context": "Sometimes"}), item(RIGHT)),
    (VALUES_16, item({"value": "7", "unit": "parsec"}, RIGHT), item(RIGHT)),
    (VALUES_16, item({"unit": "Wh"}, RIGHT), item(RIGHT)),  # no value
    (VALUES_16, item({"value": None}, RIGHT), item(RIGHT)),
    (VALUES_16, item({"value": ""}, RIGHT), item({"value": ""}, RIGHT)),
    (VALUES_16, without(item(RIGHT), "timestamp"), {**item(RIGHT), "timestamp": NOW}),
    (VALUES_16, {**item(RIGHT), "timestamp": None}, {**item(RIGHT), "timestamp": NOW}),
    (VALUES_16, {**item(RIGHT), "sampledValue": RIGHT}, item(RIGHT)),
    (VALUES_16, item(), item()),
    (VALUES_16, without(item(), "sampledValue"), item()),
    (VALUES_16, item({**RIGHT, "measurand": "Display.PresentSOC"}), None),
    (VALUES_201, item({"value": "7"}), item({"value": "7"})),
    (VALUES_201, item({"value": 7, "measurand": "Display.PresentSOC"}), None),
    (VALUES_201, item({"value": 7, "signedMeterValue": SIGNED}), None),
    (
        VALUES_201,
        item({"value": 7, "signedMeterValue": without(SIGNED, "publicKey")}),
        item({"value": 7, "signedMeterValue": SIGNED}),
    ),
    (
        VALUES_201,
        item({"value": 7, "unitOfMeasure": {"multiplier": "3"}}),
        item({"value": 7, "unitOfMeasure": {"multiplier": 3}}),
    ),
    (
        VALUES_201,
        item({"value": 7, "unitOfMeasure": {"Multiplier": 3.0, "unit": None}}),
        item({"value": 7, "unitOfMeasure": {"multiplier": 3}}),
    ),
    (REPORT, {**variable(), "variableCharacteristics": {"dataType": "string"}}, None),
    (REPORT, {**variable(), "variableAttribute": [{"value": PAGES}]}, None),
    (REPORT, variable(unit=5), variable(unit="5")),
    (REPORT, variable(supportsMonitoring="true"), variable(supportsMonitoring=True)),
]


def mended(
    message: Message, items: list[Any], *, max_weight: int
) -> tuple[Any, set[tuple[str, str]]]:
    version, name, member, rest = message
    payload = {**rest, member: json.loads(json.dumps(items))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leniency, "_MAX_WEIGHT", max_weight)
        patch.setattr(leniency, "_PORTION_WEIGHT", 60)
        found = mend(name.removesuffix("Request"), schemas.load(version, name), payload, NOW)
    assert without(payload, member) == rest
    return payload[member], {(deviation.kind, deviation.member) for deviation in found}


@pytest.mark.parametrize(("message", "told", "meant"), CASES, ids=lambda it: str(it)[:60])
def test_what_was_done_to_one_is_done_to_all(
    message: Message, told: dict[str, Any], meant: dict[str, Any] | None
) -> None:
    right = CASES[-1][2] if message is REPORT else item({"value": "1"})
    if message is VALUES_201:
        right = item({"value": 1})
    items = [right, *[told] * MANY, right]
    before = copy.deepcopy(items)
    expected = [right, *[meant or told] * MANY, right]
    kept, quirks = mended(message, items, max_weight=10)
    assert kept == expected
    assert (kept, quirks) == mended(message, items, max_weight=1_000_000)
    assert items == before


@pytest.mark.parametrize(("message", "told", "meant"), CASES, ids=lambda it: str(it)[:60])
def test_what_was_looked_into_once_is_known_of_all_others(
    message: Message, told: dict[str, Any], meant: dict[str, Any] | None
) -> None:
    """Nobody asks the schema any more what is wrong with them, which is what takes long."""
    version, name, member, _ = message
    schema = schemas.load(version, name).split(member)[1]
    mending = leniency._Mending(name.removesuffix("Request"), NOW)
    mending._in_portions = True
    mending.mend(schema, {member: [copy.deepcopy(told)]}, member)
    others = [copy.deepcopy(told) for _ in range(3)]
    assert mending._habits.apply(schema, member, others) == [meant or told] * 3
    assert others == [told] * 3


@pytest.mark.parametrize("odd", ["KwH", "%", "parsec", None, 5, "", {}])
def test_what_was_learned_of_one_word_is_done_to_no_other(odd: Any) -> None:
    """Each of many others has a word of its own, or one that is right."""
    words = ["KWH", "Wh", "kwh", "W", "Kwh", "V"] * 8
    items = [item({"value": "1", "unit": word}) for word in words]
    items.insert(20, item({"value": "1", "unit": odd}, RIGHT))
    assert mended(VALUES_16, items, max_weight=10) == mended(VALUES_16, items, max_weight=10**6)


SCHEMA_16 = schemas.load("v16", "MeterValues").split("meterValue")[1]
SAMPLE = ("meterValue", 0, "sampledValue", 0)


@pytest.fixture
def habits() -> Habits:
    return Habits(lambda _: 100)


def applied(habits: Habits, *items: Any) -> Any:
    return habits.apply(SCHEMA_16, "meterValue", [*items])


def test_of_what_nothing_is_known_nothing_is_done(habits: Habits) -> None:
    assert applied(habits, item(RIGHT)) == [item(RIGHT)]
    assert applied(habits, item({"value": 7})) is None
    habits.convert((*SAMPLE, "value"), int, str)
    assert applied(habits, item({"value": 7})) == [item({"value": "7"})]
    assert applied(habits, item({"value": 7.5})) is None


def test_lessons_of_one_place_are_kept_together_wherever_in_lists_it_was(habits: Habits) -> None:
    habits.convert(("meterValue", 3, "sampledValue", 2, "value"), int, str)
    habits.convert(("meterValue", 0, "sampledValue", 9, "unit"), "KWH", lambda _: "kWh")
    habits.leave_out(("meterValue", 1, "sampledValue", 0, "context"), None)
    sample = {"value": 7, "unit": "KWH", "context": None}
    assert applied(habits, item(sample, sample)) == [item(*[{"value": "7", "unit": "kWh"}] * 2)]


@pytest.mark.parametrize("odd", ["x", 7, None, [], [RIGHT]])
def test_what_is_no_object_is_not_mended(habits: Habits, odd: Any) -> None:
    habits.convert((*SAMPLE, "value"), int, str)
    assert applied(habits, odd) is None
    assert applied(habits, item(odd)) is None


def test_an_object_of_very_many_members_is_looked_into_by_itself(habits: Habits) -> None:
    unknown = {f"x{number}": 1 for number in range(100)}
    for name in unknown:
        habits.drop(SAMPLE, name, None)
    assert applied(habits, item({**unknown, "value": "1"})) is None
    del unknown["x0"]
    assert applied(habits, item({**unknown, "value": "1"})) == [item(RIGHT)]


def test_a_member_that_is_there_is_not_filled_in_and_the_next_one_is(habits: Habits) -> None:
    habits.fill_in(("meterValue", 0, "timestamp"), lambda: NOW)
    habits.fill_in(("meterValue", 0, "sampledValue"), lambda: [RIGHT])
    assert applied(habits, {"timestamp": TIME}) == [item(RIGHT)]


def test_a_member_that_means_nothing_beside_another_one_is_left_where_it_stands_alone(
    habits: Habits,
) -> None:
    """There it may be the member itself, and what it says must not be lost."""
    both, alone = {**RIGHT, "Unit": "kWh", "unit": "Wh"}, {**RIGHT, "Unit": "kWh"}
    habits.drop(SAMPLE, "Unit", "unit")
    assert applied(habits, item(both)) == [item({**RIGHT, "unit": "Wh"})]
    assert applied(habits, item(alone)) is None
    habits.rename(SAMPLE, "Unit", "unit")
    assert applied(habits, item(both)) == [item({**RIGHT, "unit": "Wh"})]
    assert applied(habits, item(alone)) == [item({**RIGHT, "unit": "kWh"})]


def test_a_list_of_which_all_is_dropped_is_kept_only_if_one_was_before(habits: Habits) -> None:
    habits.doom((*SAMPLE, "unit"), "parsec")
    habits.doom((*SAMPLE, "value"), None)
    habits.doom((*SAMPLE, "phase"), 5)  # neither a word nor a lack
    parsec, no_value = {"value": "1", "unit": "parsec"}, {"unit": "Wh"}
    assert applied(habits, item(parsec, RIGHT, no_value)) == [item(RIGHT)]
    assert applied(habits, item(parsec)) is None
    assert applied(habits, item(no_value, parsec), item(RIGHT)) is None
    habits.keep_empty(SAMPLE[:-1])
    assert applied(habits, item(no_value, parsec), item(RIGHT)) == [item(), item(RIGHT)]
    assert applied(habits, item()) == [item()]
    assert applied(habits, item({**RIGHT, "phase": 5})) is None


def test_a_list_that_may_be_empty_may_become_so(habits: Habits) -> None:
    schema = schemas.load("v16", "StopTransaction").split("transactionData")[1]
    habits.doom(("transactionData", 0, "sampledValue", 0, "unit"), "parsec")
    items = [item({**RIGHT, "unit": "parsec"})]
    assert habits.apply(schema, "transactionData", items) == [item()]


def test_a_word_is_kept_and_no_other_one(habits: Habits) -> None:
    habits.keep_word((*SAMPLE, "measurand"), "Display.PresentSOC", "SoC")
    kept = item({**RIGHT, "measurand": "Display.PresentSOC"}, {**RIGHT, "measurand": "Voltage"})
    assert applied(habits, kept) == [kept]
    for other in ("Fan.Speed", 5, None):
        assert applied(habits, item({**RIGHT, "measurand": other})) is None


def test_what_does_not_read_as_what_it_stands_for_is_not_right(habits: Habits) -> None:
    habits.convert((*SAMPLE, "value"), int, lambda _: None)
    assert applied(habits, item({"value": 7})) is None


def test_what_goes_round_in_circles_ends(habits: Habits) -> None:
    habits.convert((*SAMPLE, "unit"), "a", lambda _: "b")
    habits.convert((*SAMPLE, "unit"), "b", lambda _: "a")
    assert applied(habits, item({**RIGHT, "unit": "a"})) is None


def test_a_text_is_kept_up_to_the_length_that_its_member_may_have() -> None:
    schema = schemas.load("v201", "MeterValuesRequest").split("meterValue")[1]
    habits = Habits(lambda name: 2_600 if name == "signedMeterData" else 0)
    path = ("meterValue", 0, "sampledValue", 0, "signedMeterValue", "signedMeterData")
    habits.keep_long(path)

    def signed(length: int) -> list[dict[str, Any]]:
        sample = {"value": 1, "signedMeterValue": {**SIGNED, "signedMeterData": "x" * length}}
        return [item(sample)]

    assert habits.apply(schema, "meterValue", signed(2_600)) == signed(2_600)
    assert habits.apply(schema, "meterValue", signed(2_601)) is None


def test_what_is_right_of_an_item_is_told_from_what_is_not(habits: Habits) -> None:
    def right_of(item: dict[str, Any]) -> tuple[Any, bool]:
        before = copy.deepcopy(item)
        right = habits.apply_to_right(SCHEMA_16, "meterValue", item, "sampledValue")
        assert item == before
        return right

    assert right_of(item(RIGHT, {"value": 7}, RIGHT)) == (item(RIGHT, RIGHT), True)
    assert right_of(item(RIGHT)) == (item(RIGHT), False)
    assert right_of(item({"value": 7})) == (item(), True)
    assert right_of(item()) == (item(), True)
    assert right_of({"timestamp": TIME, "sampledValue": RIGHT}) == (item(), True)
    assert right_of({"timestamp": TIME}) == (item(), True)
    many = {f"x{number}": 1 for number in range(100)}
    assert right_of({**item(RIGHT), **many}) == ({**item(), **many}, True)
    habits.convert((*SAMPLE, "value"), int, str)
    assert right_of(item(RIGHT, {"value": 7})) == (item(RIGHT, {"value": "7"}), False)
    habits.doom((*SAMPLE, "unit"), "parsec")
    assert right_of(item(RIGHT, {**RIGHT, "unit": "parsec"})) == (item(RIGHT), False)


def test_what_is_right_though_it_is_too_long_is_kept_as_it_came() -> None:
    schema = schemas.load("v201", "MeterValuesRequest").split("meterValue")[1]
    habits = Habits(lambda _: len(PAGES))
    habits.keep_long(("meterValue", 0, "sampledValue", 0, "signedMeterValue", "signedMeterData"))
    signed = {"value": 7, "signedMeterValue": SIGNED}
    right = habits.apply_to_right(
        schema, "meterValue", item(signed, {"value": "x" * 9, "unit": 5}), "sampledValue"
    )
    assert right == (item(signed), True)
