"""Cursors."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import InvalidFieldError
from control.paging import (
    POSITIONS_BY_ID,
    POSITIONS_BY_TIME,
    TEXTS,
    UUIDS,
    Keys,
    Order,
    Paging,
    cut_page,
    decode_cursor,
    decode_key,
    decode_uuid,
    encode_cursor,
    numbers,
)
from shared.store.conditions import Position

# What a key may be: one line of text, as ids and tokens are.
keys = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=48)


@given(keys)
def test_a_cursor_leads_back_to_its_key(key: str) -> None:
    assert decode_key("stations", encode_cursor("stations", key)) == key


@given(st.text(max_size=100))
def test_any_other_text_is_refused_and_breaks_nothing(cursor: str) -> None:
    for decode in (decode_key, decode_uuid):
        with pytest.raises(InvalidFieldError):
            decode("a list that gave no cursor", cursor)


def test_a_cursor_of_another_list_or_with_another_key_is_refused() -> None:
    with pytest.raises(InvalidFieldError):
        decode_key("stations", encode_cursor("sessions", "x"))
    with pytest.raises(InvalidFieldError):
        decode_cursor("stations", encode_cursor("stations", "x"), parts=2)
    with pytest.raises(InvalidFieldError):
        decode_uuid("sessions", encode_cursor("sessions", "not-a-uuid"))


def test_the_cursor_of_a_page_stands_on_its_last_row() -> None:
    assert cut_page("abc", limit=2, cursor_of=str.upper) == ("ab", "B")
    assert cut_page("ab", limit=2, cursor_of=str.upper) == ("ab", None)
    assert cut_page("", limit=2, cursor_of=str.upper) == ("", None)


AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
A_UUID = "01980000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        (TEXTS, "CS-0001"),
        (UUIDS, A_UUID),
        (POSITIONS_BY_ID, Position(A_UUID)),
        (POSITIONS_BY_TIME, Position(A_UUID, AT)),
        (numbers(2, bits=32), [7, -(2**31) + 1]),
    ],
)
def test_each_kind_of_key_leads_through_a_cursor_and_back(keys: Keys[Any], key: object) -> None:
    order: Order[Any] = Order("things", keys, goes_down=False)
    cursor = encode_cursor("things", *keys.write(key))
    assert asyncio.run(begin(order, cursor)) == key


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        (UUIDS, ["7"]),
        (UUIDS, [""]),
        (POSITIONS_BY_TIME, ["2026-11-30T12:00:00", "01980000-0000-7000-8000-000000000000"]),
        (POSITIONS_BY_TIME, ["never", "01980000-0000-7000-8000-000000000000"]),
        (numbers(1, bits=32), [str(2**31)]),
        (numbers(1, bits=64), ["9" * 5000]),
        (numbers(1, bits=64), ["x"]),
        (numbers(2, bits=32), ["1"]),
    ],
)
def test_a_key_of_another_kind_is_no_cursor(keys: Keys[Any], parts: list[str]) -> None:
    order: Order[Any] = Order("things", keys, goes_down=False)
    with pytest.raises(InvalidFieldError, match="no cursor of this list"):
        asyncio.run(begin(order, encode_cursor("things", *parts)))


async def begin(order: Order[Any], cursor: str) -> object:
    """Return behind what a page begins."""
    found: list[object] = []

    async def read(behind: object, _: int) -> list[object]:
        found.append(behind)
        return []

    async def count(_: int) -> int:
        return 0

    await Paging(cursor=cursor).page(order, read=read, key_of=id, shown=id, count=count)
    return found[0]


def test_a_cursor_is_of_one_order_and_of_no_other() -> None:
    usual = Order.of("things", "-made_at", usual="-made_at", keys=TEXTS)
    other = Order.of("things", "made_at", usual="-made_at", keys=TEXTS)
    assert (usual.name, usual.goes_down) == ("things", True)
    assert not other.goes_down
    cursor = encode_cursor(other.name, "x")
    assert asyncio.run(begin(other, cursor)) == "x"
    with pytest.raises(InvalidFieldError):
        asyncio.run(begin(usual, cursor))


@pytest.mark.parametrize("rows", [[], ["only"]])
@pytest.mark.parametrize("cursor", [None, encode_cursor("things", "x")])
async def test_whose_a_list_is_is_asked_if_it_is_empty_from_its_start(
    rows: list[str], cursor: str | None
) -> None:
    asked = []

    async def owner() -> None:
        asked.append(True)

    async def read(_: str | None, __: int) -> list[str]:
        return rows

    async def count(_: int) -> int:
        return len(rows)

    order = Order.of("things", "name", usual="name", keys=TEXTS)
    await Paging(cursor=cursor).page(
        order, read=read, key_of=str, shown=str, count=count, owner=owner
    )
    assert bool(asked) == (not rows and cursor is None)
