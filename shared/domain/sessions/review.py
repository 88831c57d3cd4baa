"""Why a session must be looked at before it is billed, and what became of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite


class ReviewReason(StrEnum):
    """What is suspect about a session."""

    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a word, no secret
    """It went on although its id token was refused."""
    START_MISSING = "start_missing"
    """It ended, and its start was never told."""
    END_MISSING = "end_missing"
    """Its end was never told: a rule closed it."""
    ENDS_DIFFER = "ends_differ"
    """Its end was told more than once, with other times or registers; the first stands."""
    ENDED_BEFORE_STARTED = "ended_before_started"
    EVSE_IMPLAUSIBLE = "evse_implausible"
    """It is on an EVSE that cannot be: their numbers begin with 1 (OCPP 1.6 §6.45)."""
    CLOCK_IMPLAUSIBLE = "clock_implausible"
    """Its times are years old or in the future, or one came twice, so that an interval is missing:
    the station's clock was off.
    """
    METER_STOP_BELOW_START = "meter_stop_below_start"
    REGISTER_DECREASED = "register_decreased"
    """The meter's register fell: it was reset, or another meter took its place."""
    REGISTER_JUMPED = "register_jumped"
    """The register rose faster than any EVSE can deliver."""
    PLACEHOLDER_REGISTER = "placeholder_register"
    """A 0 stands where a register was not known yet."""
    ENERGY_DISAGREES = "energy_disagrees"
    """Phases, intervals or power tell another energy than the registers."""
    ENERGY_ESTIMATED = "energy_estimated"
    """There is no register and no interval: the energy was integrated from power."""
    ENERGY_UNKNOWN = "energy_unknown"
    """Nothing believable tells the energy."""
    START_UNCOVERED = "start_uncovered"
    """No register at the start was told, and the first meter value is from long after it."""
    END_UNCOVERED = "end_uncovered"
    """No register at the end was told, and the last meter value is from long before it."""
    EVENTS_MISSING = "events_missing"
    """Events are missing by their numbers, and no registers at start and end tell the energy."""
    NO_TOKEN = "no_token"  # noqa: S105 - a word, no secret
    """Energy was delivered, and nobody has said for whom."""
    METER_VALUES_TOO_MANY = "meter_values_too_many"
    """It has more meter values than are read; its energy is what its registers alone say."""
    METER_VALUES_UNREADABLE = "meter_values_unreadable"
    """Its meter values could not be read, again and again; the log says why."""
    NOT_WORKED_OUT = "not_worked_out"
    """It could not be worked out, again and again; the log says why."""
    CHANGED_AFTER_REVIEW = "changed_after_review"
    """What came later changes what an operator had decided upon."""
    CHANGED_AFTER_SETTLEMENT = "changed_after_settlement"
    """It could be billed, and what came later changes for what or for whom; nobody has decided."""


class ReviewDecision(StrEnum):
    """What an operator decided."""

    ACCEPT = "accept"
    """It is right as it is."""
    CORRECT = "correct"
    """It is right with another energy or end."""
    VOID = "void"
    """It is not to be billed at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What who decides about a session has seen of it.

    `energy_wh` is in Wh; `ended_at` is None while it goes on; `decision` is the latest one.
    """

    energy_wh: Decimal | None
    ended_at: datetime | None
    reasons: frozenset[ReviewReason]
    decision: ReviewDecision | None

    def differences(self, now: "Seen") -> Iterator[tuple[str, object, object]]:
        """Return the name of each thing that is not so any more, how it was, and how it is.

        While a session goes on its energy grows, and nobody decides upon that.
        """
        if self.ended_at != now.ended_at:
            yield "ended_at", self.ended_at, now.ended_at
        if now.ended_at is not None and _rounded(self.energy_wh) != _rounded(now.energy_wh):
            yield "energy_wh", self.energy_wh, now.energy_wh
        if self.reasons != now.reasons:
            yield "review_reasons", sorted(self.reasons), sorted(now.reasons)
        if self.decision != now.decision:
            yield "review_decision", self.decision, now.decision


def _rounded(energy_wh: Decimal | None) -> float | None:
    """Return an energy as a JSON number holds it; None for one that it cannot hold."""
    if energy_wh is None:
        return None
    number = float(energy_wh)
    return number if isfinite(number) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """An operator's decision; the latest one stands.

    `energy_wh` and `ended_at` are what was decided upon: with `correct` the operator's own where
    told, else what the session said at that time. `reasons` are those that had been seen.
    """

    decision: ReviewDecision
    reasons: frozenset[ReviewReason]
    energy_wh: Decimal | None
    ended_at: datetime | None
    corrects_energy: bool = False
    corrects_end: bool = False
    note: str | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
