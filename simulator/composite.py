"""What charging profiles come to at a moment, and over time (1.6, 3.13.3; 2.0.1: K08).

Of each purpose leads the profile with the highest stack level that has something to say about the
moment. What leads for the transaction, or else by default, and what leads for the station hold
together: the lowest limit counts.
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from simulator.charging_profiles import ChargingProfile, Kind, Period, Purpose, RateUnit

_S = 1000
_STEP = Decimal("0.1")
#: Without a number, three phases are meant (1.6, 7.12).
_PHASES_MEANT = 3


class Supply(NamedTuple):
    """What converts amperes into watts and back.

    Attributes:
        voltage_v: Of a phase, nominal.
        phases: That the station has; 1 for direct current.
    """

    voltage_v: Decimal
    phases: int

    def used(self, period: Period) -> int:
        """Return how many phases a period lets be used; more than there are is as all."""
        return min(self.phases, period.phases or _PHASES_MEANT)

    def convert(
        self, limit: Decimal, leading: "Leading", into: RateUnit, *, phases: int
    ) -> Decimal:
        """Return a limit in another unit, one decimal, never more than it was.

        Args:
            limit: In the unit of the profile that leads.
            leading: That profile. Its watts are spread over the phases it lets be used.
            into: The other unit.
            phases: That are used; amperes are of each of these.
        """
        if leading.profile.unit is into:
            converted = limit
        elif into is RateUnit.AMPERE:
            converted = limit / (self.voltage_v * self.used(leading.period))
        else:
            converted = limit * self.voltage_v * phases
        return floor(converted)


class Leading(NamedTuple):
    """A profile that leads, with its period of the moment."""

    profile: ChargingProfile
    period: Period


def floor(limit: Decimal) -> Decimal:
    """Return a limit with one decimal (1.6, 7.14), rounded down."""
    return limit.quantize(_STEP, rounding=ROUND_FLOOR)


def leading_for_transaction(
    profiles: Iterable[ChargingProfile], connector_id: int, at_ms: int, charging_since_ms: int
) -> Leading | None:
    """Return what limits a charge at a connector, apart from the limit of the station.

    Args:
        profiles: All that are installed.
        connector_id: Where.
        at_ms: The moment.
        charging_since_ms: When the charge began.
    """
    profiles = tuple(profiles)
    here = [each for each in profiles if each.connector_id == connector_id]
    of_transaction = [each for each in here if each.purpose is Purpose.TX]
    if leading := _leading(of_transaction, at_ms, charging_since_ms):
        return leading
    default = [each for each in here if each.purpose is Purpose.TX_DEFAULT]
    # One of the whole station is replaced by one of this connector (1.6, 3.13.1).
    levels = {each.stack_level for each in default}
    default += [
        each
        for each in profiles
        if each.connector_id == 0
        and each.purpose is Purpose.TX_DEFAULT
        and each.stack_level not in levels
    ]
    return _leading(default, at_ms, charging_since_ms)


def leading_for_station(profiles: Iterable[ChargingProfile], at_ms: int) -> Leading | None:
    """Return what limits all connectors together."""
    return _leading(
        [each for each in profiles if each.purpose is Purpose.STATION_MAX], at_ms, at_ms
    )


def boundaries_ms(
    profiles: Iterable[ChargingProfile], from_ms: int, to_ms: int, charging_since_ms: int
) -> list[int]:
    """Return the moments between two others at which limits may change, in order, each once."""
    return sorted(
        {
            moment
            for profile in profiles
            for moment in _boundaries_ms(profile, from_ms, to_ms, charging_since_ms)
            if from_ms < moment < to_ms
        }
    )


def _leading(
    profiles: Iterable[ChargingProfile], at_ms: int, charging_since_ms: int
) -> Leading | None:
    found = [
        Leading(profile, period)
        for profile in profiles
        if (period := _period(profile, at_ms, charging_since_ms)) is not None
    ]
    return max(found, key=lambda each: each.profile.stack_level, default=None)


def _begin_ms(profile: ChargingProfile, charging_since_ms: int) -> int:
    if profile.start_ms is None or profile.kind is Kind.RELATIVE:
        return charging_since_ms  # 1.6, 7.13
    return profile.start_ms


def _period(profile: ChargingProfile, at_ms: int, charging_since_ms: int) -> Period | None:
    """Return what a profile says about a moment, None if nothing."""
    if profile.valid_from_ms is not None and at_ms < profile.valid_from_ms:
        return None
    if profile.valid_to_ms is not None and at_ms >= profile.valid_to_ms:
        return None
    elapsed_ms = at_ms - _begin_ms(profile, charging_since_ms)
    if elapsed_ms < 0:
        return None
    if profile.recurs_after_s is not None:
        elapsed_ms %= profile.recurs_after_s * _S
    length_s = profile.length_s
    if length_s is not None and elapsed_ms >= length_s * _S:
        return None
    return next(
        (each for each in reversed(profile.periods) if each.start_s * _S <= elapsed_ms), None
    )


def _boundaries_ms(
    profile: ChargingProfile, from_ms: int, to_ms: int, charging_since_ms: int
) -> Iterator[int]:
    for valid_ms in (profile.valid_from_ms, profile.valid_to_ms):
        if valid_ms is not None:
            yield valid_ms
    begin_ms = _begin_ms(profile, charging_since_ms)
    steps_s = [period.start_s for period in profile.periods]
    if profile.length_s is not None:
        steps_s.append(profile.length_s)
    if profile.recurs_after_s is None:
        yield from (begin_ms + step_s * _S for step_s in steps_s)
        return
    every_ms = profile.recurs_after_s * _S
    begin_ms += max(0, (from_ms - begin_ms) // every_ms) * every_ms
    while begin_ms < to_ms:
        yield from (
            begin_ms + step_s * _S for step_s in steps_s if step_s <= profile.recurs_after_s
        )
        begin_ms += every_ms
