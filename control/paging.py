"""Keyset paging: a cursor says behind which key the next page begins.

Rows that come or go meanwhile neither repeat nor hide the others, and page 1000 costs as much as
page 1, which an offset promises neither of.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from control.errors import InvalidFieldError
from shared.store.conditions import Position

Item = TypeVar("Item")
Row = TypeVar("Row")

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


def parse_sort(sort: str | None) -> tuple[str, bool] | None:
    """Return the member that a list is sorted by, and whether it goes down; None if not said."""
    return None if sort is None else (sort.removeprefix("-"), sort.startswith("-"))


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
