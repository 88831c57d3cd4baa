"""What a file of exported rows is made of: columns, whose values every format has alike.

A value is brought into its form here, once, so that the formats differ in their spelling alone and
a sum over a column is the same in all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

DECIMAL_DIGITS = 38
"""Digits of a decimal in all: what the decimals of Arrow, Parquet and most readers of it hold."""
DECIMAL_PLACES = 9
"""Of these behind the point: a billionth of a watt hour."""
_SMALLEST = Decimal(1).scaleb(-DECIMAL_PLACES)
# Room for more digits than a decimal of Postgres has.
_EXACT = Context(prec=200_000, rounding=ROUND_HALF_UP)
_LOCAL = "_local"


class Kind(StrEnum):
    """What the values of a column are; each of them may be None as well."""

    TEXT = "text"
    INTEGER = "integer"
    """Of up to 64 bits."""
    REAL = "real"
    """A measured time and the like, which nobody adds up to the last digit."""
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TIME = "time"
    JSON = "json"
    """An object or a list: a text of JSON where the format has no such thing."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: as the API calls the member.
        kind: what its values are.
        of: returns the value of a row.
    """

    name: str
    kind: Kind
    of: Callable[[Any], Any]


Values: TypeAlias = Sequence[Any]
"""A column's values of some rows."""


def member(name: str, kind: Kind) -> Column:
    """Return the column of a member that rows have under the same name."""
    return Column(name, kind, attrgetter(name))


def members(**kinds: Kind) -> tuple[Column, ...]:
    """Return the columns of several members."""
    return tuple(member(name, kind) for name, kind in kinds.items())


def choose(columns: Iterable[Column], names: Sequence[str] | None) -> tuple[Column, ...]:
    """Return the columns of these names, in the order of the names; all of them for None.

    Raises:
        KeyError: there is none of a name.
    """
    if names is None:
        return tuple(columns)
    by_name = {column.name: column for column in columns}
    return tuple(by_name[name] for name in dict.fromkeys(names))


def with_local_times(columns: Iterable[Column], zone: ZoneInfo) -> tuple[Column, ...]:
    """Put beside each time the same one as clocks at a place show it, with its distance to UTC.

    It is a text: in a year's hour that comes twice, what a clock shows is no time without it.
    """
    found = []
    for column in columns:
        found.append(column)
        if column.kind is Kind.TIME:
            found.append(Column(f"{column.name}{_LOCAL}", Kind.TEXT, _local(column, zone)))
    return tuple(found)


def _local(column: Column, zone: ZoneInfo) -> Callable[[Any], str | None]:
    def of(row: Any) -> str | None:  # noqa: ANN401 - a row of any kind
        time: datetime | None = column.of(row)
        if time is None:
            return None
        try:
            return time.astimezone(zone).isoformat()
        except OverflowError:  # the first and the last day of the calendar, elsewhere
            return None

    return of


def take(columns: Sequence[Column], rows: Sequence[Any]) -> list[Values]:
    """Return the values of rows, column by column."""
    taken: list[Values] = []
    for column in columns:
        of = column.of
        if column.kind is Kind.DECIMAL:
            taken.append([bounded(of(row)) for row in rows])
        else:
            taken.append([of(row) for row in rows])
    return taken


def bounded(number: Decimal | None) -> Decimal | None:
    """Return a decimal as every format can hold it.

    More than nine places are rounded, half away from zero. What has more than 29 digits before the
    point no meter has measured: it is None.
    """
    if number is None or not number.is_finite():
        return None
    if number.adjusted() >= DECIMAL_DIGITS - DECIMAL_PLACES:
        return None
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMAL_PLACES:
        number = number.quantize(_SMALLEST, context=_EXACT)
        if number.adjusted() >= DECIMAL_DIGITS - DECIMAL_PLACES:
            return None
    return number


def written_time(time: datetime) -> str:
    """Return a time as the API writes it: RFC 3339, in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
