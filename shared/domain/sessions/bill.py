"""What a session is billed by, and whether that is still what it was when it first could be."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.domain.sessions.energy import EnergyEstimate
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.review import Review, ReviewDecision, ReviewReason

CHANGES = frozenset({ReviewReason.CHANGED_AFTER_REVIEW, ReviewReason.CHANGED_AFTER_SETTLEMENT})
"""Reasons that are about what came after the latest decision, so that none has seen them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a bill is made of: for whom, for what, and for which time.

    An operator's correction stands in it.
    """

    id_token: str | None
    energy_wh: Decimal | None
    started_at: datetime | None
    ended_at: datetime | None


def correct(bill: Bill, review: Review | None) -> Bill:
    """Return a bill with what an operator put in the place of what was found."""
    if review is None:
        return bill
    return Bill(
        id_token=bill.id_token,
        energy_wh=review.energy_wh if review.corrects_energy else bill.energy_wh,
        started_at=bill.started_at,
        ended_at=review.ended_at if review.corrects_end else bill.ended_at,
    )


def reasons_of_bill(first: Bill | None, found: Bill, review: Review | None) -> set[ReviewReason]:
    """Tell whether a session that could be billed has become another one.

    Somebody may have fetched it meanwhile, so that it is not changed in silence, whoever is right.
    An operator's decision makes the bill anew. It is about the energy and the end that it showed
    then, and is questioned by a reason of its own if these change; who pays has none.

    Args:
        first: what could be billed first, or was decided to be; None if nothing could so far.
        found: what it is now.
        review: an operator's latest decision.
    """
    if first is None or (review is not None and review.decision is ReviewDecision.VOID):
        return set()
    whose = (first.id_token, first.started_at) != (found.id_token, found.started_at)
    what = (first.energy_wh, first.ended_at) != (found.energy_wh, found.ended_at)
    changed = whose or (what and review is None)
    return {ReviewReason.CHANGED_AFTER_SETTLEMENT} if changed else set()


def reasons_of_review(review: Review | None, found: Bill) -> set[ReviewReason]:
    """Tell whether what an operator decided upon is still what the session says.

    Args:
        review: the latest decision.
        found: what the session says, without corrections.
    """
    if review is None or review.decision is ReviewDecision.VOID:
        return set()
    energy_changed = not review.corrects_energy and review.energy_wh != found.energy_wh
    end_changed = not review.corrects_end and review.ended_at != found.ended_at
    return {ReviewReason.CHANGED_AFTER_REVIEW} if energy_changed or end_changed else set()


def is_undecided(review: Review | None, reasons: set[ReviewReason]) -> bool:
    """Tell whether there are reasons that no operator has seen and decided upon."""
    if review is None:
        return bool(reasons)
    if review.decision is ReviewDecision.VOID:
        return False
    return not reasons <= review.reasons - CHANGES


def may_be_billed(bill: Bill, review: Review | None) -> bool:
    """Tell whether there is something to bill, if nothing is suspect about it."""
    void = review is not None and review.decision is ReviewDecision.VOID
    return not void and bill.energy_wh is not None and bill.ended_at is not None


def reasons_of_payer(
    best: EnergyEstimate | None, *, anonymous: bool, limits: Limits
) -> set[ReviewReason]:
    """Tell whether nobody has said whom energy was delivered to.

    Stations tell a transaction of each car that is plugged in, or parked, whether or not anybody is
    authorized then (OCPP 2.0.1 E01.FR.01, E01.FR.02): without energy a person has nothing to decide
    about.

    Args:
        best: what the energy is taken from; None if nothing tells it.
        anonymous: nobody has said whose it is.
        limits: so much energy is none.
    """
    delivered = best is not None and best.energy_wh > limits.tolerance_wh
    return {ReviewReason.NO_TOKEN} if anonymous and delivered else set()


def list_differences(before: Bill, after: Bill) -> dict[str, Any]:
    """Return what differs between two bills, ready to be kept as JSON: both values of each."""
    differences: dict[str, Any] = {}
    for field in fields(Bill):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            for name, value in ((f"{field.name}_before", old), (field.name, new)):
                told = value.isoformat() if isinstance(value, datetime) else value
                differences[name] = told
    return differences
