"""Samples of another counter than the registers at the start and the end.

Makes that have a lifetime register tell it at the start and the end of a transaction, and count
their samples from 0 in each one, or the other way round. OCPP 1.6 only recommends one register for
all (errata 3.9). Two counters of one energy have to rise alike: then the samples confirm what was
charged, and are no register that fell.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import chain, pairwise

from shared.domain.sessions.energy import Register
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.meter_values import ReadingContext
from shared.domain.sessions.registers import RegisterWalk, walk
from shared.domain.sessions.review import ReviewReason
from shared.domain.stations.quirks import QuirkKind

# How much faster than in any sampled part a meter may have risen in the parts without samples
# (ours): cars start slowly and end slowly.
_FASTER = 2
_NO_TIME = timedelta(0)


def judge(
    start: Register | None, sampled: Sequence[Register], stop: Register | None, limits: Limits
) -> RegisterWalk:
    """Walk along registers, and see whether samples that fall are those of another counter.

    Args:
        start: as told with the start.
        sampled: among the meter values, in order, from the start to the end.
        stop: as told with the end.
        limits: what is possible.
    """
    found = walk(start, sampled, stop, limits)
    # Zeros before a real register are placeholders, and one counter is enough to explain them.
    if start is None or stop is None or ReviewReason.REGISTER_DECREASED not in found.reasons:
        return found
    other = _from_zero(start, sampled, stop, limits) or _from_elsewhere(
        start, sampled, stop, limits
    )
    if other is None:
        return found
    other.quirks.add(QuirkKind.OTHER_COUNTER)
    return other


def _from_zero(
    start: Register, sampled: Sequence[Register], stop: Register, limits: Limits
) -> RegisterWalk | None:
    """Return how samples that count from 0 look on top of the start; None if they do not fit."""
    by_context: defaultdict[str, list[Register]] = defaultdict(list)
    for register in sampled:
        by_context[register.context].append(register)
    raised: list[Register] = []
    for context, registers in by_context.items():
        is_other = _is_other(context, registers, start, stop, limits)
        by_wh = start.energy_wh if is_other else Decimal(0)
        raised += (replace(each, energy_wh=each.energy_wh + by_wh) for each in registers)
    raised.sort(key=lambda register: (register.at, register.energy_wh))
    found = walk(start, raised, stop, limits)
    last = raised[-1]
    rest_wh = stop.energy_wh - last.energy_wh
    explained = _is_explained([start, *raised], rest_wh, stop.at - last.at, limits)
    return found if explained and not found.reasons else None


def _is_other(
    context: str, registers: Sequence[Register], start: Register, stop: Register, limits: Limits
) -> bool:
    """Tell whether the registers of one context are of another counter than those told."""
    match context:
        case ReadingContext.TRANSACTION_BEGIN:
            return not _is_same(registers[0], start, limits)
        case ReadingContext.TRANSACTION_END:
            return not _is_same(registers[-1], stop, limits)
        case _:
            first = registers[0]
            return first.energy_wh < start.energy_wh - _slack_wh(first, start, limits)


def _from_elsewhere(
    start: Register, sampled: Sequence[Register], stop: Register, limits: Limits
) -> RegisterWalk | None:
    """Return how the samples look if start and end count from 0; None if they do not fit."""
    first, last = sampled[0], sampled[-1]
    is_above = first.energy_wh > stop.energy_wh + _slack_wh(first, stop, limits)
    if start.energy_wh != 0 or not is_above:
        return None
    found = walk(None, sampled, None, limits)
    rest_wh = stop.energy_wh - (last.energy_wh - first.energy_wh)
    left = (first.at - start.at) + (stop.at - last.at)
    if found.reasons or rest_wh < -_slack_wh(first, last, limits):
        return None
    found.is_apart = True
    return found if _is_explained(sampled, rest_wh, left, limits) else None


def _is_explained(
    registers: Sequence[Register], rest_wh: Decimal, left: timedelta, limits: Limits
) -> bool:
    """Tell whether the energy that no sample shows is what could flow without one being taken."""
    first, last = registers[0], registers[-1]
    fastest = max(
        (
            (after.energy_wh - before.energy_wh - before.resolution_wh - after.resolution_wh)
            / _seconds(after.at - before.at)
            for before, after in chain(
                pairwise(registers), ((first, register) for register in registers)
            )
            if after.at > before.at
        ),
        default=Decimal(0),
    )
    most_wh = max(fastest, Decimal(0)) * _FASTER * _seconds(max(left, _NO_TIME))
    return rest_wh <= most_wh + _slack_wh(first, last, limits)


def _seconds(time: timedelta) -> Decimal:
    return Decimal(str(time.total_seconds()))


def _is_same(one: Register, other: Register, limits: Limits) -> bool:
    return abs(one.energy_wh - other.energy_wh) <= _slack_wh(one, other, limits)


def _slack_wh(one: Register, other: Register, limits: Limits) -> Decimal:
    return one.resolution_wh + other.resolution_wh + limits.tolerance_wh
