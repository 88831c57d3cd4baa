from typing import Any

import pytest

from loadtest.bench.figures import Figure, Goal, Judged, against, compare, quantile, regressions


def figure(
    values: list[float], yardsticks: list[float] | None = None, goal: Goal | None = None
) -> Figure:
    return compare(
        "cost",
        values,
        [10.0] * len(values) if yardsticks is None else yardsticks,
        unit="µs",
        yardstick_name="echo",
        goal=goal,
    )


def test_a_figure_is_the_median_of_its_rounds() -> None:
    measured = figure([30.0, 10.0, 20.0], [10.0, 10.0, 5.0])
    assert (measured.value, measured.yardstick, measured.rounds) == (20.0, 10.0, 3)


def test_its_ratio_is_the_median_of_the_ratios_of_rounds_not_the_ratio_of_medians() -> None:
    # The machine was slow in the second round, for the yardstick as well.
    measured = figure([20.0, 60.0, 24.0], [10.0, 30.0, 8.0])
    assert measured.ratio == 2.0
    assert measured.spread == (2.0, 3.0)


def test_every_round_needs_its_yardstick() -> None:
    with pytest.raises(ValueError, match="zip"):
        figure([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("value", "met", "met_stretch"),
    [(15.0, True, True), (15.1, True, False), (20.0, True, False), (20.1, False, False)],
)
def test_a_ratio_is_held_against_both_goals(value: float, *, met: bool, met_stretch: bool) -> None:
    measured = figure([value], goal=Goal(bound=2.0, stretch=1.5))
    assert (measured.met, measured.met_stretch) == (met, met_stretch)


def test_where_more_is_better_the_goal_is_a_least() -> None:
    goal = Goal(bound=15, stretch=30, at_least=True)
    assert (figure([150.0], goal=goal).met, figure([150.0], goal=goal).met_stretch) == (True, False)
    assert figure([149.0], goal=goal).met is False


def test_a_goal_of_the_value_leaves_the_yardstick_out_of_account() -> None:
    goal = Goal(bound=25.0, stretch=10.0, of=Judged.VALUE)
    measured = figure([24.0, 20.0, 26.0], [1.0, 1.0, 1.0], goal)
    assert (measured.met, measured.met_stretch) == (True, False)
    assert measured.spread == (20.0, 26.0)


def test_without_a_goal_nothing_is_met_or_missed() -> None:
    assert (figure([1.0]).met, figure([1.0]).met_stretch) == (None, None)
    assert figure([1.0], goal=Goal(bound=2.0)).met_stretch is None


def test_what_json_gets_says_how_the_goal_is_meant() -> None:
    goal = Goal(bound=0.6, stretch=0.8, at_least=True)
    written = figure([7.0], goal=goal).as_dict()
    assert written["goal"] == 0.6
    assert (written["goal_of"], written["goal_is"]) == ("ratio", "at least")
    assert (written["met"], written["met_stretch"]) == (True, False)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == expected


def test_a_quantile_of_few_values_is_one_of_them() -> None:
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([1.0, 2.0, 3.0], 0.5) == 2.0


def test_a_baseline_is_compared_by_the_ratios_to_the_yardsticks() -> None:
    # Another machine, twice as slow: what counts is that the ratio has grown by half.
    now = [figure([60.0], [20.0]).as_dict()]
    baseline = [figure([20.0], [10.0]).as_dict()]
    assert against(now, baseline) == {"cost": 1.5}


def test_a_figure_that_the_baseline_lacks_or_has_as_nothing_is_not_compared() -> None:
    now = [figure([60.0]).as_dict()]
    assert against(now, []) == {}
    assert against(now, [figure([0.0]).as_dict()]) == {}


def cost(*values: float, name: str = "cost") -> dict[str, Any]:
    """A processor time in rounds, over a yardstick of 10."""
    return compare(
        name,
        list(values),
        [10.0] * len(values),
        unit="µs",
        yardstick_name="echo",
        processor_time=True,
    ).as_dict()


def test_a_cost_that_grew_in_every_round_is_a_regression() -> None:
    (sentence,) = regressions([cost(32.0, 35.0, 31.0)], [cost(20.0)], factor=1.5)
    assert sentence == "cost: 3.20 x echo (3.10 in the best round), 2.00 in the baseline"


def test_a_cost_that_did_not_in_one_round_is_none() -> None:
    # Somebody else had the machine in the others.
    assert regressions([cost(90.0, 29.0, 80.0)], [cost(20.0)], factor=1.5) == []


def test_times_on_the_wall_are_no_regression_and_neither_is_what_is_new() -> None:
    assert regressions([figure([90.0]).as_dict()], [figure([10.0]).as_dict()], factor=1.5) == []
    assert regressions([cost(90.0)], [cost(10.0, name="other")], factor=1.5) == []
    assert regressions([cost(90.0)], [cost(0.0)], factor=1.5) == []
