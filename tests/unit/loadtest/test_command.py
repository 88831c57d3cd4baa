"""What is compared with what."""

from loadtest.bench.command import figures_of

COST = {"name": "CPU", "unit": "µs"}
TIME = {"name": "p99", "unit": "ms"}
FULL = {"plan": "full", "figures": [COST, TIME]}
QUICK = {"plan": "quick", "figures": [TIME]}


def test_a_run_is_compared_with_a_run_of_the_same_plan() -> None:
    report = {**FULL, "quick": QUICK}
    assert figures_of(report, "full") == [COST, TIME]
    assert figures_of(report, "quick") == [TIME]
    assert figures_of(QUICK, "quick") == [TIME]


def test_of_another_plan_only_costs_per_message_are_compared() -> None:
    # Storms and lists of another size are other figures.
    assert figures_of(FULL, "quick") == [COST]
    assert figures_of(QUICK, "full") == []
