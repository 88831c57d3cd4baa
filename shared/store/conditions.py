"""Conditions of a list: only what is asked for stands there.

One statement for everything (`$1 IS NULL OR station_id = $1`) has one plan for everything, and that
reads the whole table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from shared.store.pool import Database

# An id is as old as its row, but made a moment behind the beginning of its transaction, and by a
# clock that may have been put right meanwhile.
_IDS_STRAY_MS = 3_600_000
_UUID_TIME_BITS = 48


@dataclass(frozen=True, slots=True)
class Position:
    """Where a row stands in a list: its id, and the time that the list is in the order of.

    `at` is None in a list that is in the order of ids, which grow with the time they were made.
    """

    key: str
    at: datetime | None = None


class Conditions:
    """Conditions joined by AND, and the parameters of the whole statement.

    Args:
        parameters: those that stand before: $1, $2, …
    """

    def __init__(self, *parameters: object) -> None:
        self._parameters: list[object] = list(parameters)
        self._conditions: list[str] = []

    @property
    def parameters(self) -> Sequence[object]:
        """All of them, in order."""
        return self._parameters

    def parameter(self, value: object) -> str:
        """Return the name of one more parameter: $3."""
        self._parameters.append(value)
        return f"${len(self._parameters)}"

    def add(self, condition: str) -> None:
        """Add a condition that has its parameters already."""
        self._conditions.append(condition)

    def compare(self, words: str, value: object) -> None:
        """Add what stands before a parameter, as in `station_id =`, unless the value is None."""
        if value is not None:
            self.add(f"{words} {self.parameter(value)}")

    def page(
        self, key: str, *, time: str | None, behind: Position | None, goes_down: bool = True
    ) -> str:
        """Have the list begin behind a row, and return its order.

        Args:
            key: the column with the id.
            time: the column or expression that the list is in the order of; None for the id alone.
            behind: of a list in the same order; None begins at its start.
            goes_down: whether what is latest comes first.
        """
        columns = [column for column in (time, key) if column is not None]
        values = None
        if behind is not None:
            values = [value for value in (behind.at, behind.key) if value is not None]
        return self.in_order(*columns, behind=values, goes_down=goes_down)

    def in_order(
        self, *columns: str, behind: Sequence[object] | None, goes_down: bool = False
    ) -> str:
        """Have the list begin behind a row, and return its order.

        Args:
            columns: what the list is in the order of, and an index has in this order.
            behind: their values in the row; None begins at the start.
            goes_down: whether the last comes first.
        """
        if behind is not None:
            names = ", ".join(map(self.parameter, behind))
            self.add(f"({', '.join(columns)}) {'<' if goes_down else '>'} ({names})")
        direction = "DESC" if goes_down else "ASC"
        return ", ".join(f"{column} {direction}" for column in columns)

    def made(self, time: str, *, key: str, since: datetime | None, until: datetime | None) -> None:
        """Add that rows were made in a period, and what finds them in an index of their ids.

        Args:
            time: the column with the time at which they were made, which is never changed.
            key: the column with their ids, which count up with time (`uuidv7`).
            since: only those of then or later.
            until: only those before.
        """
        self.compare(f"{time} >=", since)
        self.compare(f"{time} <", until)
        if since is not None:
            self.compare(f"{key} >=", _first_id(since, -_IDS_STRAY_MS))
        if until is not None:
            self.compare(f"{key} <", _first_id(until, _IDS_STRAY_MS))

    def __str__(self) -> str:
        """Return what stands behind WHERE."""
        return " AND ".join(self._conditions) or "true"


def _first_id(time: datetime, later_ms: int) -> str:
    """Return an id that is lower than all that are made so much later than a time."""
    milliseconds = round((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    bounded = min(max(milliseconds + later_ms, 0), (1 << _UUID_TIME_BITS) - 1)
    return str(UUID(int=bounded << (128 - _UUID_TIME_BITS)))


async def count(
    db: Database, source: str, conditions: Conditions, *, timeout_s: float | None = None
) -> int:
    """Return how many rows a list has, looking at no more than the first parameter says.

    Args:
        db: the pool.
        source: what stands behind FROM.
        conditions: of the list, whose first parameter is the number to stop at.
        timeout_s: how long that may take; None for what any statement may.

    Raises:
        TimeoutError: it took longer.
    """
    ((found,),) = await db.fetch(
        f"SELECT count(*) FROM (SELECT FROM {source} WHERE {conditions} LIMIT $1) AS counted",  # noqa: S608 - conditions are made of columns
        *conditions.parameters,
        timeout=timeout_s,
    )
    return int(found)
