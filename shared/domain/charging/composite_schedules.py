"""Composite schedules: what all profiles of a station together leave to an EVSE.

The rules, from OCPP 1.6 §3.13 with its errata and OCPP 2.0.1 K §3:

- Of each purpose the profile leads that is valid, has a period for the moment, and has the highest
  stack level. One that has run out gives way to a lower level (errata 3.43).
- A TxProfile that leads stands in for the TxDefaultProfile.
- A TxDefaultProfile of one EVSE replaces that of the whole station at its stack level (§3.13.1).
- The lowest of what leads is the limit (§3.13.3).
- A station's maximum is shared by its EVSEs. How, only the station knows: for one EVSE it is an
  upper bound here.

Watts and amperes are compared at a stated voltage: amperes are per phase, watts of all phases
(1.6 §7.12). Limits are rounded down to one decimal, so that none exceeds what it came from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise

from shared.domain.charging.charging_profiles import (
    RATE_STEP,
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedulePeriod,
    InstalledProfile,
    RecurrencyKind,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What converts watts into amperes and back.

    `number_phases` is for schedules that name none; OCPP assumes 3 (1.6 §7.12, K01.FR.49).
    """

    voltage_v: Decimal = Decimal(230)
    number_phases: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPeriod:
    """A limit from `start` up to `end`, in the unit of its schedule.

    `limit` None means that nothing limits. `charging_profile_id` is whose limit it is.
    """

    start: datetime
    end: datetime
    limit: Decimal | None
    number_phases: int | None = None
    charging_profile_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitDifference:
    """Where two schedules do not say the same."""

    start: datetime
    end: datetime
    limit: Decimal | None
    other_limit: Decimal | None


@dataclass(frozen=True, slots=True)
class _Span:
    """A period of a profile's schedule, at the time when it applies."""

    start: datetime
    end: datetime
    period: ChargingSchedulePeriod
    profile: ChargingProfile


def composite_schedule(
    installed: Sequence[InstalledProfile],
    *,
    evse_id: int,
    start: datetime,
    duration_s: int,
    unit: ChargingRateUnit,
    supply: Supply,
    charging_since: datetime | None = None,
) -> list[LimitPeriod]:
    """Return the limits of an EVSE from `start` on, without gaps, for `duration_s`.

    Args:
        installed: the station's profiles; TxProfiles only of transactions that go on.
        evse_id: 0 asks for the station's own limits, without those of single transactions.
        start: from when on.
        duration_s: how long.
        unit: of the limits.
        supply: what to convert with.
        charging_since: when the EVSE's transaction began. Without one the limits are those of a
            transaction that begins at `start` (K08.FR.06).
    """
    end = start + timedelta(seconds=duration_s)
    profiles = _relevant(installed, evse_id)
    spans = [
        list(_spans(profile, start, end, charging_since or start))
        # The highest level first: the first span that is found leads.
        for profile in sorted(profiles, key=lambda profile: -profile.stack_level)
    ]
    moments = sorted({start, end}.union(*({s.start, s.end} for each in spans for s in each)))
    positions = [0] * len(spans)
    periods: list[LimitPeriod] = []
    for moment, until in pairwise(moments):
        leading: dict[ChargingProfilePurpose, _Span] = {}
        for index, of_profile in enumerate(spans):
            position = positions[index]
            while position < len(of_profile) and of_profile[position].end <= moment:
                position += 1
            positions[index] = position
            if position < len(of_profile) and of_profile[position].start <= moment:
                span = of_profile[position]
                leading.setdefault(span.profile.purpose, span)
        if ChargingProfilePurpose.TX_PROFILE in leading:
            leading.pop(ChargingProfilePurpose.TX_DEFAULT_PROFILE, None)
        _append(periods, _lowest(list(leading.values()), moment, until, unit, supply))
    return periods


def convert_periods(
    periods: Sequence[ChargingSchedulePeriod],
    *,
    start: datetime,
    duration_s: int,
    unit: ChargingRateUnit,
    into: ChargingRateUnit,
    supply: Supply,
) -> list[LimitPeriod]:
    """Return the periods of a schedule that a station told, as times and in another unit.

    There are none if it has none, or none that begins before it ends.

    Raises:
        OverflowError: it lies outside the calendar.
    """
    end = start + timedelta(seconds=duration_s)
    begun = [p for p in periods if p.start_period_s < duration_s]
    if not begun:
        return []
    ends = [start + timedelta(seconds=p.start_period_s) for p in begun[1:]] + [end]
    converted: list[LimitPeriod] = []
    for period, until in zip(begun, ends, strict=True):
        phases = period.number_phases or supply.number_phases
        limit = _convert(
            period.limit,
            unit,
            into,
            voltage_v=supply.voltage_v,
            own_phases=phases,
            fewest_phases=phases,
        )
        _append(
            converted,
            LimitPeriod(
                start=start + timedelta(seconds=period.start_period_s),
                end=until,
                limit=limit,
                number_phases=period.number_phases,
            ),
        )
    return converted


def differences(
    ours: Sequence[LimitPeriod], theirs: Sequence[LimitPeriod]
) -> list[LimitDifference]:
    """Return where the limits of two schedules differ, in the time that both cover."""
    found: list[LimitDifference] = []
    for our in ours:
        for their in theirs:
            start, end = max(our.start, their.start), min(our.end, their.end)
            if start >= end or our.limit == their.limit:
                continue
            last = found[-1] if found else None
            if last and (last.end, last.limit, last.other_limit) == (start, our.limit, their.limit):
                found[-1] = replace(last, end=end)
            else:
                found.append(
                    LimitDifference(start=start, end=end, limit=our.limit, other_limit=their.limit)
                )
    return found


def _relevant(installed: Sequence[InstalledProfile], evse_id: int) -> list[ChargingProfile]:
    """Return the profiles that have a say about an EVSE."""
    purposes = ChargingProfilePurpose
    own_levels = {
        each.profile.stack_level
        for each in installed
        if each.evse_id == evse_id and each.profile.purpose is purposes.TX_DEFAULT_PROFILE
    }
    relevant = []
    for each in installed:
        if each.evse_id not in {0, evse_id}:
            continue
        if each.profile.purpose is purposes.TX_DEFAULT_PROFILE:
            replaced = not each.evse_id and each.profile.stack_level in own_levels
            if not evse_id or replaced:
                continue
        relevant.append(each.profile)
    return relevant


def _spans(
    profile: ChargingProfile, start: datetime, end: datetime, charging_since: datetime
) -> Iterator[_Span]:
    """Give a profile's periods between two times, in order."""
    start = max(start, profile.valid_from or start)
    end = min(end, profile.valid_to or end)
    schedule = profile.charging_schedule
    for begin, length_s in _runs(profile, start, end, charging_since):
        run_end = end if length_s is None else begin + timedelta(seconds=length_s)
        begins = [begin + timedelta(seconds=p.start_period_s) for p in schedule.periods]
        for period, begins_at, ends_at in zip(
            schedule.periods, begins, [*begins[1:], run_end], strict=True
        ):
            span_start, span_end = max(begins_at, start), min(ends_at, run_end, end)
            if span_start < span_end:
                yield _Span(span_start, span_end, period, profile)


def _runs(
    profile: ChargingProfile, start: datetime, end: datetime, charging_since: datetime
) -> Iterator[tuple[datetime, int | None]]:
    """Give each beginning of a profile's schedule that reaches into a time, and its length."""
    schedule = profile.charging_schedule
    begin, length_s = schedule.start_schedule, schedule.duration_s
    if begin is None or profile.kind is ChargingProfileKind.RELATIVE:
        begin = charging_since  # 1.6 §7.13: without a start it is relative to that of the charge
    if profile.kind is not ChargingProfileKind.RECURRING:
        if begin < end:
            yield begin, length_s
        return
    # What is longer than the recurrence is not executed (errata 3.44).
    period_s = (profile.recurrency_kind or RecurrencyKind.DAILY).period_s
    length_s = period_s if length_s is None else min(length_s, period_s)
    period = timedelta(seconds=period_s)
    # A schedule that begins in the future limits nothing before (K01.FR.30).
    begin += max(0, (start - begin) // period) * period
    while begin < end:
        yield begin, length_s
        begin += period


def _lowest(
    leading: Sequence[_Span],
    start: datetime,
    end: datetime,
    unit: ChargingRateUnit,
    supply: Supply,
) -> LimitPeriod:
    """Combine what leads into one limit."""
    if not leading:
        return LimitPeriod(start=start, end=end, limit=None)
    named = [span.period.number_phases for span in leading if span.period.number_phases]
    # Fewer phases carry less power at the same current, so that the fewest count.
    fewest = min(named, default=supply.number_phases)
    limit, charging_profile_id = min(
        (
            _convert(
                span.period.limit,
                span.profile.charging_schedule.charging_rate_unit,
                unit,
                voltage_v=supply.voltage_v,
                own_phases=span.period.number_phases or supply.number_phases,
                fewest_phases=fewest,
            ),
            span.profile.charging_profile_id,
        )
        for span in leading
    )
    return LimitPeriod(
        start=start,
        end=end,
        limit=limit,
        number_phases=min(named, default=None),
        charging_profile_id=charging_profile_id,
    )


def _convert(
    limit: Decimal,
    unit: ChargingRateUnit,
    into: ChargingRateUnit,
    *,
    voltage_v: Decimal,
    own_phases: int,
    fewest_phases: int,
) -> Decimal:
    """Convert a limit, never into more than it is.

    Watts become the current of their own number of phases (1.6 §7.12); amperes become the power of
    the fewest phases that any profile allows.
    """
    if unit is into:
        converted = limit
    elif into is ChargingRateUnit.AMPERE:
        converted = limit / (voltage_v * own_phases)
    else:
        converted = limit * voltage_v * fewest_phases
    return converted.quantize(RATE_STEP, rounding=ROUND_FLOOR)


def _append(periods: list[LimitPeriod], new: LimitPeriod) -> None:
    """Append a period, or lengthen the last one if it says the same."""
    if periods and replace(periods[-1], end=new.end) == replace(new, start=periods[-1].start):
        periods[-1] = replace(periods[-1], end=new.end)
    else:
        periods.append(new)
