"""Long lists in pieces: what is in which, and what is put together again."""

import copy
from typing import Any

import pytest

from gateway.portions import Portion, divide, find_heavy_list, join
from gateway.steps import finish

MEMBERS = frozenset({"values", "samples"})


def divided(items: list[Any], most: int) -> list[Portion] | None:
    return finish(divide(items, most, MEMBERS))


@pytest.mark.parametrize(
    ("container", "name"),
    [
        ({"a": 1, "b": [0] * 9}, None),
        ({"a": 1, "b": [0] * 10}, "b"),
        ({"a": {"x": 1}, "b": [[0] * 20]}, "b"),
        ({"a": [0] * 10, "b": [0] * 10}, None),  # two of them
        ({"a": dict.fromkeys("0123456789")}, None),  # no list
        ({"a": "x" * 10_000, "b": [0] * 10}, None),
        ({**dict.fromkeys(map(str, range(199))), "b": [0] * 10}, "b"),
        ({**dict.fromkeys(map(str, range(200))), "b": [0] * 10}, None),  # no message has as many
        ({}, None),
        ([[0] * 10], None),
        ("x" * 10_000, None),
    ],
)
def test_a_list_is_heavy_alone_or_not_at_all(container: Any, name: str | None) -> None:
    assert find_heavy_list(container, 10) == name


@pytest.mark.parametrize(
    ("items", "portions"),
    [
        ([], []),
        ([0] * 3, [[0] * 3]),
        ([0] * 10, [[0] * 10]),
        ([0] * 11, [[0] * 10, [0]]),
        ([[0] * 4] * 5, [[[0] * 4] * 2, [[0] * 4] * 2, [[0] * 4]]),
        ([[0] * 9, 0, [0] * 9], [[[0] * 9], [0], [[0] * 9]]),
        # One that is too heavy has a portion of its own, if it is less than twice too heavy.
        ([0, [0] * 19, 0], [[0], [[0] * 19], [0]]),
        ([[0] * 10], [[[0] * 10]]),
    ],
)
def test_a_portion_holds_as_many_items_as_fit(items: list[Any], portions: list[Any]) -> None:
    found = divided(items, 10)
    assert found is not None
    assert [portion.items for portion in found] == portions
    assert {(portion.part_of, portion.continued) for portion in found} <= {(None, False)}
    assert join(found) == items


def test_an_item_that_is_heavy_in_one_list_is_divided_in_that() -> None:
    heavy = {"id": 7, "values": list(range(25))}
    found = divided([1, heavy, 2], 10)
    assert found == [
        Portion([1]),
        Portion([{"id": 7, "values": list(range(10))}], "values", continued=False),
        Portion([{"id": 7, "values": list(range(10, 20))}], "values", continued=True),
        Portion([{"id": 7, "values": list(range(20, 25))}], "values", continued=True),
        Portion([2]),
    ]
    assert join(found) == [1, heavy, 2]
    assert heavy["values"] == list(range(25))


@pytest.mark.parametrize(
    "heavy",
    [
        [0] * 20,
        {"other": [0] * 30},  # a member that no schema knows
        {"values": [0] * 30, "samples": [0] * 30},
        {"values": [{"samples": [0] * 30}]},  # a list in a list is not divided once more
        {"values": "x" * 15_000},
    ],
)
def test_what_is_too_heavy_for_another_reason_is_not_divided(heavy: Any) -> None:
    assert divided([0, heavy, 0], 10) is None


def test_more_items_than_any_message_has_are_not_divided() -> None:
    assert divided([0] * 20_001, 100_000) is None
    assert divided([0] * 20_000, 100_000) == [Portion([0] * 20_000)]


def test_dividing_stops_after_each_portion() -> None:
    """Others may have a turn there."""
    steps = divide([*range(35)], 10, MEMBERS)
    assert [None for _ in steps] == [None] * 3
    steps = divide([{"values": [*range(35)]}], 10, MEMBERS)
    assert [None for _ in steps] == [None] * 3


def part(*values: int, continued: bool) -> Portion:
    return Portion([{"id": 7, "values": list(values)}], "values", continued=continued)


def gone(*, continued: bool) -> Portion:
    return Portion([], "values", continued=continued)


@pytest.mark.parametrize(
    ("portions", "joined"),
    [
        ([part(1, continued=False), part(2, continued=True)], [[1, 2]]),
        ([part(1, continued=False), part(continued=True), part(3, continued=True)], [[1, 3]]),
        ([part(1, continued=False), part(2, continued=False)], [[1], [2]]),
        # Of what was wrong outside its list nothing is left, whichever part showed it.
        ([gone(continued=False), part(2, continued=True), part(3, continued=True)], []),
        ([part(1, continued=False), gone(continued=True), part(3, continued=True)], []),
        ([part(1, continued=False), part(2, continued=True), gone(continued=True)], []),
        ([part(1, continued=False), gone(continued=True), gone(continued=True)], []),
        # And that is nothing to what stands before and after it.
        (
            [
                part(0, continued=False),
                part(1, continued=False),
                gone(continued=True),
                part(3, continued=False),
                part(4, continued=True),
            ],
            [[0], [3, 4]],
        ),
    ],
)
def test_parts_are_joined_and_an_item_of_which_one_is_gone_is_gone(
    portions: list[Portion], joined: list[list[int]]
) -> None:
    found = join(copy.deepcopy(portions))
    assert found == [{"id": 7, "values": values} for values in joined]
