"""Dead letters: what stations said that could not be kept where it belongs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class DeadLetterStatus(StrEnum):
    """What became of a dead letter."""

    OPEN = "open"
    """It waits for a person; or for the worker, if a lock was in the way, as its reason says."""
    MATCHED = "matched"
    """It is an end that can only be one session's, which has it until that is not certain."""
    ASSIGNED = "assigned"
    """An operator gave it to a session."""
    DISMISSED = "dismissed"
    """An operator decided that it means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayTransactionEnd:
    """The end of a transaction that the station does not have, as it was told."""

    transaction_id: str
    ended_at: datetime
    meter_stop_wh: Decimal
    stopped_reason: str
    id_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A fact that could not be kept where it belongs, and why.

    `fact` is for people: everything in it, as ASCII. `transaction_end` is there if it can be given
    to a session.
    """

    dead_letter_id: str
    station_id: str
    kind: str
    reason: str
    fact: str
    status: DeadLetterStatus
    transaction_end: StrayTransactionEnd | None
    session_id: str | None
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    received_at: datetime
