"""The verdict on the figures of a run."""

from collections import Counter

import pytest

from loadtest.locust.thresholds import Kind, Measured, Thresholds, missed, together

FIGURES = {
    Kind.CONNECT.value: Measured(10, 1, Counter({50: 9, 400: 1})),
    Kind.OCPP16.value: Measured(90, 0, Counter({10: 80, 200: 10})),
    Kind.OCPP201.value: Measured(10, 1, Counter({10: 10})),
    Kind.COMMAND.value: Measured(10, 0, Counter({30: 10})),
    Kind.GENERATOR.value: Measured(100, 0, Counter({1: 98, 700: 2})),
}


def test_nothing_asked_nothing_missed() -> None:
    assert missed(Thresholds(), FIGURES) == []


@pytest.mark.parametrize(
    ("name", "met", "not_met", "word"),
    [
        ("max_failure_ratio", 2 / 120, 0.01, "1.67% of the requests failed (2 of 120)"),
        ("max_p95_ms", 200, 199, "95% of the calls of stations took up to 200 ms"),
        ("max_connect_p95_ms", 400, 399, "95% of the handshakes took up to 400 ms"),
        ("max_command_p95_ms", 30, 29, "95% of the remote commands took up to 30 ms"),
        ("max_lag_ms", 700, 699, "The generator itself was up to 700 ms late"),
    ],
)
def test_each_threshold_has_its_sentence(name: str, met: float, not_met: float, word: str) -> None:
    assert missed(Thresholds(**{name: met}), FIGURES) == []
    (sentence,) = missed(Thresholds(**{name: not_met}), FIGURES)
    assert word in sentence
    assert f"--{name.replace('_', '-')}" in sentence
    assert f"{not_met:g}" in sentence


def test_a_run_in_which_nobody_was_answered_has_proved_nothing() -> None:
    (sentence,) = missed(Thresholds(), {Kind.GENERATOR.value: Measured(1, 0, Counter({1: 1}))})
    assert "No station was answered" in sentence


def test_lost_connections_count_as_failures_but_not_as_latencies() -> None:
    figures = {**FIGURES, Kind.LOSS.value: Measured(3, 2, Counter())}
    (sentence,) = missed(Thresholds(max_failure_ratio=0.02), figures)
    assert "(4 of 123)" in sentence


def test_percentiles() -> None:
    measured = together(FIGURES, (Kind.OCPP16, Kind.OCPP201))
    assert [measured.percentile_ms(share) for share in (0.5, 0.9, 0.91, 1.0)] == [10, 10, 200, 200]
    assert Measured().percentile_ms(0.95) == 0
