"""How much of a session is covered by what its energy is worked out from, and by what checks it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.domain.sessions.energy import (
    EnergyEstimate,
    EnergyMethod,
    Reading,
    ReadingOf,
    energy_within,
)
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.review import ReviewReason

# So much of a session must be covered by an estimate before less energy counts as a disagreement.
_COVERAGE = 0.9
# How much faster than an estimate shows energy may have flowed where it shows nothing (ours).
_FASTER = 2
# A session may be uncovered at either end for no more than a third of it (ours).
_UNCOVERED_PART = 3
BESIDE = timedelta(seconds=10)
"""How far samples may be stamped beside the start or the end that they were told with (ours)."""
_REGISTERS = frozenset({EnergyMethod.SAMPLED_REGISTERS, EnergyMethod.PHASE_REGISTERS})


def is_during(reading: Reading, started_at: datetime | None, ended_at: datetime | None) -> bool:
    """Tell whether a reading was taken during a session; either time may not be known.

    An event's time may be in whole seconds, and its sample's is when the meter was read.
    """
    beside = BESIDE if reading.of is ReadingOf.SESSION else timedelta(0)
    return (started_at is None or reading.sampled_at - started_at >= -beside) and (
        ended_at is None or reading.sampled_at - ended_at <= beside
    )


def reasons_of_coverage(
    best: EnergyEstimate,
    *,
    started_at: datetime | None,
    ended_at: datetime | None,
    whole: timedelta,
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
        whole: how long the session was.
        events_missing: how many events up to the end are missing, by their numbers.
        limits: how long may be uncovered.
    """
    if best.method is EnergyMethod.REGISTERS:
        return set()
    reasons = set()
    # An interval tells what flowed since the one before, and the last one may not have been whole.
    most = min(limits.max_uncovered, max(whole / _UNCOVERED_PART, BESIDE)) + best.step
    nothing = timedelta(0)
    before = nothing if started_at is None else best.first_at - started_at
    behind = nothing if ended_at is None else ended_at - best.last_at
    if before > most:
        reasons.add(ReviewReason.START_UNCOVERED)
    if behind > most:
        reasons.add(ReviewReason.END_UNCOVERED)
    # Registers that were read with the start and the end are such, whatever they are called.
    is_whole = best.method in _REGISTERS and max(before, behind) <= BESIDE
    if events_missing and not is_whole:
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
        limits: by how much they may differ, beyond what each leaves open by itself.
    """
    for estimate in estimates:
        if estimate.method is EnergyMethod.POWER:
            part = limits.power_tolerance
        elif estimate.method in {EnergyMethod.PHASE_REGISTERS, EnergyMethod.INTERVALS}:
            part = limits.interval_tolerance
        else:
            continue  # the registers have been walked along
        tolerance_wh = best.energy_wh * part + 2 * limits.tolerance_wh + estimate.slack_wh
        too_much = estimate.energy_wh > best.energy_wh + tolerance_wh
        shown = estimate.last_at - estimate.first_at
        unseen = max(whole - shown - estimate.step, timedelta(0))
        unseen_wh = energy_within(estimate.fastest_w * _FASTER, unseen)
        too_little = (
            shown >= whole * _COVERAGE
            and estimate.energy_wh + unseen_wh < best.energy_wh - tolerance_wh
        )
        if too_much or too_little:
            return True
    return False
