"""What a session is, as it follows from all that is known of it.

`settle` is a function of a set of facts: their order, and how often they were told, do not matter.
So it can be worked out anew at any time, and comes to the same. The one thing that goes by arrival
is what the rule says goes by arrival: of two different ends the first stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain

from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions.arrival import by_our_clock, told_during
from shared.domain.sessions.bill import (
    Bill,
    correct,
    is_undecided,
    may_be_billed,
    reasons_of_bill,
    reasons_of_payer,
    reasons_of_review,
)
from shared.domain.sessions.choice import choose
from shared.domain.sessions.closing import (
    ClosingRules,
    LastWords,
    RuleEnd,
    Surroundings,
    conclude_end,
)
from shared.domain.sessions.counters import judge
from shared.domain.sessions.coverage import is_during, methods_disagree, reasons_of_coverage
from shared.domain.sessions.energy import (
    EnergyEstimate,
    EnergyMethod,
    Reading,
    ReadingOf,
    Register,
    estimate_by_intervals,
    estimate_by_phases,
    estimate_by_power,
    intervals_collide,
    sampled_registers,
)
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.registers import RegisterWalk, walk
from shared.domain.sessions.repeats import place
from shared.domain.sessions.review import Review, ReviewReason
from shared.domain.stations.quirks import QuirkKind


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
        id_token: whose it is: as it was told, or that of the remote start which it names.
        anonymous: nobody has said whose it is, nor that nobody has to be authorized there (OCPP
            2.0.1 C02, or a location that is free for all).
        free: nobody had to be authorized there, so that nobody pays by a token that it shows.
        started_at: by the station's clock; None if that was not told.
        meter_start_wh: register at the start, if it was told as such; see `facts.is_certain`.
        authorization_status: what we said of the token that started it.
        received_at: when the first word of it came.
        heard_at: when the latest message about it came, other than meter values.
        ends: in the order of their arrival.
        readings: of its EVSE's meter, in any order.
        surroundings: of the station.
        concluded: the end that a rule concluded before.
        review: an operator's latest decision.
        bill: what could be billed first; None if nothing could so far.
        events_missing: how many events up to its end are missing, by their numbers (OCPP 2.0.1).
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
    id_token: str | None = None
    anonymous: bool = False
    free: bool = False
    bill: Bill | None = None
    events_missing: int = 0
    unread: ReviewReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a session is.

    `energy_wh` is None while it goes on, and where nothing believable tells it; it is never made to
    fit. `estimates` are what every method says, `quirks` what was told otherwise and understood all
    the same. `look_at` is when a rule may close it, if it goes on. `meter_stop_wh` is the register
    at the end, or the last one before it. `found` is what a bill would be made of, `billable`
    whether it may.
    """

    end: End | None
    rule_end: RuleEnd | None
    energy_wh: Decimal | None
    energy_method: EnergyMethod | None
    meter_stop_wh: Decimal | None
    estimates: tuple[EnergyEstimate, ...]
    reasons: frozenset[ReviewReason]
    quirks: frozenset[QuirkKind]
    needs_review: bool
    found: Bill
    billable: bool
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
    best = choose(estimates, found, limits) if end is not None else None
    if end is not None:
        reasons |= _reasons_of_energy(best, estimates, facts, end, limits)
        if (
            best is not None
            and best.method is EnergyMethod.INTERVALS
            and intervals_collide(readings)
        ):
            reasons.add(ReviewReason.CLOCK_IMPLAUSIBLE)
        reasons |= reasons_of_payer(best, anonymous=facts.anonymous, limits=limits)
    bill = Bill(
        id_token=None if facts.free else facts.id_token,
        energy_wh=None if best is None else best.energy_wh,
        started_at=facts.started_at,
        ended_at=None if end is None else end.ended_at,
    )
    reasons |= reasons_of_review(facts.review, bill)
    bill = correct(bill, facts.review)
    reasons |= reasons_of_bill(facts.bill, bill, facts.review)
    needs_review = is_undecided(facts.review, reasons)
    return Settlement(
        end=end,
        rule_end=rule_end,
        energy_wh=None if best is None else best.energy_wh,
        energy_method=None if best is None else best.method,
        meter_stop_wh=_meter_stop_wh(end, best, found),
        estimates=tuple(estimates),
        reasons=frozenset(reasons),
        quirks=frozenset(found.quirks),
        needs_review=needs_review,
        found=bill,
        billable=may_be_billed(bill, facts.review) and not (needs_review or facts.anonymous),
        heard_at=words.heard_at,
        look_at=look_at,
    )


def _readings_of(facts: SessionFacts) -> list[Reading]:
    """Return the readings that are the session's.

    Those that name a transaction which nobody knows are the next session's once that has begun.
    Those that name none are asked only if no others tell an energy.
    """
    until = facts.surroundings.next_start_at
    before_next = [
        reading
        for reading in facts.readings
        if reading.of is ReadingOf.SESSION or until is None or reading.sampled_at < until
    ]
    named = [reading for reading in before_next if reading.of is not ReadingOf.NONE]
    return named if any(reading.samples for reading in named) else before_next


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
    readings = [reading for reading in readings if is_during(reading, started_at, ended_at)]
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
    last = stop if start is None and stop is not None and found.stop_holds else found.last
    # The start's own register among the samples tells no energy, unless a rule ends it there.
    by_rule = end is None or end.source is EndSource.RULE
    if last and first and first is not last and (by_rule or first.at < last.at):
        estimates.append(_rise(EnergyMethod.SAMPLED_REGISTERS, first, last))
    others = (estimate_by_phases(readings), estimate_by_intervals(readings))
    estimates += filter(None, (*others, estimate_by_power(readings)))
    return estimates, found


def _rise(method: EnergyMethod, first: Register, last: Register) -> EnergyEstimate:
    return EnergyEstimate(method, last.energy_wh - first.energy_wh, first.at, last.at)


def _reasons_of_energy(
    best: EnergyEstimate | None,
    estimates: Sequence[EnergyEstimate],
    facts: SessionFacts,
    end: End,
    limits: Limits,
) -> set[ReviewReason]:
    if best is None:
        return {ReviewReason.ENERGY_UNKNOWN}
    whole = end.ended_at - (facts.started_at or best.first_at)
    # The register that was told there is off, and has its own reason.
    sampled = best.method is EnergyMethod.SAMPLED_REGISTERS
    reasons = reasons_of_coverage(
        best,
        started_at=None if sampled and facts.meter_start_wh is not None else facts.started_at,
        ended_at=None if sampled and end.meter_stop_wh is not None else end.ended_at,
        whole=whole,
        events_missing=facts.events_missing,
        limits=limits,
    )
    if best.method is EnergyMethod.POWER:
        return reasons | {ReviewReason.ENERGY_ESTIMATED}
    if methods_disagree(best, estimates, whole, limits):
        reasons.add(ReviewReason.ENERGY_DISAGREES)
    return reasons


def _meter_stop_wh(
    end: End | None, best: EnergyEstimate | None, found: RegisterWalk
) -> Decimal | None:
    if end is not None and end.meter_stop_wh is not None:
        return end.meter_stop_wh
    sampled = best is not None and best.method is EnergyMethod.SAMPLED_REGISTERS
    return found.last.energy_wh if sampled and found.last is not None else None
