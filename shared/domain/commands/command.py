"""What every command has, and its record from `queued` to its outcome."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from shared.domain.stations.ocpp_log import MALFORMED_ANSWER


class CommandState(StrEnum):
    """Where a command is in its life."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    """The station said yes. That is not yet the deed: a started charge is a fact of its own."""
    ANSWERED = "answered"
    """The station answered, and the answer is neither a yes nor a no."""
    REJECTED = "rejected"
    FAILED = "failed"
    """The station answered with a CALLERROR, or the command cannot be said in its version."""
    TIMED_OUT = "timed_out"
    """Sent, no answer; asking again is harmless."""
    UNKNOWN = "unknown"
    """Sent, and no answer or none that can be read; it may have been carried out, so it is never
    sent again by itself."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to the command."""
        return self not in (CommandState.QUEUED, CommandState.SENT)


class QueuedReason(StrEnum):
    """Why a command is still queued."""

    STATION_OFFLINE = "station_offline"
    """It is sent when its station is back, unless its deadline comes first."""
    BATCH_PACE = "batch_pace"
    """Others of its batch go before it."""
    ON_ITS_WAY = "on_its_way"
    """It goes to the pod that holds the station, or waits there for its turn."""


FILLED_IN_LATER = {"filled_in_later": True}
"""Metadata of a command's field that nobody asks for: it is filled in when the command is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command has.

    `repeatable` says that doing it twice harms nobody, so that a missing answer is a time-out and
    not an unknown.
    """

    repeatable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a command.

    `status` and `response` are the station's own words; `error_code` and `error_description` say
    what went wrong on the way or what its CALLERROR said.
    """

    state: CommandState
    status: str | None = None
    response: dict[str, Any] | None = None
    error_code: str | None = None
    error_description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command as it is kept, from `queued` to its outcome.

    `batch_id` is of which batch it is; `queued_reason` is None once it has left the queue.
    """

    command_id: str
    station_id: str
    type: str
    params: dict[str, Any]
    state: CommandState
    idempotency_key: str | None
    expires_at: datetime
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    pod_id: str | None
    status: str | None
    response: dict[str, Any] | None
    error_code: str | None
    error_description: str | None
    batch_id: str | None
    queued_reason: QueuedReason | None = None


def outcome_without_answer(command: Command, description: str) -> Outcome:
    """Return the outcome of a command that was sent and never answered."""
    state = CommandState.TIMED_OUT if command.repeatable else CommandState.UNKNOWN
    return Outcome(state=state, error_code="NoAnswer", error_description=description)


def outcome_of_malformed_answer(fault: str) -> Outcome:
    """Return the outcome of a command that was answered in a form which is none of OCPP.

    Whether it was carried out, nobody knows.
    """
    return Outcome(
        state=CommandState.UNKNOWN,
        error_code=MALFORMED_ANSWER,
        error_description=f"the station's answer cannot be read: {fault}",
    )
