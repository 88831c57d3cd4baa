"""A session's register from its start to its end: does it rise as a meter's does?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from shared.domain.sessions.energy import Register
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.review import ReviewReason
from shared.domain.stations.quirks import QuirkKind


@dataclass(slots=True)
class RegisterWalk:
    """What walking along the registers found.

    `first` and `last` are the believable ones among those sampled. `start_holds` says that the
    register at the start is not a placeholder for one that was not known yet. `is_apart` says that
    the sampled ones are of another counter than start and stop, `is_blank` that both of these are
    zeros, `quirks` what else was understood.
    """

    reasons: set[ReviewReason] = field(default_factory=set)
    first: Register | None = None
    last: Register | None = None
    start_holds: bool = True
    stop_holds: bool = True
    is_apart: bool = False
    is_blank: bool = False
    quirks: set[QuirkKind] = field(default_factory=set)


def walk(
    start: Register | None, sampled: Sequence[Register], stop: Register | None, limits: Limits
) -> RegisterWalk:
    """Compare each register with the one before.

    Args:
        start: as told with the start.
        sampled: among the meter values, from the start to the end, in the order of time; or in that
            of arrival, in which a clock that was set back makes a step backwards. How long such a
            step took nobody knows: as long as the longest one forwards, it is assumed.
        stop: as told with the end.
        limits: what is possible.
    """
    found = RegisterWalk(is_blank=not any(told is None or told.energy_wh for told in (start, stop)))
    back = _longest_step(start, sampled, stop)
    believable = list(_without_placeholders(start, sampled, found.reasons))
    if believable:
        found.first, found.last = believable[0], believable[-1]
    before = start
    for register in believable:
        if before is not None and (reason := _compare(before, register, back, limits)):
            if reason is ReviewReason.REGISTER_JUMPED and before.energy_wh == 0:
                # The meter had not been read yet; its first real register is this one.
                found.start_holds, found.first = False, register
                reason = ReviewReason.PLACEHOLDER_REGISTER
            found.reasons.add(reason)
        before = register
    if stop is not None and before is not None:
        _compare_stop(start, before, stop, found, back, limits)
    return found


def _without_placeholders(
    start: Register | None, sampled: Iterable[Register], reasons: set[ReviewReason]
) -> Iterable[Register]:
    """Leave out zeros of a meter that had shown more before."""
    shown = start is not None and start.energy_wh > 0
    rest = list(sampled)
    largest = max((register.energy_wh for register in rest), default=Decimal(0))
    for register in rest:
        if register.energy_wh == 0 and shown and largest > 0:
            reasons.add(ReviewReason.PLACEHOLDER_REGISTER)
            continue
        shown = shown or register.energy_wh > 0
        yield register


def _longest_step(
    start: Register | None, sampled: Sequence[Register], stop: Register | None
) -> timedelta | None:
    """Return the longest time between two registers; None if there is no time between any two."""
    registers = [register for register in (start, *sampled, stop) if register is not None]
    steps = (after.at - before.at for before, after in pairwise(registers))
    return max((step for step in steps if step > timedelta(0)), default=None)


def _compare(
    before: Register, after: Register, back: timedelta | None, limits: Limits
) -> ReviewReason | None:
    digits_wh = before.resolution_wh + after.resolution_wh
    rise_wh = after.energy_wh - before.energy_wh
    if _fell(before, after, limits):
        return ReviewReason.REGISTER_DECREASED
    step = after.at - before.at
    if step < timedelta(0):
        if back is None:
            return None
        step = back
    if rise_wh > limits.most_wh(step) + digits_wh:
        return ReviewReason.REGISTER_JUMPED
    return None


def _fell(before: Register, after: Register, limits: Limits) -> bool:
    """Tell whether a register fell by more than two readings of one meter differ by."""
    digits_wh = before.resolution_wh + after.resolution_wh
    return after.energy_wh < before.energy_wh - digits_wh - limits.tolerance_wh


def _compare_stop(  # noqa: PLR0917 - what `walk` has at hand
    start: Register | None,
    before: Register,
    stop: Register,
    found: RegisterWalk,
    back: timedelta | None,
    limits: Limits,
) -> None:
    if start is not None and _fell(start, stop, limits):
        found.stop_holds = False
        found.reasons.add(ReviewReason.METER_STOP_BELOW_START)
        return
    reason = _compare(before, stop, back, limits)
    if reason is None:
        return
    if reason is ReviewReason.REGISTER_DECREASED and stop.energy_wh == 0:
        found.stop_holds, reason = False, ReviewReason.PLACEHOLDER_REGISTER
    elif reason is ReviewReason.REGISTER_JUMPED and before.energy_wh == 0:
        found.start_holds, reason = False, ReviewReason.PLACEHOLDER_REGISTER
    found.reasons.add(reason)
