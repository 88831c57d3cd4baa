"""Keyset paging: a cursor says behind which key the next page begins.

Rows that come or go meanwhile neither repeat nor hide the others, and page 1000 costs as much as
page 1, which an offset promises neither of.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from control.errors import InvalidFieldError
from shared.store.conditions import Position

Item = TypeVar("Item")
Row = TypeVar("Row")
Key = TypeVar("Key")

Limit = Annotated[int, Query(ge=1, le=1000, description="how many items a page has at most")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=512,
        pattern="^[A-Za-z0-9_-]*$",
        description="`next_cursor` of the page before; left out, the list begins at its start",
    ),
]
DEFAULT_LIMIT = 100
SORT = Query(description="by what; `-`: the other way round, the last or the latest first")

TOTAL_MAX = 10_000
"""Counting stops here, so that it costs as much as ten of the longest pages at most."""

WantsTotal = Annotated[
    bool,
    Query(
        alias="total",
        description=f"whether to count the whole list as well; exact up to {TOTAL_MAX}",
    ),
]


class Total(BaseModel):
    """How many items the whole list has."""

    count: int = Field(ge=0, le=TOTAL_MAX)
    at_least: bool = Field(description="whether there are more, which were not counted")

    @classmethod
    async def of(cls, counting: Callable[[int], Awaitable[int]], *, wanted: bool) -> "Total | None":
        """Return the total if it is wanted.

        Args:
            counting: counts, and stops at the number that it is given.
            wanted: what the caller said.
        """
        if not wanted:
            return None
        found = await counting(TOTAL_MAX + 1)
        return cls(count=min(found, TOTAL_MAX), at_least=found > TOTAL_MAX)


def parse_sort(sort: str) -> tuple[str, bool]:
    """Return the member that a list is sorted by, and whether it goes down."""
    return sort.removeprefix("-"), sort.startswith("-")


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next_cursor: str | None = Field(
        description="send it as `cursor` for the next page; null at the end of the list"
    )
    total: Total | None = Field(
        default=None, description="of the whole list, if it was asked for with `total=true`"
    )

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the name of a page of something: StationPage."""
        return f"{params[0].__name__}Page"


def encode_cursor(resource: str, *key: str) -> str:
    """Return the cursor behind `key`; what it is made of is nobody's business but ours."""
    return base64.urlsafe_b64encode("\n".join((resource, *key)).encode()).decode().rstrip("=")


def decode_cursor(resource: str, cursor: str | None, *, parts: int) -> list[str] | None:
    """Return the key of a cursor, or None if there is no cursor.

    Args:
        resource: the list it must belong to.
        cursor: what the caller sent.
        parts: of how many parts the key of this list is made.

    Raises:
        InvalidFieldError: it is no cursor of this list.
    """
    if cursor is None:
        return None
    padding = "=" * (-len(cursor) % 4)
    try:
        found, *key = (
            base64.b64decode(cursor + padding, altchars=b"-_", validate=True).decode().split("\n")
        )
    except (binascii.Error, ValueError):
        found, key = "", []
    if found != resource or len(key) != parts or "\0" in cursor or any("\0" in k for k in key):
        raise bad_cursor()
    return key


def decode_key(resource: str, cursor: str | None) -> str | None:
    """Return the key of a cursor of a list that is ordered by one text, or None without a cursor.

    Raises:
        InvalidFieldError: it is no cursor of this list.
    """
    key = decode_cursor(resource, cursor, parts=1)
    return None if key is None else key[0]


def decode_uuid(resource: str, cursor: str | None) -> str | None:
    """Return the key of a cursor of a list that is ordered by a UUID, or None without a cursor.

    Raises:
        InvalidFieldError: it is no cursor of this list.
    """
    key = decode_key(resource, cursor)
    try:
        return None if key is None else str(UUID(key))
    except ValueError:
        raise bad_cursor() from None


def encode_position(resource: str, position: Position, *, order: str | None = None) -> str:
    """Return the cursor behind a row of a list that is in the order of UUIDs, or of a time.

    Args:
        resource: the list.
        position: where the row stands.
        order: by which time, None for UUIDs: a cursor is of no use in another order.
    """
    if position.at is None:
        return encode_cursor(resource, position.key)
    return encode_cursor(f"{resource} by {order}", position.at.isoformat(), position.key)


def decode_position(
    resource: str, cursor: str | None, *, order: str | None = None
) -> Position | None:
    """Return what `encode_position` was given, or None without a cursor.

    Raises:
        InvalidFieldError: it is no cursor of this list in this order.
    """
    if order is None:
        found = decode_uuid(resource, cursor)
        return None if found is None else Position(found)
    key = decode_cursor(f"{resource} by {order}", cursor, parts=2)
    if key is None:
        return None
    try:
        position = Position(str(UUID(key[1])), datetime.fromisoformat(key[0]))
    except ValueError:
        raise bad_cursor() from None
    if position.at is None or position.at.tzinfo is None:
        raise bad_cursor()
    return position


def bad_cursor() -> InvalidFieldError:
    """Return the error for a cursor that this list never gave."""
    return InvalidFieldError(
        "query",
        "cursor",
        "this is no cursor of this list: use `next_cursor` as it came, or leave it out",
    )


def cut_page(
    rows: Sequence[Row],
    *,
    limit: int,
    cursor_of: Callable[[Row], str],
) -> tuple[Sequence[Row], str | None]:
    """Split what was read into the page and the cursor of the next one.

    Args:
        rows: one more than `limit` were asked for, which is how we know that there is more.
        limit: how many the page may have.
        cursor_of: makes the cursor behind a row.
    """
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, cursor_of(page[-1])


@dataclass(frozen=True, slots=True)
class Keys(Generic[Key]):
    """How what a list is in the order of is written into its cursors.

    Args:
        parts: how many texts it is.
        write: makes these of a key.
        read: makes the key of these, or raises ValueError.
    """

    parts: int
    write: Callable[[Key], Sequence[str]]
    read: Callable[[Sequence[str]], Key]


def _read_uuid(parts: Sequence[str]) -> str:
    return str(UUID(parts[0]))


def read_time(text: str) -> datetime:
    """Return a time as it stands in a cursor.

    Raises:
        ValueError: it is none, or says nothing of its zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time


def read_number(text: str, *, bits: int) -> int:
    """Return a whole number as it stands in a cursor.

    Raises:
        ValueError: it is none, or more than so many bits hold.
    """
    number = int(text)
    if abs(number) >= 1 << (bits - 1):
        raise ValueError(text)
    return number


def _read_position(parts: Sequence[str]) -> Position:
    return Position(str(UUID(parts[1])), read_time(parts[0]))


def numbers(count: int, *, bits: int) -> Keys[Sequence[int]]:
    """Return the keys of a list that is in the order of whole numbers.

    Args:
        count: how many each key is of.
        bits: of each, as Postgres has them.
    """
    return Keys(
        count,
        lambda key: [str(number) for number in key],
        lambda parts: [read_number(part, bits=bits) for part in parts],
    )


TEXTS: Keys[str] = Keys(1, lambda key: (key,), lambda parts: parts[0])
UUIDS: Keys[str] = Keys(1, lambda key: (key,), _read_uuid)
POSITIONS_BY_ID: Keys[Position] = Keys(
    1, lambda position: (position.key,), lambda parts: Position(_read_uuid(parts))
)
POSITIONS_BY_TIME: Keys[Position] = Keys(
    2, lambda position: (_at(position).isoformat(), position.key), _read_position
)


def _at(position: Position) -> datetime:
    assert position.at is not None  # noqa: S101 - a list by time has positions with a time
    return position.at


@dataclass(frozen=True, slots=True)
class Order(Generic[Key]):
    """In which order a list is asked for; a cursor is of no use in another.

    Args:
        name: of the list in this order.
        keys: what it is in the order of.
        goes_down: whether the last comes first.
        by_time: whether it is in the order of a time, and not of ids.
    """

    name: str
    keys: Keys[Key]
    goes_down: bool
    by_time: bool = False

    @classmethod
    def of(cls, resource: str, sort: str, *, usual: str, keys: Keys[Key]) -> "Order[Key]":
        """Return the order of a list that has one, which goes both ways.

        Args:
            resource: the list.
            sort: what the caller said, or the usual.
            usual: the order of who says nothing.
            keys: what it is in the order of.
        """
        _, goes_down = parse_sort(sort)
        return cls(resource if sort == usual else f"{resource} by {sort}", keys, goes_down)


def order_of_receipt(resource: str, sort: str | None, *, bounded: bool) -> Order[Position]:
    """Return the order of a list of what was received: as it came to be, the newest first.

    By the time itself it is if that was said, or if it is asked for by this time.

    Args:
        resource: the list.
        sort: the time, perhaps with `-` before it; None if nothing was said.
        bounded: whether it is asked for by the time.
    """
    if sort is None and not bounded:
        return Order(resource, POSITIONS_BY_ID, goes_down=True)
    _, goes_down = ("", True) if sort is None else parse_sort(sort)
    way = "down" if goes_down else "up"
    return Order(f"{resource} by time {way}", POSITIONS_BY_TIME, goes_down, by_time=True)


class Paging:
    """Which page of a list is asked for, and whether the whole list is to be counted."""

    def __init__(
        self, *, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, total: WantsTotal = False
    ) -> None:
        self._limit = limit
        self._cursor = cursor
        self._wants_total = total

    async def page(
        self,
        order: Order[Key],
        *,
        read: Callable[[Key | None, int], Awaitable[Sequence[Row]]],
        key_of: Callable[[Row], Key],
        shown: Callable[[Row], Item],
        count: Callable[[int], Awaitable[int]],
        owner: Callable[[], Awaitable[object]] | None = None,
    ) -> Page[Item]:
        """Return the page.

        Args:
            order: in which the list is.
            read: returns so many rows behind a key; None is the start of the list.
            key_of: returns where a row stands.
            shown: returns a row as the API shows it.
            count: counts the whole list, and stops at the number that it is given.
            owner: reads what the list is of, or raises; asked only if the list is empty.

        Raises:
            InvalidFieldError: it is no cursor of this list in this order.
        """
        behind = self._behind(order)
        found = await read(behind, self._limit + 1)
        if not found and behind is None and owner is not None:
            await owner()
        rows, next_cursor = cut_page(
            found,
            limit=self._limit,
            cursor_of=lambda row: encode_cursor(order.name, *order.keys.write(key_of(row))),
        )
        total = await Total.of(count, wanted=self._wants_total)
        return Page(items=[shown(row) for row in rows], next_cursor=next_cursor, total=total)

    def _behind(self, order: Order[Key]) -> Key | None:
        parts = decode_cursor(order.name, self._cursor, parts=order.keys.parts)
        try:
            return None if parts is None else order.keys.read(parts)
        except (ValueError, OverflowError):
            raise bad_cursor() from None


PagingDep = Annotated[Paging, Depends()]
