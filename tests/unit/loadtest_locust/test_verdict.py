"""What is said at the end of a run, and the exit code."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from loadtest.locust.finding import Finding
from loadtest.locust.ledger import Ledger
from loadtest.locust.profiles import RunPlan
from loadtest.locust.resources import Growth
from loadtest.locust.settings import settings_of
from loadtest.locust.thresholds import Kind, Measured
from loadtest.locust.verdict import Outcome, Verdict
from tests.unit.loadtest_locust.command_line import options

PLAN = RunPlan(profile="steady", users=10, spawn_rate=1.0, run_time_s=60.0, processes=(0, 1))
MEASURED = {
    Kind.CONNECT.value: Measured(10, 0, Counter({20: 10})),
    Kind.LOSS.value: Measured(3, 0, Counter()),
    Kind.OCPP16.value: Measured(100, 0, Counter({5: 100})),
}


def verdict(
    *, line: str = "", measured: Mapping[str, Measured] = MEASURED, **changes: Any
) -> Verdict:
    outcome = {
        "acknowledged": Ledger(began_ms=0),
        "loaded_s": 50.0,
        "undelivered": 0,
        "silent_workers": 0,
        "generator_errors": 0,
        "finding": Finding(acknowledged=7, stored=7),
        **changes,
    }
    return Verdict.of(
        PLAN, settings_of(options(f"--api-key K {line}")), measured, Outcome(**outcome)
    )


def test_a_good_run() -> None:
    good = verdict()
    assert good.exit_code == 0
    assert "10 stations for 50 s of 60 s, in 2 process(es)" in good.text
    assert "calls of stations: 100 (2.0/s), 0 failed, p50 5 ms" in good.text
    assert "connections: 3 closed by the CSMS in order, 0 lost" in good.text
    assert "acknowledged 7, stored 7, lost 0, twice 0" in good.text
    assert "MISSED" not in good.text


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"finding": Finding(acknowledged=7, stored=5, lost=2)}, "2 acknowledged messages"),
        ({"finding": Finding(acknowledged=7, stored=7, twice=1)}, "1 messages are stored more"),
        ({"finding": "there is no database."}, "was not looked up: there is no database."),
        ({"silent_workers": 1}, "1 process(es) did not say"),
        ({"generator_errors": 3}, "The generator itself failed 3 times"),
        ({"line": "--max-p95-ms 4"}, "longer than the 4 ms of --max-p95-ms"),
    ],
)
def test_each_thing_that_is_wrong_has_its_sentence(changes: dict[str, Any], word: str) -> None:
    bad = verdict(**changes)
    assert bad.exit_code == 1
    (sentence,) = [line for line in bad.text.splitlines() if "MISSED" in line]
    assert word in sentence
    assert "was met" not in bad.text


def test_memory_that_grows_is_told_and_missed_if_it_was_asked() -> None:
    leaking = Growth(first_mib=90.0, last_mib=150.0, mib_per_h=60.0, observed_s=3600.0)
    growths = {"127.0.0.1:9101": leaking}
    assert "memory of 127.0.0.1:9101: 90.0 MiB, at the end 150.0" in verdict(growths=growths).text
    assert verdict(growths=growths).exit_code == 0
    line = "--metrics-url http://127.0.0.1:9101 --max-memory-growth"
    assert verdict(growths=growths, line=f"{line} 61").exit_code == 0
    bad = verdict(growths=growths, line=f"{line} 59")
    assert bad.exit_code == 1
    assert "MISSED: The memory of 127.0.0.1:9101 grew by 60.0 MiB per hour" in bad.text


def test_handshakes_that_were_put_off_are_told() -> None:
    measured = {**MEASURED, Kind.PUT_OFF.value: Measured(5, 1, Counter())}
    text = verdict(line="--max-failure-ratio 0.001", measured=measured).text
    assert "put off with 503 and Retry-After: 5, 1 of them not for the first time" in text
    assert "(1 of 118)" in text


def test_what_was_not_to_be_looked_up_is_not_missed() -> None:
    assert verdict(finding=None).exit_code == 0
