"""What one kind of meter values says of the energy, and from when to when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions.energy import (
    EnergyEstimate,
    EnergyMethod,
    Reading,
    Register,
    amount_of,
    energy_samples,
    estimate_by_intervals,
    estimate_by_phases,
    estimate_by_power,
    intervals_collide,
    resolution_of,
    sampled_registers,
)
from tests.support.session_scripts import sample

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
REGISTER = "Energy.Active.Import.Register"
INTERVAL = "Energy.Active.Import.Interval"
POWER = "Power.Active.Import"
ALIGNED = "Sample.Clock"


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def reading(at: float, *samples: Any, received: float | None = None) -> Reading:
    return Reading(minute(at), minute(at if received is None else received), list(samples))


def interval(value: Any, **words: Any) -> Any:
    return sample(str(value), measurand=INTERVAL, **words)


def power(value: Any, **words: Any) -> Any:
    return sample(str(value), measurand=POWER, **words)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"measurand": REGISTER}, 1500),
        ({"measurand": INTERVAL}, 1500),
        ({"measurand": POWER}, 1500),
        ({"measurand": REGISTER, "unit": "kWh"}, 1_500_000),
        ({"measurand": INTERVAL, "unit": "kWh"}, 1_500_000),
        ({"measurand": POWER, "unit": "kW"}, 1_500_000),
        ({"measurand": POWER, "multiplier": 3}, 1_500_000),
        ({"measurand": POWER, "unit": "kW", "multiplier": -3}, 1500),
        ({"measurand": REGISTER, "phase": "L1"}, 1500),
        ({"measurand": REGISTER, "multiplier": 24}, Decimal("1500E+24")),
        ({"measurand": REGISTER, "multiplier": -24}, Decimal("1500E-24")),
        ({"measurand": REGISTER, "multiplier": 25}, None),
        ({"measurand": REGISTER, "multiplier": -25}, None),
        ({"measurand": REGISTER, "unit": "W"}, None),
        ({"measurand": POWER, "unit": "Wh"}, None),
        ({"measurand": POWER, "location": "EV"}, None),
        ({"measurand": REGISTER, "location": "Inlet"}, None),
        ({"measurand": REGISTER, "format": "SignedData"}, None),
        ({"measurand": REGISTER, "format": "Raw"}, 1500),
    ],
    ids=str,
)
def test_energy_is_what_the_meter_at_the_outlet_tells_in_a_unit_of_energy_or_power(
    told: dict[str, Any], expected: Decimal | int | None
) -> None:
    told_sample = sample("1500", **told)
    assert amount_of(told_sample) == expected
    assert energy_samples([told_sample]) == ([] if expected is None else [told_sample])


def test_what_settles_a_session_is_kept_and_what_only_proves_it_is_not() -> None:
    voltage = sample("230", measurand="Voltage")
    signed = sample("1500", signed_meter_value={"signedMeterData": "x"})
    of_ev = sample("80", location="EV")
    assert energy_samples([voltage, of_ev, signed, power(7)]) == [sample("1500"), power(7)]


@pytest.mark.parametrize(
    ("value", "told", "expected"),
    [
        ("1500", {}, "1"),
        ("1500.25", {}, "0.01"),
        ("1.5", {"unit": "kWh"}, "100"),
        ("1", {"unit": "kWh"}, "1000"),
        ("1.5", {"multiplier": 3}, "100"),
        ("15E+2", {}, "1"),
        ("1500.5", {"location": "EV"}, "0.1"),
        ("NaN", {"unit": "kWh"}, "1000"),
    ],
)
def test_a_register_is_as_fine_as_its_last_digit(
    value: str, told: dict[str, Any], expected: str
) -> None:
    assert resolution_of(sample(value, **told)) == Decimal(expected)


def test_registers_stand_in_the_order_of_time_and_then_of_size() -> None:
    readings = [
        reading(20, sample("2.0", unit="kWh"), received=1),
        reading(10, sample("1500", context="Trigger"), sample("1400"), received=2),
        reading(30, sample("9", phase="L1"), sample("9", location="EV"), power(9)),
    ]
    by_time = [
        Register(minute(10), Decimal(1400), Decimal(1), "Sample.Periodic"),
        Register(minute(10), Decimal(1500), Decimal(1), "Trigger"),
        Register(minute(20), Decimal(2000), Decimal(100), "Sample.Periodic"),
    ]
    assert sampled_registers(readings) == by_time
    assert sampled_registers(readings, by_arrival=True) == [by_time[2], *by_time[:2]]


def test_registers_that_came_together_stand_in_the_order_of_time() -> None:
    readings = [
        reading(20, sample("1000"), received=5),
        reading(10, sample("2000"), received=5),
    ]
    in_order = sampled_registers(readings, by_arrival=True)
    assert [register.energy_wh for register in in_order] == [2000, 1000]


def phases(at: float, **amounts: int) -> Reading:
    named = {name.replace("_", "-"): amount for name, amount in amounts.items()}
    return reading(at, *(sample(str(wh), phase=phase) for phase, wh in named.items()))


def core(estimate: EnergyEstimate | None) -> EnergyEstimate | None:
    """Return an estimate without what it leaves open."""
    return estimate and replace(estimate, slack_wh=Decimal(0), fastest_w=Decimal(0))


def open_parts(estimate: EnergyEstimate | None) -> tuple[Decimal, Decimal]:
    assert estimate is not None
    return estimate.slack_wh, estimate.fastest_w


def test_an_estimate_says_by_how_much_it_may_be_off_and_the_most_power_that_it_shows() -> None:
    by_phases = estimate_by_phases(
        [phases(0, L1=0, L2=0), phases(10, L1=500, L2=400), phases(30, L1=600, L2=500)]
    )
    assert open_parts(by_phases) == (2, 5400)
    in_kwh = [reading(at, interval(wh, unit="kWh")) for at, wh in ((15, "1.5"), (30, "0.5"))]
    assert open_parts(estimate_by_intervals(in_kwh)) == (200, 6000)
    assert open_parts(estimate_by_intervals(in_kwh[:1])) == (100, 0)
    by_power = estimate_by_power([reading(0, power(6000)), reading(10, power(3000))])
    assert open_parts(by_power) == (250, 6000)


def test_phases_are_summed_up_where_all_of_them_are_told() -> None:
    told = [
        phases(0, L1=1),
        phases(10, L1=100, L2=200, L3=300),
        phases(20, L1=150, L2=250),
        phases(30, L1=400, L2_N=500, L3=600),
        phases(40, L2=9000, L3=9000),
    ]
    expected = EnergyEstimate(EnergyMethod.PHASE_REGISTERS, Decimal(900), minute(10), minute(30))
    assert core(estimate_by_phases(told)) == expected
    assert core(estimate_by_phases(told[::-1])) == expected


def test_a_difference_of_phases_needs_two_instants() -> None:
    assert estimate_by_phases([]) is None
    assert estimate_by_phases([phases(10, L1=100, L2=200)]) is None
    assert estimate_by_phases([phases(10, L1=100), phases(20, L1=150)]) is not None


@pytest.mark.parametrize("phase", ["N", "L1-L2", "L2-L3", "L3-L1"])
def test_what_flows_between_phases_or_in_the_neutral_is_none_of_the_sum(phase: str) -> None:
    told = [phases(10, L1=100), phases(20, L1=150)]
    more = [reading(at, sample("7", phase=phase)) for at in (10, 20)]
    assert estimate_by_phases([*told, *more]) == estimate_by_phases(told)
    assert estimate_by_phases(more) is None


def test_of_two_registers_of_one_phase_and_instant_the_larger_counts() -> None:
    first = phases(0, L1=0)
    for told in ([phases(10, L1=70), phases(10, L1=50)], [phases(10, L1=50), phases(10, L1=70)]):
        estimate = estimate_by_phases([first, *told])
        assert estimate is not None
        assert estimate.energy_wh == 70


def test_intervals_are_summed_up_and_the_step_is_the_usual_one() -> None:
    told = [reading(at, interval(wh)) for at, wh in ((10, 100), (25, 200), (40, 300), (41, 400))]
    expected = EnergyEstimate(
        EnergyMethod.INTERVALS, Decimal(1000), minute(10), minute(41), timedelta(minutes=15)
    )
    assert core(estimate_by_intervals(told)) == expected
    assert core(estimate_by_intervals(told[::-1])) == expected


def test_one_interval_has_no_step_and_none_tell_nothing() -> None:
    alone = estimate_by_intervals([reading(10, interval(100))])
    expected = EnergyEstimate(EnergyMethod.INTERVALS, Decimal(100), minute(10), minute(10))
    assert core(alone) == expected
    assert estimate_by_intervals([reading(10, sample("100"))]) is None


@pytest.mark.parametrize(
    ("samples", "expected_wh"),
    [
        ([interval(30, phase="L1"), interval(40, phase="L2-N"), interval(50, phase="L3")], 120),
        ([interval(30, phase="L1"), interval(100)], 100),
        ([interval(100), interval(30, phase="L1")], 100),
        ([interval(30, phase="L1"), interval(7, phase="N")], 30),
        ([interval(100), interval(90)], 100),
        ([interval(90), interval(100)], 100),
        ([interval(30, phase="L1"), interval(20, phase="L1")], 30),
        ([interval(100, context=ALIGNED), interval(90)], 90),
    ],
)  # fmt: skip
def test_of_one_instant_a_total_counts_once_and_else_the_sum_of_its_phases(
    samples: list[Any], expected_wh: int
) -> None:
    estimate = estimate_by_intervals([reading(10, *samples)])
    assert estimate is not None
    assert estimate.energy_wh == expected_wh


@pytest.mark.parametrize(
    ("told", "collide"),
    [
        ([(10, interval(100)), (10, interval(200))], True),
        ([(20, interval(1)), (10, interval(100)), (10, interval(200))], True),
        ([(10, interval(100)), (10, interval(100))], False),
        ([(10, interval(100)), (11, interval(200))], False),
        ([(10, interval(100)), (10, interval(200, context=ALIGNED))], False),
        ([(10, interval(100, phase="L1")), (10, interval(200, phase="L2"))], False),
        ([(10, interval(100, phase="L1")), (10, interval(200, phase="L1"))], True),
        ([(10, interval(100)), (10, interval(200, phase="L1"))], False),
        ([(10, sample("100")), (10, sample("200"))], False),
    ],
)
def test_a_time_that_was_shown_twice_tells_two_intervals_of_one_kind(
    told: list[tuple[float, Any]], *, collide: bool
) -> None:
    assert intervals_collide([reading(at, each) for at, each in told]) is collide


def test_two_intervals_of_one_reading_are_no_clock_that_was_set_back() -> None:
    assert not intervals_collide([reading(10, interval(100), interval(200))])


def test_power_over_time_changes_evenly_between_two_samples() -> None:
    told = [reading(0, power(6000)), reading(30, power("9", unit="kW")), reading(45, power(1000))]
    expected = EnergyEstimate(EnergyMethod.POWER, Decimal(5000), minute(0), minute(45))
    assert core(estimate_by_power(told)) == expected
    assert core(estimate_by_power(told[::-1])) == expected


def test_power_says_nothing_of_a_gap_of_more_than_half_an_hour() -> None:
    told = [reading(at, power(6000)) for at in (0, 31, 61)]
    expected = EnergyEstimate(EnergyMethod.POWER, Decimal(3000), minute(31), minute(61))
    assert core(estimate_by_power(told)) == expected
    assert estimate_by_power(told[:2]) is None
    assert estimate_by_power([]) is None


def test_an_estimate_has_three_decimals_and_a_senseless_one_stays_as_it_is() -> None:
    told = [reading(at, power(value)) for at, value in ((0, 1000), (1, 1000))]
    estimate = estimate_by_power(told)
    assert estimate is not None
    assert str(estimate.energy_wh) == "16.667"
    huge = estimate_by_power([reading(at, power("1E+26")) for at in (0, 30)])
    assert huge is not None
    assert huge.energy_wh == Decimal("5E+25")
