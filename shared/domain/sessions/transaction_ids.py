"""Transaction ids of stations that are not unique: under which one their transaction is kept.

A station of OCPP 2.0.1 makes its own ids and must never make one twice (E01.FR.08), but some count
from 1 again after a reboot; and a station that spoke OCPP 1.6 before may make one that was ours.
What is kept of such a transaction has an addition to its id, which no station may send: a blank and
a number sign are not among the characters of an identifierString (part 2 §3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_ADDITION = " #"
# A start that is told again with a new stamp is no second one; no station reboots and starts
# another charge within that (ours).
SAME_START = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KnownTransaction:
    """A transaction with an id that others may have; `started_at` is None until it is told."""

    transaction_id: str
    started_at: datetime | None


def told_transaction_id(transaction_id: str) -> str:
    """Return a transaction's id as its station knows it."""
    return transaction_id.partition(_ADDITION)[0]


def id_beside_ours(told: str) -> str:
    """Return the id to keep a transaction of OCPP 2.0.1 under whose id we gave to another one."""
    return f"{told}{_ADDITION}2.0.1"


def id_of_start(told: str, started_at: datetime) -> str:
    """Return the id to keep a transaction under whose id another one of its station has."""
    return f"{told}{_ADDITION}{started_at.isoformat()}"


def find_started(
    known: Sequence[KnownTransaction], started_at: datetime
) -> KnownTransaction | None:
    """Return the transaction that began then; one whose start was never told may have."""
    for each in known:
        if each.started_at is not None and abs(each.started_at - started_at) <= SAME_START:
            return each
    return next((each for each in known if each.started_at is None), None)


def find_meant(known: Sequence[KnownTransaction], occurred_at: datetime) -> KnownTransaction:
    """Return the transaction that something of this time belongs to: the latest that had begun."""
    begun = [each for each in known if each.started_at and each.started_at <= occurred_at]
    if begun:
        return max(begun, key=lambda each: each.started_at or occurred_at)
    return min(
        known, key=lambda each: (each.started_at is not None, each.started_at or occurred_at)
    )
