"""Who is who: each process numbers its stations by itself, and no two meet.

A station is called PREFIX-PROCESS-NUMBER. Locust gives every worker an index that no other worker
of this master ever gets, so that a worker which comes late or again makes stations of its own.
"""

import heapq
import math
from collections.abc import Sequence

#: OCPP 2.0.1 part 4, 3.1.1.
STATION_ID_MAX_LENGTH = 48


class Shard:
    """The stations of one process: numbers from 0, lowest first, used again when given back."""

    def __init__(self, prefix: str, process: int) -> None:
        self._prefix = prefix
        self._process = process
        self._free: list[int] = []
        self._next = 0

    def take(self) -> int:
        """Return a number that nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        number = self._next
        self._next += 1
        return number

    def give_back(self, number: int) -> None:
        """Let somebody else have a number."""
        heapq.heappush(self._free, number)

    def station_id(self, number: int) -> str:
        """Return what the station of this number is called."""
        return station_id(self._prefix, self._process, number)


def station_id(prefix: str, process: int, number: int) -> str:
    """Return what a station is called."""
    return f"{prefix}-{process}-{number}"


def expected_station_ids(prefix: str, processes: Sequence[int], users: int) -> list[str]:
    """Return the stations that a run needs; locust spreads users over its workers evenly.

    Args:
        prefix: Of every id.
        processes: Indexes of the workers, [0] for a single process.
        users: Of all of them together.
    """
    numbers = range(share_of(users, len(processes)))
    return [station_id(prefix, process, number) for process in processes for number in numbers]


def share_of(users: int, processes: int) -> int:
    """Return how many users a process has at most."""
    return math.ceil(users / processes)
