"""The report: a table for people, JSON for programs."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from loadtest.bench.figures import Figure, Goal, Judged
from loadtest.bench.run import Run

_PACKAGES = ("websockets", "uvloop", "ocpp", "asyncpg", "redis", "fastapi", "uvicorn")
_GIB = 2**30
_LEAST_SHOWN = 0.001


def to_dict(run: Run) -> dict[str, Any]:
    """Return the whole report, ready for JSON."""
    return {
        "plan": run.plan.name,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": run.seconds,
        "commit": commit(),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **run.servers,
            **{name: version(name) for name in _PACKAGES},
        },
        "others_share": run.others_share,
        "left_out": run.left_out,
        "figures": [figure.as_dict() for figure in run.figures],
    }


def to_markdown(
    run: Run, report: Mapping[str, Any], compared: Mapping[str, float] | None = None
) -> str:
    """Return the report for people.

    Args:
        run: the run.
        report: what `to_dict` made of it.
        compared: each figure's ratio over that of a baseline, by name; None without a baseline.
    """
    versions = report["versions"]
    what = f"Run `{report['plan']}` of commit {report['commit']}, {report['ended_at']}"
    lines = [
        "# Benchmark report",
        "",
        "What `make bench` printed; docs/performance.md says what the figures mean.",
        "",
        f"{what}, {report['seconds']:.0f} s.",
        "",
        f"- Machine: {describe_machine(report['machine'])}",
        "- Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()),
        f"- Other programs used {run.others_share:.0%} of all processors meanwhile.",
        *(f"- Left out: {reason}" for reason in run.left_out),
        "",
        "| figure | measured | yardstick | ratio | spread | goal | stretch |"
        + (" over baseline |" if compared is not None else ""),
        "|---|---|---|---|---|---|---|" + ("---|" if compared is not None else ""),
    ]
    for figure in run.figures:
        cells = _cells(figure)
        if compared is not None:
            ratio = compared.get(figure.name)
            cells.append("" if ratio is None else f"{ratio:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *_conditions(run.figures)]
    return "\n".join(lines)


def number(value: float) -> str:
    """Return a number with about three digits that count."""
    for least, digits in ((100.0, 0), (10.0, 1), (1.0, 2)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    if not value:
        return "0"
    return f"{value:.3f}" if abs(value) >= _LEAST_SHOWN else f"< {_LEAST_SHOWN}"


def _cells(figure: Figure) -> list[str]:
    goal = figure.goal
    lowest, highest = figure.spread
    unit = f" {figure.unit}" if figure.judged is Judged.VALUE else ""
    return [
        figure.name,
        f"{number(figure.value)} {figure.unit}",
        f"{number(figure.yardstick)} {figure.unit} ({figure.yardstick_name})",
        number(figure.ratio),
        f"{number(lowest)} to {number(highest)}{unit}" if figure.rounds > 1 else "one round",
        _goal(goal, goal.bound if goal else None, figure.met, figure.unit),
        _goal(goal, goal.stretch if goal else None, figure.met_stretch, figure.unit),
    ]


def _goal(goal: Goal | None, bound: float | None, met: bool | None, unit: str) -> str:  # noqa: FBT001 - a cell's content
    if goal is None or bound is None:
        return ""
    sign = "≥" if goal.at_least else "≤"
    of = unit if goal.of is Judged.VALUE else "x"
    return f"{sign} {number(bound)} {of}: {'met' if met else '**missed**'}"


def _conditions(figures: Sequence[Figure]) -> list[str]:
    lines = [
        "| figure | conditions | generator, of one processor | others, of all processors |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {figure.name} | {figure.note} | {_percent(figure.generator_share)} "
        f"| {_percent(figure.others_share)} |"
        for figure in figures
    ]
    return lines


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def machine() -> dict[str, Any]:
    """Return what was measured on."""
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gib": psutil.virtual_memory().total / _GIB,
        "system": platform.platform(),
    }


def describe_machine(measured_on: Mapping[str, Any]) -> str:
    """Return what `machine` has found, for people."""
    processors = f"{measured_on['processors']} x {measured_on['processor']}"
    return f"{processors}, {measured_on['memory_gib']:.0f} GiB, {measured_on['system']}"


def commit() -> str:
    """Return which commit this is, as git calls it."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git is there
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
