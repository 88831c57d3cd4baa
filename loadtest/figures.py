"""Figures of a benchmark, each beside its yardstick from the same run."""

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure. `ratio` is value over yardstick, and `met` whether it is at most the goal."""

    name: str
    value: float
    unit: str
    yardstick: float
    yardstick_name: str
    ratio: float
    spread: tuple[float, float]
    goal: float
    met: bool


def compare(
    name: str,
    values: Sequence[float],
    yardsticks: Sequence[float],
    *,
    unit: str,
    yardstick_name: str,
    goal: float,
) -> Figure:
    """Make a figure of several rounds: medians, and the spread of the rounds' own ratios.

    Args:
        name: what was measured.
        values: one per round.
        yardsticks: the yardstick of the same rounds.
        unit: of both.
        yardstick_name: what it is.
        goal: the ratio that is to be reached.
    """
    ratios = [value / yardstick for value, yardstick in zip(values, yardsticks, strict=True)]
    ratio = statistics.median(ratios)
    return Figure(
        name=name,
        value=statistics.median(values),
        unit=unit,
        yardstick=statistics.median(yardsticks),
        yardstick_name=yardstick_name,
        ratio=ratio,
        spread=(min(ratios), max(ratios)),
        goal=goal,
        met=ratio <= goal,
    )


def report(figures: Sequence[Figure], *, commit: str) -> dict[str, Any]:
    """Return the whole report, ready for JSON."""
    return {
        "commit": commit,
        "machine": {"processor": platform.machine(), "system": platform.platform()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("websockets", "uvloop", "asyncpg", "ocpp")},
        },
        "figures": [asdict(figure) for figure in figures],
    }


def to_markdown(figures: Sequence[Figure]) -> str:
    """Return the figures as a table."""
    lines = [
        "| figure | value | yardstick | ratio (spread) | goal | met |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.name} | {f.value:.1f} {f.unit} | {f.yardstick:.1f} {f.unit} ({f.yardstick_name}) "
        f"| {f.ratio:.2f} ({f.spread[0]:.2f} to {f.spread[1]:.2f}) | {f.goal:.1f} "
        f"| {'yes' if f.met else 'no'} |"
        for f in figures
    ]
    return "\n".join(lines)
