"""What firmware updates and log uploads have in common: a station tells how far it is."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.domain.commands.command import CommandState

IDLE = "Idle"
ACCEPTED_CANCELED = "AcceptedCanceled"
YES = frozenset({"Accepted", ACCEPTED_CANCELED})
"""Answers to a request that are a yes; the second one ends what went on before."""
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
    AMBIGUOUS = "ambiguous"
    """The station told something without naming a request, and it can be of this one or of another:
    nobody knows how either stands."""


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """One step that a station told, in the words of OCPP 2.0.1, and when it reached us.

    `ambiguous` is whether it named no request and can be of others as well.
    """

    status: str
    reported_at: datetime
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What statuses mean: those after which nothing more is to come, and the order of all.

    `order` has the statuses that may come first at its beginning. Some may come in either order.
    """

    succeeded: frozenset[str]
    failed: frozenset[str]
    order: tuple[frozenset[str], ...]
    beginnings: frozenset[str]

    def rank(self, status: str) -> int:
        """Return how far a status is; one that nobody knows counts as the last."""
        for rank, statuses in enumerate(self.order):
            if status in statuses:
                return rank
        return len(self.order)


def transfer_state(
    words: Words,
    *,
    status: str | None,
    answer_status: str | None,
    command_state: CommandState | None,
    ambiguous: bool,
) -> TransferState:
    """Work out how a transfer stands.

    Args:
        words: which statuses end it.
        status: the last one that the station told, if any.
        answer_status: its answer to the request.
        command_state: of the command that asked for it, if there is one.
        ambiguous: whether that status can be of another transfer as well.
    """
    if status is not None:
        return TransferState.AMBIGUOUS if ambiguous else _state_of(status, words)
    if answer_status is not None:
        return TransferState.ACCEPTED if answer_status in YES else TransferState.REFUSED
    if command_state in _REFUSED:
        return TransferState.REFUSED
    if command_state in _NEVER_SENT:
        return TransferState.NOT_SENT
    return TransferState.UNANSWERED if command_state in _NO_ANSWER else TransferState.REQUESTED


def _state_of(status: str, words: Words) -> TransferState:
    if status in words.succeeded:
        return TransferState.SUCCEEDED
    return TransferState.FAILED if status in words.failed else TransferState.IN_PROGRESS


@dataclass(slots=True)
class Progress:
    """How far one transfer is, and the steps of it that are new.

    Stations repeat themselves when they are asked or believe themselves unheard; only a change is a
    step. Idle is what they say when asked in between: it is kept and changes nothing.
    """

    status: str | None = None
    status_at: datetime | None = None
    ambiguous: bool = False
    steps: list[ReportedStatus] = field(default_factory=list)

    def tell(self, step: ReportedStatus) -> None:
        """Take in what the station told.

        A station tells one thing after another, so what is not newer has been told before: its
        batch is written again, because nobody knows whether it was.
        """
        if self.status_at is not None and step.reported_at <= self.status_at:
            return
        known = self.steps[-1].status if self.steps else self.status
        if step.status == known and (step.ambiguous or not self.ambiguous):
            return
        self.steps.append(step)
        if step.status != IDLE:
            self.status, self.status_at = step.status, step.reported_at
            self.ambiguous = step.ambiguous
