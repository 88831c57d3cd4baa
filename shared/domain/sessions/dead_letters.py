"""Dead letters: what stations said that could not be kept where it belongs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

# Of a frame, in which its Action stands behind a message id of at most 36 characters.
_HEAD_LENGTH = 200


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
    DELIVERED = "delivered"
    """It was written where it belongs after all, perhaps because an operator asked for that. What
    is stored is a dismissal with `delivered_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused:
    """The station told something of a transaction, and was answered with a CALLERROR.

    It may not say it again (OCPP 1.6 §3.7.1), so that its frame is kept: until somebody corrects
    it, or we have learned to read it.

    `frame` is text without secrets; `only_readings` says that it neither begins nor ends a charge.
    """

    station_id: str
    ocpp_version: str
    action: str
    error_code: str
    error_description: str
    frame: str
    only_readings: bool

    @property
    def said(self) -> str:
        """What it says: the frame without its message id, which is another one each time."""
        action_at = self.frame[:_HEAD_LENGTH].lower().find(f'"{self.action.lower()}"')
        return self.frame[max(action_at, 0) :]


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

    `fact` is for people: everything in it, as ASCII. `transaction_end` is there if it is the end of
    a transaction. `action`, `ocpp_version` and `frame_bytes` are those of a CALL that was refused.
    `to_be_delivered` says that it is about to be written where it belongs, by the worker or a
    gateway.
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
    action: str | None
    ocpp_version: str | None
    frame_bytes: int | None
    to_be_delivered: bool
    delivered_at: datetime | None
