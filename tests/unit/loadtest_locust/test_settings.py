"""Options: what is refused, and how that is said."""

import pytest

from loadtest.locust.profiles import PROFILES
from loadtest.locust.settings import (
    Settings,
    SettingsError,
    is_loopback,
    make_password,
    plan_of,
    settings_of,
)
from simulator.profile import OcppVersion
from tests.unit.loadtest_locust.command_line import options


def settings(line: str = "") -> Settings:
    return settings_of(options(f"--api-key KEY {line}"))


def problems(line: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings_of(options(line))
    return str(caught.value).splitlines()


def test_defaults_go_to_this_machine() -> None:
    assert settings().url == "ws://127.0.0.1:9000/ocpp"
    assert settings().api_url == "http://127.0.0.1:8000"
    assert settings().ocpp_versions == (OcppVersion.V1_6,)
    assert settings().thresholds.max_failure_ratio == 0.01


def test_zero_asks_nothing_but_of_failures_where_it_allows_none() -> None:
    thresholds = settings("--max-p95-ms 0 --max-lag-ms 0 --max-failure-ratio 0").thresholds
    assert (thresholds.max_p95_ms, thresholds.max_lag_ms) == (None, None)
    assert thresholds.max_failure_ratio == 0
    assert settings("--max-failure-ratio -1").thresholds.max_failure_ratio is None


def test_only_a_soak_asks_by_itself_how_memory_grows() -> None:
    url = "--metrics-url http://127.0.0.1:9101"
    assert settings(url).thresholds.max_memory_growth is None
    assert settings(f"--profile soak {url}").thresholds.max_memory_growth == 10
    assert settings(f"--profile soak {url} --max-memory-growth -1").thresholds == (
        settings(url).thresholds
    )
    assert settings(f"{url} --max-memory-growth 3").thresholds.max_memory_growth == 3
    assert settings(f"{url} {url}0").metrics_urls == (
        "http://127.0.0.1:9101",
        "http://127.0.0.1:91010",
    )


def test_a_mixed_fleet() -> None:
    versions = settings("--ocpp-version 1.6 --ocpp-version 2.0.1").ocpp_versions
    assert versions == (OcppVersion.V1_6, OcppVersion.V2_0_1)


def test_options_come_from_the_environment_too() -> None:
    found = options("", {"VOLTARO_LOAD_API_KEY": "k", "VOLTARO_LOAD_STATION_PREFIX": "X"})
    assert (settings_of(found).api_key, settings_of(found).station_prefix) == ("k", "X")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("csms.example.com", False),
    ],
)
def test_what_is_this_machine(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "line", ["--host ws://csms.example.com/ocpp", "--api-url http://10.0.0.1:8000"]
)
def test_another_machine_is_refused_unless_that_is_meant(line: str) -> None:
    (problem,) = problems(f"--api-key KEY {line}")
    assert "is not this machine" in problem
    assert "attack" in problem
    assert "--allow-remote-target" in problem
    settings(f"{line} --allow-remote-target")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--api-key KEY --profile nothing", "--profile nothing is none of ramp, steady"),
        ("--api-key KEY --host http://127.0.0.1/ocpp", "--host must begin with ws://"),
        ("--api-key KEY --host ws://[::1/ocpp", "--host ws://[::1/ocpp is no URL"),
        ("--api-key KEY --users 0", "--users must be between 1 and"),
        ("--api-key KEY --users 1000000", "--users must be between 1 and"),
        ("--api-key KEY --spawn-rate 0", "--spawn-rate must be positive"),
        ("--api-key KEY --run-time 9999999", "--run-time must not exceed"),
        ("--api-key KEY --station-prefix ''", "--station-prefix must hold 1 to 38 characters"),
        (f"--api-key KEY --station-prefix {'X' * 39}", "--station-prefix must hold 1 to 38"),
        ("--api-key KEY --station-password short", "--station-password must have 16"),
        ("--api-key KEY --skip-registration", "--skip-registration needs --station-password"),
        ("--commands-per-minute 0", "--api-key is missing: stations are registered"),
        (f"--skip-registration --station-password {'x' * 16}", "or --commands-per-minute 0"),
        ("--api-key KEY --max-memory-growth 5", "--max-memory-growth needs --metrics-url"),
        ("--api-key KEY --metrics-url http://pod:9101", "is not this machine"),
        ("--api-key KEY --session 0", "--session must be positive, got 0.0"),
        ("--api-key KEY --meter-interval -1", "--meter-interval must not be negative, got -1"),
    ],
)
def test_what_cannot_be_used_is_said(line: str, word: str) -> None:
    assert word in "\n".join(problems(line))


def test_all_problems_are_told_at_once() -> None:
    assert len(problems("--users 0 --session 0 --api-key KEY")) == 2


def test_every_run_ends() -> None:
    for name, profile in PROFILES.items():
        plan = plan_of(options(f"--profile {name}"), processes=[0, 1])
        assert plan.run_time_s == profile.run_time_s
        assert plan.processes == (0, 1)
    assert plan_of(options("--run-time 7"), processes=[0]).run_time_s == 7


def test_a_restart_command_replaces_lost_connections() -> None:
    assert plan_of(options("--waves 3"), processes=[0]).waves == 3
    assert plan_of(options("--waves 3 --restart-command true"), processes=[0]).waves == 0


def test_passwords_are_as_stations_have_them_and_never_the_same() -> None:
    assert len(make_password()) == 40
    assert make_password() != make_password()
