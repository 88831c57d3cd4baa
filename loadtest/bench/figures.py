"""Figures, each beside its yardstick, and whether they reach their goals."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_NEXT_TO_NOTHING = 0.001


class Judged(StrEnum):
    """What a goal is about."""

    RATIO = "ratio"
    """The figure over its yardstick: holds on any machine."""
    VALUE = "value"
    """The figure itself."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a figure is to reach.

    Attributes:
        bound: the goal.
        stretch: a better one, or None.
        of: what is compared with it.
        at_least: whether more is better; else less is.
    """

    bound: float
    stretch: float | None = None
    of: Judged = Judged.RATIO
    at_least: bool = False

    def is_met(self, reached: float) -> bool:
        """Say whether `reached` is as good as the goal."""
        return _is_within(reached, self.bound, at_least=self.at_least)

    def is_stretch_met(self, reached: float) -> bool | None:
        """Say whether it is as good as the stretch goal; None if there is none."""
        if self.stretch is None:
            return None
        return _is_within(reached, self.stretch, at_least=self.at_least)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        name: what was measured.
        value: median of the rounds.
        unit: of the value and of the yardstick.
        yardstick: median of the rounds.
        yardstick_name: what it is.
        ratio: median of the rounds' own ratios, value over yardstick.
        spread: lowest and highest of the rounds, of what the goal is about; else of the ratio.
        rounds: how many there were.
        goal: None if it is only watched.
        note: under which conditions.
        generator_share: processor time of the generator over the time on the wall, median; None
            where no messages were sent. Close to 1, the generator is what was measured.
        processor_time: whether figure and yardstick are processor times, which whoever else uses
            the machine changes little.
        others_share: what other programs used of all processors meanwhile; None if not known.
    """

    name: str
    value: float
    unit: str
    yardstick: float
    yardstick_name: str
    ratio: float
    spread: tuple[float, float]
    rounds: int
    goal: Goal | None = None
    note: str = ""
    generator_share: float | None = None
    processor_time: bool = False
    others_share: float | None = None

    @property
    def judged(self) -> Judged:
        """What `spread` is about, and the goal if there is one."""
        return self.goal.of if self.goal else Judged.RATIO

    @property
    def reached(self) -> float:
        """What is compared with the goal."""
        return self.value if self.judged is Judged.VALUE else self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        return self.goal.is_met(self.reached) if self.goal else None

    @property
    def met_stretch(self) -> bool | None:
        """Whether the stretch goal is reached; None without one."""
        return self.goal.is_stretch_met(self.reached) if self.goal else None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "yardstick": self.yardstick,
            "yardstick_name": self.yardstick_name,
            "ratio": self.ratio,
            "spread": list(self.spread),
            "rounds": self.rounds,
            "goal": self.goal.bound if self.goal else None,
            "stretch": self.goal.stretch if self.goal else None,
            "goal_of": self.judged,
            "goal_is": "at least" if self.goal and self.goal.at_least else "at most",
            "met": self.met,
            "met_stretch": self.met_stretch,
            "note": self.note,
            "generator_share": self.generator_share,
            "processor_time": self.processor_time,
            "others_share": self.others_share,
        }


def compare(
    name: str,
    values: Sequence[float],
    yardsticks: Sequence[float],
    *,
    unit: str,
    yardstick_name: str,
    goal: Goal | None = None,
    note: str = "",
    generator_shares: Sequence[float] = (),
    processor_time: bool = False,
) -> Figure:
    """Make a figure of several rounds.

    Args:
        name: what was measured.
        values: one per round.
        yardsticks: the yardstick of the same rounds.
        unit: of both.
        yardstick_name: what it is.
        goal: what is to be reached.
        note: under which conditions.
        generator_shares: of the measurements, if messages were sent.
        processor_time: whether all of them are processor times.
    """
    ratios = [value / yardstick for value, yardstick in zip(values, yardsticks, strict=True)]
    spread_of = values if goal and goal.of is Judged.VALUE else ratios
    return Figure(
        name=name,
        value=statistics.median(values),
        unit=unit,
        yardstick=statistics.median(yardsticks),
        yardstick_name=yardstick_name,
        ratio=statistics.median(ratios),
        spread=(min(spread_of), max(spread_of)),
        rounds=len(values),
        goal=goal,
        note=note,
        generator_share=statistics.median(generator_shares) if generator_shares else None,
        processor_time=processor_time,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed (nearest rank).

    Args:
        values: at least one, in any order.
        share: above 0, at most 1.
    """
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


def against(
    figures: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return the ratio of each figure over that of the baseline, by name.

    What is compared are the ratios to the yardsticks, as machines differ. Left out are figures that
    the baseline does not have, or has as next to nothing: that is no measure for anything.
    """
    before = {figure["name"]: figure["ratio"] for figure in baseline}
    return {
        figure["name"]: figure["ratio"] / before[figure["name"]]
        for figure in figures
        if before.get(figure["name"], 0.0) > _NEXT_TO_NOTHING
    }


def regressions(
    figures: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]], *, factor: float
) -> list[str]:
    """Return a sentence for each processor time that has certainly grown too much.

    It counts only if every round says so: what else runs on the machine spoils a round or two, a
    slower program all of them. Times on the wall are not judged, as they belong to the machine.

    Args:
        figures: of this run.
        baseline: of the run it is compared with.
        factor: what the ratio to the yardstick may grow by.
    """
    before = {figure["name"]: figure["ratio"] for figure in baseline}
    sentences = []
    for figure in figures:
        expected = before.get(figure["name"], 0.0)
        best = min(figure["spread"])
        if figure["processor_time"] and expected > _NEXT_TO_NOTHING and best > factor * expected:
            sentences.append(
                f"{figure['name']}: {figure['ratio']:.2f} x {figure['yardstick_name']} "
                f"({best:.2f} in the best round), {expected:.2f} in the baseline"
            )
    return sentences


def _is_within(reached: float, bound: float, *, at_least: bool) -> bool:
    return reached >= bound if at_least else reached <= bound
