"""Registers one after another: the very amounts at which a fall, a jump or a counter begins."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.sessions import Limits, ReviewReason
from shared.domain.sessions.choice import choose
from shared.domain.sessions.counters import judge
from shared.domain.sessions.energy import EnergyEstimate, EnergyMethod, Register
from shared.domain.sessions.registers import RegisterWalk, walk
from shared.domain.stations.quirks import QuirkKind

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
LIMITS = Limits(max_power_w=60_000)
JUMPED, DECREASED = ReviewReason.REGISTER_JUMPED, ReviewReason.REGISTER_DECREASED


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def register(at: float, wh: float, context: str = "", resolution_wh: int = 1) -> Register:
    return Register(minute(at), Decimal(wh), Decimal(resolution_wh), context)


# 60 kW for a minute are 1000 Wh; two readings differ by 50 Wh and a last digit of each.
@pytest.mark.parametrize(("wh", "reasons"), [(1152, set()), (1153, {JUMPED})])
def test_a_register_jumps_if_it_rises_more_than_can_flow(
    wh: int, reasons: set[ReviewReason]
) -> None:
    assert walk(register(0, 100), [register(1, wh)], None, LIMITS).reasons == reasons
    assert walk(register(0, 100), [], register(1, wh), LIMITS).reasons == reasons


@pytest.mark.parametrize(("wh", "reasons"), [(2152, set()), (2153, {JUMPED})])
def test_a_step_back_in_time_took_at_most_as_long_as_the_longest_step(
    wh: int, reasons: set[ReviewReason]
) -> None:
    told = [register(10, 100), register(12, 100), register(3, wh)]
    assert walk(None, told, None, LIMITS).reasons == reasons
    assert walk(None, told[:2], told[2], LIMITS).reasons == reasons


def test_where_no_time_passed_between_any_two_nobody_knows_what_could_flow() -> None:
    told = [register(10, 100), register(9, 900_000), register(8, 1_800_000)]
    assert walk(None, told, None, LIMITS).reasons == set()


@pytest.mark.parametrize("stop_wh", [900, 0])
def test_an_end_below_the_start_is_no_register_of_the_end(stop_wh: int) -> None:
    found = walk(register(0, 1000), [register(10, 1500)], register(20, stop_wh), LIMITS)
    assert found.reasons == {ReviewReason.METER_STOP_BELOW_START}
    assert found.stop_holds is False
    assert found.start_holds is True


def estimate(method: EnergyMethod, wh: int) -> EnergyEstimate:
    return EnergyEstimate(method, Decimal(wh), minute(0), minute(60))


REGISTERS, SAMPLED = EnergyMethod.REGISTERS, EnergyMethod.SAMPLED_REGISTERS
INTERVALS = EnergyMethod.INTERVALS


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ([(REGISTERS, 0), (INTERVALS, 500)], (INTERVALS, 500)),
        ([(REGISTERS, 0), (INTERVALS, 51)], (INTERVALS, 51)),
        ([(REGISTERS, 0), (INTERVALS, 50)], (REGISTERS, 0)),
        ([(REGISTERS, 0), (INTERVALS, 0)], (REGISTERS, 0)),
        ([(REGISTERS, 0)], (REGISTERS, 0)),
        ([(REGISTERS, 1), (INTERVALS, 500)], (REGISTERS, 1)),
        ([(REGISTERS, 0), (SAMPLED, 0), (INTERVALS, 500)], (REGISTERS, 0)),
        ([(REGISTERS, -52), (INTERVALS, 0)], (REGISTERS, 0)),
        ([(REGISTERS, -53), (INTERVALS, 7)], (INTERVALS, 7)),
        ([(SAMPLED, 4), (INTERVALS, 500)], (SAMPLED, 4)),
        ([], None),
    ],
)
def test_registers_of_a_station_without_any_are_zeros_that_nothing_else_confirms(
    told: list[tuple[EnergyMethod, int]], taken: tuple[EnergyMethod, int] | None
) -> None:
    found = RegisterWalk(is_blank=told[:1] == [(REGISTERS, 0)])
    best = choose([estimate(*each) for each in told], found, LIMITS)
    assert (None if best is None else (best.method, best.energy_wh)) == taken


@pytest.mark.parametrize("holds", [(True, False), (False, True)])
def test_registers_of_which_one_does_not_hold_are_not_taken(holds: tuple[bool, bool]) -> None:
    found = RegisterWalk(start_holds=holds[0], stop_holds=holds[1])
    told = [estimate(REGISTERS, 900), estimate(SAMPLED, 800)]
    assert choose(told, found, LIMITS) == told[1]
    assert choose(told[:1], found, LIMITS) is None


def confirms(start_wh: int, sampled: list[Register], stop_wh: int) -> bool:
    """Tell whether samples that fall are understood as those of another counter."""
    found = judge(register(0, start_wh), sampled, register(60, stop_wh), Limits())
    assert bool(found.quirks) is not bool(found.reasons & {DECREASED})
    return QuirkKind.OTHER_COUNTER in found.quirks


# From 0 to 4000 Wh within the 60 minutes, of which 40 are sampled, 100 Wh a minute.
RISING = [(10, 0), (20, 1000), (30, 2000), (40, 3000), (50, 4000)]


@pytest.mark.parametrize(("stop_wh", "expected"), [(106_048, True), (106_049, False)])
def test_what_no_sample_shows_flowed_at_most_twice_as_fast(stop_wh: int, *, expected: bool) -> None:
    # Each step rises by 998 Wh for certain, 99.8 Wh a minute: 10 minutes more are 1996 at most.
    sampled = [register(at, wh) for at, wh in RISING]
    assert confirms(100_000, sampled, stop_wh) is expected


def test_the_fastest_step_counts_and_not_only_the_whole() -> None:
    sampled = [register(at, wh) for at, wh in ((10, 0), (40, 0), (50, 4000))]
    assert confirms(100_000, sampled, 104_000 + 4000)


@pytest.mark.parametrize(("first_wh", "expected"), [(4152, False), (4153, True)])
def test_samples_of_the_lifetime_lie_above_an_end_that_counts_from_0(
    first_wh: int, *, expected: bool
) -> None:
    sampled = [register(at, first_wh + wh) for at, wh in RISING]
    found = judge(register(0, 0), sampled, register(60, 4100), Limits())
    assert (QuirkKind.OTHER_COUNTER in found.quirks) is expected


@pytest.mark.parametrize(("stop_wh", "expected"), [(3948, True), (3947, False), (3999, True)])
def test_samples_may_rise_more_than_what_was_told_by_as_much_as_readings_differ(
    stop_wh: int, *, expected: bool
) -> None:
    sampled = [register(at, 100_000 + wh) for at, wh in RISING]
    found = judge(register(0, 0), sampled, register(60, stop_wh), Limits())
    assert (QuirkKind.OTHER_COUNTER in found.quirks) is expected


def test_samples_from_0_on_top_of_the_start_may_not_jump_either() -> None:
    sampled = [register(10, 900_000), register(50, 900_400)]
    assert not confirms(5_000_000, sampled, 5_900_500)


def test_samples_from_0_may_pass_the_start_and_an_end_that_is_none_of_the_lifetime_is_theirs() -> (
    None
):
    sampled = [*(register(at, wh) for at, wh in RISING), register(60, 4000, "Transaction.End")]
    assert confirms(3000, sampled, 7000)


@pytest.mark.parametrize(("begin_wh", "expected"), [(3052, True), (3053, False), (5000, False)])
def test_a_begin_that_is_neither_the_start_nor_0_is_of_no_counter(
    begin_wh: int, *, expected: bool
) -> None:
    sampled = [register(2, begin_wh, "Transaction.Begin")]
    sampled += [register(at, wh) for at, wh in ((10, 2500), (30, 3500), (50, 4500))]
    assert confirms(3000, sampled, 7500) is expected


def test_samples_of_the_lifetime_stand_beside_clock_aligned_ones_from_0() -> None:
    sampled = []
    for at, wh in RISING:
        sampled += [register(at, wh, "Sample.Clock"), register(at, 3010 + wh)]
    assert confirms(3000, sampled, 7010)


@pytest.mark.parametrize("told", ["Transaction.Begin", "Transaction.End"])
def test_a_begin_and_an_end_of_the_lifetime_may_stand_beside_samples_from_0(told: str) -> None:
    ends = {
        "Transaction.Begin": register(0, 3000, told),
        "Transaction.End": register(60, 7000, told),
    }
    sampled = sorted(
        [*(register(at, wh) for at, wh in RISING), ends[told]], key=lambda each: each.at
    )
    assert confirms(3000, sampled, 7000)
