"""Load profiles: how many stations, how busy, and when the waves come."""

import pytest

from loadtest.locust.profiles import PROFILES, RunPlan, wave_times_s


def plan(profile: str, **changes: object) -> RunPlan:
    return RunPlan(
        **{"profile": profile, "users": 100, "spawn_rate": 7.0, "run_time_s": 60.0, **changes}  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_is_ever_busier_than_its_peak(name: str) -> None:
    profile = PROFILES[name]
    shares = [profile.busy_share(step / 100) for step in range(101)]
    assert min(shares) >= 0
    assert max(shares) == pytest.approx(profile.peak_busy_share)


def test_the_evening_rises_and_falls() -> None:
    evening = PROFILES["evening-peak"].busy_share
    assert evening(0) == evening(1) == pytest.approx(0.1)
    assert evening(0.25) < evening(0.5) > evening(0.75)


def test_a_ramp_takes_most_of_the_run_whatever_rate_was_asked() -> None:
    rate = PROFILES["ramp"].spawn_rate(plan("ramp"))
    assert 0.6 < 100 / rate / 60 < 0.8


def test_a_boot_storm_comes_within_a_second_and_nobody_charges() -> None:
    profile = PROFILES["boot-storm"]
    assert profile.spawn_rate(plan("boot-storm")) == 100
    assert profile.peak_busy_share == 0


def test_the_others_start_at_the_rate_that_was_asked() -> None:
    for name in ("steady", "evening-peak", "rolling-restart", "soak"):
        assert PROFILES[name].spawn_rate(plan(name)) == 7.0


def test_waves_come_in_the_middle_of_a_rolling_restart_and_in_no_other_profile() -> None:
    times = wave_times_s(plan("rolling-restart", waves=3))
    assert times == pytest.approx([15.0, 27.0, 39.0])
    assert wave_times_s(plan("steady", waves=3)) == []
    assert wave_times_s(plan("rolling-restart", waves=0)) == []
