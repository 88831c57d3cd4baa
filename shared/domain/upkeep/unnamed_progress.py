"""Of which request a station tells how far it is, when it names none.

The messages of OCPP 1.6 cannot name one (§4.4, §4.5). Those of the security whitepaper and of
2.0.1 need not, when a trigger asked for them and nothing is under way (N01.FR.13, L01.FR.21), and
some stations never do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.upkeep.progress import ACCEPTED_CANCELED, IDLE, Progress, Words

# One that has begun and is silent for so long has been given up, and one that has not begun within
# an hour does not begin any more: neither makes what is told afterwards doubtful. A large image
# over a slow link takes hours.
_MAX_SILENCE = timedelta(days=1)
_MAX_SILENCE_BEFORE_BEGINNING = timedelta(hours=1)
# For the station's clock, and for one that does not wait to the second.
_EARLY = timedelta(minutes=5)


@dataclass(slots=True, kw_only=True)
class Transfer:
    """A request that was sent and not refused: it may be under way.

    `answered` is whether the station said yes, or told of it by itself. `superseded` is whether it
    has since accepted another one in its place (L01.FR.26, N01.FR.12). `heard_at` is when we last
    knew of it, and `due_at` when it may begin, if that was said.
    """

    progress: Progress
    answered: bool
    superseded: bool
    heard_at: datetime
    due_at: datetime | None = None

    def is_open_to(self, status: str, words: Words) -> bool:
        """Tell whether this status can be of this transfer.

        One that has succeeded says so again or nothing: any other word is of another transfer.
        """
        progress = self.progress
        return (
            progress.status not in words.succeeded
            or progress.status == status
            or progress.ambiguous
        )

    def is_known_to_be_told(self, at: datetime) -> bool:
        """Tell whether what came then has been taken in: something later has."""
        return self.progress.status_at is not None and self.progress.status_at >= at

    def is_alive(self, at: datetime, words: Words) -> bool:
        """Tell whether it is not silent for so long that it has been given up."""
        heard_at, status = self.heard_at, self.progress.status
        has_begun = status is not None and status not in words.succeeded
        since = max(heard_at, self.due_at or heard_at, self.progress.status_at or heard_at)
        limit = _MAX_SILENCE if has_begun else _MAX_SILENCE_BEFORE_BEGINNING
        return at - since <= limit


def find_meant(
    transfers: Sequence[Transfer], status: str, at: datetime, words: Words
) -> Sequence[Transfer]:
    """Return the transfers that a status can be of.

    Args:
        transfers: of its kind, the newest first.
        status: in the words of OCPP 2.0.1.
        at: when it reached us.
        words: what statuses mean.

    Returns:
        One if it can be of no other, several if nobody can tell, none if it is of a transfer that
        we did not ask for.
    """
    if status == IDLE:  # of all of them, and it changes none: the newest keeps it
        return transfers[:1]
    meant = [transfer for transfer in transfers if transfer.is_open_to(status, words)]
    alive = [transfer for transfer in meant if transfer.is_alive(at, words)]
    if not alive:
        return meant[:1]
    for likely in _LIKELY:
        # What is unlikely of all is told of all: stations restart transfers, and leave words out.
        alive = [each for each in alive if likely(each, status, at, words)] or alive
    return alive


def _is_in_its_place(transfer: Transfer, status: str, _: datetime, __: Words) -> bool:
    return transfer.superseded == (status == ACCEPTED_CANCELED)


def _goes_on(transfer: Transfer, status: str, _: datetime, words: Words) -> bool:
    """Tell whether a transfer that has begun comes from its status to this one, or may begin."""
    known = transfer.progress.status
    if known is None:
        return True
    return known in words.failed or words.rank(known) <= words.rank(status)


def _is_unfinished(transfer: Transfer, status: str, _: datetime, words: Words) -> bool:
    """Tell whether more is to come; one that failed is taken up again by itself, or said again."""
    progress = transfer.progress
    if progress.status in words.failed:
        return progress.status == status
    return progress.status not in words.succeeded or progress.ambiguous


def _begins_or_has_begun(transfer: Transfer, status: str, _: datetime, words: Words) -> bool:
    return status in words.beginnings or transfer.progress.status is not None


def _was_answered(transfer: Transfer, _: str, __: datetime, ___: Words) -> bool:
    return transfer.answered


def _is_due(transfer: Transfer, status: str, at: datetime, words: Words) -> bool:
    return (
        transfer.due_at is None
        or transfer.progress.status is not None
        or transfer.due_at <= at + _EARLY
        or words.rank(status) == 0
    )


_LIKELY: tuple[Callable[[Transfer, str, datetime, Words], bool], ...] = (
    _is_in_its_place,
    _was_answered,
    _goes_on,
    _is_unfinished,
    _begins_or_has_begun,
    _is_due,
)
