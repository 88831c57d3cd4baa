"""What a session is, as it follows from all that is known of it.

`settle` is a function of a set of facts: their order, and how often they were told, do not matter.
So it can be worked out anew at any time, and comes to the same. The one thing that goes by arrival
is what the rule says goes by arrival: of two different ends the first stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain

from shared.domain.quirks import QuirkKind
from shared.domain.sessions.arrival import by_our_clock, told_during
from shared.domain.sessions.closing import (
    ClosingRules,
    LastWords,
    RuleEnd,
    Surroundings,
    conclude_end,
)
from shared.domain.sessions.counters import judge
from shared.domain.sessions.energy import (
    EnergyEstimate,
    EnergyMethod,
    Reading,
    ReadingOf,
    Register,
    estimate_by_intervals,
    estimate_by_phases,
    estimate_by_power,
    sampled_registers,
)
from shared.domain.sessions.limits import LAST_DIGITS_WH, Limits
from shared.domain.sessions.registers import RegisterWalk, walk
from shared.domain.sessions.repeats import place
from shared.domain.sessions.review import Review, ReviewDecision, ReviewReason
from shared.domain.tokens import AuthorizationStatus

# So much of a session must be covered by an estimate before less energy counts as a disagreement.
_COVERAGE = 0.9


class EndSource(StrEnum):
    """Who says that a session ended; each one stands above those that follow it."""

    STATION = "station"
    """The station, of this transaction."""
    OPERATOR = "operator"
    """An operator: gave it an end from the dead letters, or corrected it."""
    MATCHED = "matched"
    """The station, of no transaction that it has; only this session can have been meant."""
    RULE = "rule"
    """Nobody: a rule closed it."""


_RANK = {source: rank for rank, source in enumerate(EndSource)}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """An end as it was told. `meter_stop_wh` is None if no register came with it."""

    source: EndSource
    ended_at: datetime
    meter_stop_wh: Decimal | None
    stopped_reason: str | None
    id_token: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """Everything that is known of a session.

    Args:
        evse_id: where it is; None if that was not told.
        started_at: by the station's clock; None if that was not told.
        meter_start_wh: register at the start.
        authorization_status: what we said of the token that started it.
        received_at: when the first word of it came.
        heard_at: when the latest message about it came, other than meter values.
        ends: in the order of their arrival.
        readings: of its EVSE's meter, in any order.
        surroundings: of the station.
        concluded: the end that a rule concluded before.
        review: an operator's latest decision.
        unread: why its readings were not read. Then nothing is concluded from their absence: no
            rule closes it, and a person has to look.
    """

    started_at: datetime | None
    meter_start_wh: Decimal | None
    authorization_status: AuthorizationStatus | None
    received_at: datetime
    heard_at: datetime
    ends: Sequence[End] = ()
    readings: Sequence[Reading] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    concluded: RuleEnd | None = None
    review: Review | None = None
    evse_id: int | None = None
    unread: ReviewReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a session is.

    `energy_wh` is None while it goes on, and where nothing believable tells it; it is never made to
    fit. `estimates` are what every method says, `quirks` what was told otherwise and understood all
    the same. `look_at` is when a rule may close it, if it goes on.
    """

    end: End | None
    rule_end: RuleEnd | None
    energy_wh: Decimal | None
    energy_method: EnergyMethod | None
    estimates: tuple[EnergyEstimate, ...]
    reasons: frozenset[ReviewReason]
    quirks: frozenset[QuirkKind]
    needs_review: bool
    heard_at: datetime
    look_at: datetime | None


def settle(
    facts: SessionFacts, *, now: datetime, limits: Limits, rules: ClosingRules
) -> Settlement:
    """Work out what a session is.

    Args:
        facts: all that is known of it.
        now: by our clock; only rules that close a session ask for it.
        limits: what is plausible.
        rules: when a session without an end is over.
    """
    readings = _readings_of(facts)
    words = _last_words(facts, readings)
    rule_end, look_at = None, None
    end = min(facts.ends, key=lambda end: _RANK[end.source], default=None)  # the first of equals
    if end is None:
        if facts.unread is None:
            rule_end, look_at = conclude_end(
                words, facts.surroundings, rules, now=now, earlier=facts.concluded
            )
        else:
            rule_end = facts.concluded
        end = _operators_end(facts, words) or _rules_end(rule_end)
        if end is not None and end.source is EndSource.OPERATOR:
            rule_end = None
    reasons = _reasons_of_words(facts, end, limits)
    estimates, found = _estimate(facts, readings, end, limits)
    reasons |= found.reasons
    best = _best(estimates, found, limits) if end is not None else None
    if end is not None:
        reasons |= _reasons_of_energy(best, estimates, facts, end, limits)
    reasons |= _reasons_of_review(facts.review, end, best)
    return Settlement(
        end=end,
        rule_end=rule_end,
        energy_wh=None if best is None else best.energy_wh,
        energy_method=None if best is None else best.method,
        estimates=tuple(estimates),
        reasons=frozenset(reasons),
        quirks=frozenset(found.quirks),
        needs_review=_needs_review(facts.review, reasons),
        heard_at=words.heard_at,
        look_at=look_at,
    )


def _readings_of(facts: SessionFacts) -> list[Reading]:
    """Return the readings that are the session's.

    Those that name a transaction which nobody knows are the next session's once that has begun.
    Those that name none are asked only if there are no others.
    """
    until = facts.surroundings.next_start_at
    before_next = [
        reading
        for reading in facts.readings
        if reading.of is ReadingOf.SESSION or until is None or reading.sampled_at < until
    ]
    return [reading for reading in before_next if reading.of is not ReadingOf.NONE] or before_next


def _last_words(facts: SessionFacts, readings: Sequence[Reading]) -> LastWords:
    said = [
        reading for reading in readings if reading.of is not ReadingOf.NONE
    ]  # that the meter is read says nothing of the session
    started_at = facts.started_at or min(
        (reading.sampled_at for reading in said), default=facts.received_at
    )
    return LastWords(
        heard_at=max(
            chain([facts.received_at, facts.heard_at], (reading.received_at for reading in said))
        ),
        said_at=max(chain([started_at], (reading.sampled_at for reading in said))),
    )


def _operators_end(facts: SessionFacts, words: LastWords) -> End | None:
    """Return the end that an operator gave to a session that has none."""
    review = facts.review
    if review is None or not review.corrects_end or review.ended_at is None:
        return None
    return End(
        source=EndSource.OPERATOR,
        ended_at=review.ended_at,
        meter_stop_wh=None,
        stopped_reason=None,
        id_token=None,
        received_at=review.reviewed_at or words.heard_at,
    )


def _rules_end(rule_end: RuleEnd | None) -> End | None:
    if rule_end is None:
        return None
    return End(
        source=EndSource.RULE,
        ended_at=rule_end.ended_at,
        meter_stop_wh=None,
        stopped_reason=None,
        id_token=None,
        received_at=rule_end.concluded_at,
    )


def _reasons_of_words(facts: SessionFacts, end: End | None, limits: Limits) -> set[ReviewReason]:
    reasons = set() if facts.unread is None else {facts.unread}
    if facts.authorization_status not in {None, AuthorizationStatus.ACCEPTED}:
        reasons.add(ReviewReason.TOKEN_REFUSED)
    if facts.evse_id is not None and facts.evse_id < 1:
        reasons.add(ReviewReason.EVSE_IMPLAUSIBLE)
    times = [(facts.started_at, facts.received_at)]
    if end is not None:
        if facts.started_at is None:
            reasons.add(ReviewReason.START_MISSING)
        elif end.ended_at < facts.started_at:
            reasons.add(ReviewReason.ENDED_BEFORE_STARTED)
        if end.source is EndSource.RULE:
            reasons.add(ReviewReason.END_MISSING)
        else:
            times.append((end.ended_at, end.received_at))
    for told, received_at in times:
        if told is not None and not (
            received_at - limits.max_age <= told <= received_at + limits.max_ahead
        ):
            reasons.add(ReviewReason.CLOCK_IMPLAUSIBLE)
    if len({(each.ended_at, each.meter_stop_wh) for each in facts.ends}) > 1:
        reasons.add(ReviewReason.ENDS_DIFFER)
    return reasons


def _estimate(
    facts: SessionFacts, readings: Sequence[Reading], end: End | None, limits: Limits
) -> tuple[list[EnergyEstimate], RegisterWalk]:
    """Return what each method says, the best one first, and what the registers look like."""
    started_at = facts.started_at
    ended_at = None if end is None else end.ended_at
    readings = [
        reading
        for reading in readings
        if (started_at is None or reading.sampled_at >= started_at)
        and (ended_at is None or reading.sampled_at <= ended_at)
    ]
    start, stop = None, None
    if facts.meter_start_wh is not None:
        start = Register(started_at or facts.received_at, facts.meter_start_wh)
    if end is not None and end.meter_stop_wh is not None:
        stop = Register(end.ended_at, end.meter_stop_wh)
    placed = place(readings, start, started_at or facts.received_at, limits)
    readings = placed.readings
    found = judge(start, sampled_registers(readings), stop, limits)
    if ReviewReason.REGISTER_DECREASED in found.reasons:
        told = told_during(readings, facts.received_at, None if end is None else end.received_at)
        in_order = walk(start, sampled_registers(told, by_arrival=True), stop, limits)
        if not in_order.reasons:  # the clock was set back, and not the meter
            found, readings = in_order, by_our_clock(told)
    if placed.repeated:
        found.quirks.add(QuirkKind.BEGIN_REPEATED)
    estimates = []
    if start is not None and stop is not None:
        estimates.append(_rise(EnergyMethod.REGISTERS, start, stop))
    is_first = found.start_holds and not found.is_apart
    first = start if start is not None and is_first else found.first
    if found.last is not None and first is not None and first is not found.last:
        estimates.append(_rise(EnergyMethod.SAMPLED_REGISTERS, first, found.last))
    others = (estimate_by_phases(readings), estimate_by_intervals(readings))
    estimates += filter(None, (*others, estimate_by_power(readings)))
    return estimates, found


def _rise(method: EnergyMethod, first: Register, last: Register) -> EnergyEstimate:
    return EnergyEstimate(method, last.energy_wh - first.energy_wh, first.at, last.at)


def _best(
    estimates: Sequence[EnergyEstimate], found: RegisterWalk, limits: Limits
) -> EnergyEstimate | None:
    """Return the first estimate that can be true.

    A register that was read twice while nothing flowed may be a little less the second time.
    """
    rest = [
        replace(estimate, energy_wh=max(estimate.energy_wh, Decimal(0)))
        for estimate in estimates
        if estimate.energy_wh >= -(limits.tolerance_wh + LAST_DIGITS_WH)
        and (
            estimate.method is not EnergyMethod.REGISTERS
            or (found.start_holds and found.stop_holds)
        )
    ]
    # A station without a register tells zeros where the message demands one.
    if any(estimate.energy_wh > 0 for estimate in rest) and _registers_are_blank(estimates):
        rest = [estimate for estimate in rest if estimate.method is not EnergyMethod.REGISTERS]
    return rest[0] if rest else None


def _registers_are_blank(estimates: Sequence[EnergyEstimate]) -> bool:
    methods = {estimate.method: estimate for estimate in estimates}
    told = methods.get(EnergyMethod.REGISTERS)
    return (
        told is not None and told.energy_wh == 0 and EnergyMethod.SAMPLED_REGISTERS not in methods
    )


def _reasons_of_energy(
    best: EnergyEstimate | None,
    estimates: Sequence[EnergyEstimate],
    facts: SessionFacts,
    end: End,
    limits: Limits,
) -> set[ReviewReason]:
    if best is None:
        return {ReviewReason.ENERGY_UNKNOWN}
    if best.method is EnergyMethod.POWER:
        return {ReviewReason.ENERGY_ESTIMATED}
    whole = end.ended_at - (facts.started_at or best.first_at)
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
            return {ReviewReason.ENERGY_DISAGREES}
    return set()


def _reasons_of_review(
    review: Review | None, end: End | None, best: EnergyEstimate | None
) -> set[ReviewReason]:
    """Tell whether what an operator decided upon is still what the session says."""
    if review is None or review.decision is ReviewDecision.VOID:
        return set()
    energy_wh = None if best is None else best.energy_wh
    ended_at = None if end is None else end.ended_at
    energy_changed = not review.corrects_energy and review.energy_wh != energy_wh
    end_changed = not review.corrects_end and review.ended_at != ended_at
    return {ReviewReason.CHANGED_AFTER_REVIEW} if energy_changed or end_changed else set()


def _needs_review(review: Review | None, reasons: set[ReviewReason]) -> bool:
    if review is None:
        return bool(reasons)
    return review.decision is not ReviewDecision.VOID and not reasons <= review.reasons
