"""How much there is in a payload, and the small copy that is looked at instead of a large one."""

from typing import Any

import pytest

from gateway import schemas
from gateway.errors import CallRefusedError, ErrorCode
from gateway.weight import outline, weigh

TIME = "2026-01-01T00:00:00Z"
MANY = 1_000_000


@pytest.mark.parametrize(
    ("value", "weight"),
    [
        (None, 1),
        (7, 1),
        ("", 1),
        ([], 1),
        ({}, 1),
        ([1, 2, 3], 4),
        ({"a": 1, "b": [2]}, 4),
        ([[[]]], 3),
        # A long text weighs more, as the name of a member too.
        ("x" * 511, 1),
        ("x" * 512, 2),
        ("x" * 1024, 3),
        ({"x" * 1024: 1}, 4),
        ({"x" * 300: 1, "y" * 300: 1}, 4),
        # An integer weighs the square of its length.
        (2**63, 2),
        (2**62, 1),
        (-(2**128), 5),
        (2**640, 101),
        (True, 1),
        (1.5, 1),
    ],
)
def test_a_value_weighs_as_many_values_as_it_holds(value: object, weight: int) -> None:
    assert weigh(value, MANY) == weight
    assert weigh(value, weight) == weight


@pytest.mark.parametrize(
    "value", [[0] * 10, dict.fromkeys("abcdefghij"), [[0] * 4, [0] * 4], "x" * 5_120, 2**256]
)
def test_what_is_heavier_than_asked_is_told_to_be_no_more_than_that(value: object) -> None:
    weight = weigh(value, MANY)
    assert weight >= 10
    for most in range(1, weight):
        assert most < weigh(value, most) <= weight
    assert weigh(value, weight) == weight


def test_of_a_long_payload_a_little_of_everything_is_left() -> None:
    payload = {
        "known": ["a", "b", "c", "d"],
        "text": "x" * 601,
        "y" * 601: 1,
        "number": 1.5,
        "none": None,
        "small": 2**64 - 1,
        "one": 1,
        "zero": 0,
        "minus": -(2**64 - 1),
        "large": 2**64,
        "huge": 10**100,
        "low": -(10**100),
    }
    assert outline(payload, frozenset({"known"})) == {
        "known": ["a", "b", "c"],
        "text": "x" * 600,
        "y" * 600: 1,
        "number": 1.5,
        "none": None,
        "small": 2**64 - 1,
        "one": 1,
        "zero": 0,
        "minus": -(2**64 - 1),
        "large": 2**64,
        "huge": 2**64,
        "low": -(2**64),
    }


def test_known_members_are_all_left_and_thirty_others() -> None:
    known = [f"known{number}" for number in range(50)]
    payload = dict.fromkeys([*(f"other{number}" for number in range(50)), *known], True)
    left = outline(payload, frozenset(known))
    assert left is not None
    assert left.keys() == {*known, *(f"other{number}" for number in range(30))}
    assert set(left.values()) == {True}


@pytest.mark.parametrize("members", [frozenset[str](), frozenset({"x"})])
def test_what_nests_deeper_than_any_message_is_cut_off(members: frozenset[str]) -> None:
    def nested(levels: int, end: Any) -> dict[str, Any]:
        value = end
        for _ in range(levels):
            value = {"x": value}
        assert isinstance(value, dict)
        return value

    assert outline(nested(20, 7), members) == nested(20, 7)
    assert outline(nested(21, 7), members) == nested(20, {})
    assert outline(nested(20, [7]), members) == nested(20, [])
    assert outline(nested(19, [7]), members) == nested(19, [7])
    assert outline(nested(19, [[7]]), members) == nested(19, [[]])


def test_what_would_still_be_large_has_no_outline() -> None:
    def wide(*counts: int) -> dict[str, Any]:
        names = [
            [f"{level}{number}" for number in range(count)] for level, count in enumerate(counts)
        ]
        value: Any = 7
        for level in reversed(names):
            value = dict.fromkeys(level, value)
        assert isinstance(value, dict)
        return value

    # 1 + 27 + 27 * 36 = 1,000 values.
    members = frozenset(f"1{number}" for number in range(100))
    assert outline(wide(27, 36), members) == wide(27, 36)
    assert outline({**wide(27, 36), "more": 1}, members) is None
    assert outline(wide(30, 30, 30), frozenset()) is None


def meter_values(*values: Any) -> dict[str, Any]:
    return {"connectorId": 1, "meterValue": list(values)}


RIGHT: dict[str, Any] = {"timestamp": TIME, "sampledValue": [{"value": "1"}]}
WRONG: dict[str, Any] = {"timestamp": TIME, "sampledValue": [{"value": 7}]}
TOO_LONG = (
    "something in the payload breaks its schema, and it is too long to say what: say less in one "
    "message"
)


def refusal(payload: Any) -> CallRefusedError:
    with pytest.raises(CallRefusedError) as refused:
        schemas.load("v16", "MeterValues").validate(payload)
    return refused.value


def test_a_payload_is_refused_with_where_it_is_wrong() -> None:
    error = refusal(meter_values(*[RIGHT] * 9, WRONG))
    assert str(error) == 'meterValue/9/sampledValue/0/value: 7 is not of type "string"'
    assert error.code is ErrorCode.TYPE_CONSTRAINT_VIOLATION
    assert error.member == "meterValue.sampledValue.value"
    assert str(refusal([])) == 'payload: [] is not of type "object"'


def test_a_long_payload_is_refused_with_where_it_is_wrong_if_that_is_at_its_beginning() -> None:
    error = refusal(meter_values(RIGHT, WRONG, *[RIGHT] * 2_000))
    assert str(error) == 'meterValue/1/sampledValue/0/value: 7 is not of type "string"'


@pytest.mark.parametrize(
    "payload",
    [
        meter_values(*[RIGHT] * 2_000, WRONG),
        meter_values(
            dict.fromkeys(
                map(str, range(30)),
                dict.fromkeys(map(str, range(30)), dict.fromkeys(map(str, range(30)))),
            )
        ),
    ],
    ids=["deep in a list", "no outline"],
)
def test_what_is_too_long_to_be_explained_is_refused_in_words(payload: Any) -> None:
    error = refusal(payload)
    assert (str(error), error.code) == (TOO_LONG, ErrorCode.FORMAT_VIOLATION)


def test_how_much_is_explained_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = meter_values(*[RIGHT] * 9, WRONG)
    monkeypatch.setattr(schemas, "_MAX_EXPLAINED", weigh(payload, MANY))
    assert "meterValue/9" in str(refusal(payload))
    monkeypatch.setattr(schemas, "_MAX_EXPLAINED", weigh(payload, MANY) - 1)
    assert str(refusal(payload)) == TOO_LONG


def test_what_the_validator_gives_up_on_is_refused_with_why() -> None:
    nested: Any = []
    for _ in range(300):
        nested = [nested]
    error = refusal(meter_values(nested))
    assert error.code is ErrorCode.FORMAT_VIOLATION
    assert str(error).startswith("the payload cannot be validated: ")
    assert "recursion" in str(error).casefold()
