"""Meters and vehicles behave as physics has it."""

import random
from itertools import pairwise
from typing import Any

import pytest

from simulator.charging import Reading
from simulator.electricity import Meter, Vehicle
from simulator.profile import StationProfile

START = 1_770_000_000.0


def _meter(**profile: Any) -> Meter:
    profile.setdefault("meter_start_wh", 0.0)
    profile = StationProfile(station_id="SIM-1", **profile)
    return Meter(profile, random.Random(1), START)  # noqa: S311  # noise, no secret


def _charge(
    meter: Meter, seconds: int, *, soc: float = 20.0, battery_wh: float = 60_000.0, step: int = 5
) -> list[Reading]:
    meter.close_contactor(Vehicle(battery_wh, soc), START)
    return [meter.read(START + at) for at in range(0, seconds + 1, step)]


def test_power_ramps_up_stays_and_never_exceeds_what_is_offered() -> None:
    powers = [reading.power_w for reading in _charge(_meter(power_w=22_000), 600)]
    assert powers[0] == 0
    assert powers[1] < 22_000 * 0.8
    assert all(0.95 * 22_000 < power <= 22_000 for power in powers[3:])
    assert len(set(powers[3:])) > 10  # Noise: no real meter shows a constant.


def test_power_tapers_as_the_battery_fills_and_ends_at_nothing() -> None:
    readings = _charge(_meter(power_w=150_000), 2400, soc=70, battery_wh=50_000, step=30)
    by_soc = {round(reading.soc_percent): reading.power_w for reading in readings[1:]}
    assert by_soc[100] == 0
    at_85 = min(by_soc.items(), key=lambda pair: abs(pair[0] - 85))[1]
    at_95 = min(by_soc.items(), key=lambda pair: abs(pair[0] - 95))[1]
    assert 150_000 > at_85 > at_95 > 0


def test_the_register_is_the_integral_of_the_power() -> None:
    readings = _charge(_meter(power_w=11_000), 3600)
    middles = [(first.power_w + second.power_w) / 2 for first, second in pairwise(readings)]
    assert readings[-1].energy_wh == pytest.approx(sum(middles) * 5 / 3600, rel=0.005)


def test_the_ramp_delivers_half_of_what_it_would_at_full_power() -> None:
    # 8 s of ramp and 8 s at full power: 12 s worth of 1 MW.
    reading = _charge(_meter(power_w=1_000_000), 16, battery_wh=1e9, step=16)[-1]
    assert reading.energy_wh == pytest.approx(1_000_000 * 12 / 3600, rel=0.02)


def test_energy_reaches_the_battery_with_losses() -> None:
    readings = _charge(_meter(power_w=11_000), 3600, soc=20, battery_wh=60_000)
    stored_wh = (readings[-1].soc_percent - 20) / 100 * 60_000
    assert stored_wh / readings[-1].energy_wh == pytest.approx(0.92, abs=0.01)


@pytest.mark.parametrize(("phases", "voltage_v"), [(1, 230), (3, 230), (0, 390)])
def test_current_is_power_over_voltage_and_phases(phases: int, voltage_v: float) -> None:
    reading = _charge(_meter(power_w=7_400, phases=phases), 60)[-1]
    assert reading.voltage_v == pytest.approx(voltage_v, rel=0.08)
    expected_a = reading.power_w / reading.voltage_v / (phases or 1)
    assert reading.current_a == pytest.approx(expected_a, rel=0.01)


def test_time_lapse_multiplies_energy_and_nothing_else() -> None:
    normal = _charge(_meter(power_w=11_000), 60)[-1]
    quick = _charge(_meter(power_w=11_000, time_lapse=30), 60)[-1]
    assert quick.energy_wh == pytest.approx(30 * normal.energy_wh, rel=0.02)
    assert quick.power_w == pytest.approx(normal.power_w, rel=0.1)


def test_nothing_flows_through_an_open_contactor() -> None:
    meter = _meter()
    _charge(meter, 60)
    meter.open_contactor(START + 60)
    before = meter.read(START + 60)
    after = meter.read(START + 86_400)
    assert after.energy_wh == before.energy_wh
    assert (after.power_w, after.current_a, after.soc_percent) == (0, 0, None)


def test_time_that_does_not_pass_adds_nothing() -> None:
    meter = _meter()
    _charge(meter, 60)
    first = meter.read(START + 60)
    again = meter.read(START + 30)
    assert again.energy_wh == first.energy_wh


def test_a_simulator_that_is_started_again_does_not_fall_behind_its_register() -> None:
    profile = StationProfile(station_id="SIM-1")

    def register(now: float) -> tuple[int, int]:
        meter = Meter(profile, random.Random(1), now)  # noqa: S311  # noise, no secret
        meter.close_contactor(Vehicle(10e6, 10.0), now)
        first = meter.read(now)
        last = meter.read(now + 3600)
        assert isinstance(first, Reading)
        return first.energy_wh, last.energy_wh

    _, stopped_at = register(START)
    started_at, _ = register(START + 3600)
    assert started_at >= stopped_at > 0
