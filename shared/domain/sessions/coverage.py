"""How much of a session is covered by what its energy is worked out from, and by what checks it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.domain.sessions.energy import EnergyEstimate, EnergyMethod
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.review import ReviewReason

# So much of a session must be covered by an estimate before less energy counts as a disagreement.
_COVERAGE = 0.9


def reasons_of_coverage(
    best: EnergyEstimate,
    *,
    started_at: datetime | None,
    ended_at: datetime | None,
    events_missing: int,
    limits: Limits,
) -> set[ReviewReason]:
    """Tell what samples alone leave open.

    With registers of the start and of the end it does not matter what is missing between them:
    stations may drop that when they run low on memory (OCPP 2.0.1 E04.FR.07, E11.FR.04, E12.FR.04).

    Args:
        best: what the energy is taken from.
        started_at: by the station's clock; None if that was not told, or does not matter.
        ended_at: the same.
        events_missing: how many events up to the end are missing, by their numbers.
        limits: how long may be uncovered.
    """
    if best.method is EnergyMethod.REGISTERS:
        return set()
    reasons = set()
    # An interval tells what flowed since the one before, and the last one may not have been whole.
    most = limits.max_uncovered + best.step
    if started_at is not None and best.first_at - started_at > most:
        reasons.add(ReviewReason.START_UNCOVERED)
    if ended_at is not None and ended_at - best.last_at > most:
        reasons.add(ReviewReason.END_UNCOVERED)
    if events_missing:
        reasons.add(ReviewReason.EVENTS_MISSING)
    return reasons


def methods_disagree(
    best: EnergyEstimate, estimates: Sequence[EnergyEstimate], whole: timedelta, limits: Limits
) -> bool:
    """Tell whether phases, intervals or power tell another energy than the one that is taken.

    Args:
        best: the one that is taken.
        estimates: all of them.
        whole: how long the session was.
        limits: by how much they may differ.
    """
    for estimate in estimates:
        if estimate.method is EnergyMethod.POWER:
            part = limits.power_tolerance
        elif estimate.method in {EnergyMethod.PHASE_REGISTERS, EnergyMethod.INTERVALS}:
            part = limits.interval_tolerance
        else:
            continue  # the registers have been walked along
        tolerance_wh = best.energy_wh * part + 2 * limits.tolerance_wh
        too_much = estimate.energy_wh > best.energy_wh + tolerance_wh
        covers = estimate.last_at - estimate.first_at >= whole * _COVERAGE
        too_little = covers and estimate.energy_wh < best.energy_wh - tolerance_wh
        if too_much or too_little:
            return True
    return False
