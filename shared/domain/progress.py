"""What firmware updates and log uploads have in common: a station tells how far it is."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.domain.commands.command import CommandState

IDLE = "Idle"
_YES = frozenset({"Accepted", "AcceptedCanceled"})
_REFUSED = frozenset({CommandState.REJECTED, CommandState.FAILED})
_NEVER_SENT = frozenset({CommandState.EXPIRED, CommandState.CANCELLED})
_NO_ANSWER = frozenset({CommandState.TIMED_OUT, CommandState.UNKNOWN})


class TransferState(StrEnum):
    """How a firmware update or a log upload stands, for those who do not know OCPP's words."""

    REQUESTED = "requested"
    """Not answered yet."""
    REFUSED = "refused"
    """The station said no, or could not be asked in its version of OCPP."""
    NOT_SENT = "not_sent"
    UNANSWERED = "unanswered"
    """Sent, and nothing has been heard since."""
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It may try again, if it was told to."""


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """One step that a station told, in the words of OCPP 2.0.1, and when it reached us."""

    status: str
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class Words:
    """The statuses after which nothing more is to come."""

    succeeded: frozenset[str]
    failed: frozenset[str]


def transfer_state(
    words: Words,
    *,
    status: str | None,
    answer_status: str | None,
    command_state: CommandState | None,
) -> TransferState:
    """Work out how a transfer stands.

    Args:
        words: which statuses end it.
        status: the last one that the station told, if any.
        answer_status: its answer to the request.
        command_state: of the command that asked for it, if there is one.
    """
    if status is not None:
        if status in words.succeeded:
            return TransferState.SUCCEEDED
        return TransferState.FAILED if status in words.failed else TransferState.IN_PROGRESS
    if answer_status is not None:
        return TransferState.ACCEPTED if answer_status in _YES else TransferState.REFUSED
    if command_state in _REFUSED:
        return TransferState.REFUSED
    if command_state in _NEVER_SENT:
        return TransferState.NOT_SENT
    return TransferState.UNANSWERED if command_state in _NO_ANSWER else TransferState.REQUESTED


@dataclass(slots=True)
class Progress:
    """How far one transfer is, and the steps of it that are new.

    Stations repeat themselves when they are asked or believe themselves unheard; only a change is a
    step. Idle is what they say when asked in between: it is kept and changes nothing.
    """

    status: str | None = None
    status_at: datetime | None = None
    steps: list[ReportedStatus] = field(default_factory=list)

    def covers(self, status: str, words: Words) -> bool:
        """Tell whether a status that names no request can be of this transfer.

        One that has succeeded says so again or nothing: any other word is of a transfer that we did
        not ask for. One that failed may have begun again by itself.
        """
        return self.status not in words.succeeded or status in (self.status, IDLE)

    def tell(self, step: ReportedStatus) -> None:
        """Take in what the station told.

        A station tells one thing after another, so what is not newer has been told before: its
        batch is written again, because nobody knows whether it was.
        """
        if self.status_at is not None and step.reported_at <= self.status_at:
            return
        known = self.steps[-1].status if self.steps else self.status
        if step.status == known:
            return
        self.steps.append(step)
        if step.status != IDLE:
            self.status, self.status_at = step.status, step.reported_at
