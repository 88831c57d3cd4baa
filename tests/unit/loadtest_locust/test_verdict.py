"""What is said at the end of a run, and the exit code."""

from collections import Counter
from typing import Any

import pytest

from loadtest.locust.finding import Finding
from loadtest.locust.ledger import Ledger
from loadtest.locust.profiles import RunPlan
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


def verdict(*, line: str = "", **changes: Any) -> Verdict:
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
        PLAN, settings_of(options(f"--api-key K {line}")), MEASURED, Outcome(**outcome)
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


def test_what_was_not_to_be_looked_up_is_not_missed() -> None:
    assert verdict(finding=None).exit_code == 0
