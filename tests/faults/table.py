"""The table of invariants: what was done, how often, what was found."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

FULL = bool(os.environ.get("VOLTARO_TEST_FAULTS"))
"""Whether this is `make faults`; `make test` runs a short form of the same tests."""

PROPERTY = "fault"
"""Name of the user property that carries a finding from an xdist worker."""

INVARIANTS = {
    1: "an acknowledged transaction message is in Postgres",
    2: "effects happen exactly once",
    3: "good rows survive a poisoned one",
    4: "an outage never makes stations throw messages away",
    5: "at most one authoritative owner",
    6: "a late close harms nobody",
    7: "losing Redis disconnects nobody",
    8: "each command is on the wire at most once",
    9: "no expired command is sent",
    10: "answers never cross",
    11: "one open CALL per station",
    12: "half-open sockets are found",
    13: "a rolling restart loses nothing",
    14: "a boot storm is bounded",
    15: "a slow reader costs only itself",
    16: "Postgres may end connections and hold locks",
    17: "a Redis that refuses writes disconnects nobody and ends no process",
    18: "epochs hold after a restore of the database and after re-registration",
    19: "one poisonous session among a thousand costs only itself",
}

Number = TypeVar("Number", int, float)


def scaled(short: Number, full: Number) -> Number:
    """Return how often to do something: `short` in `make test`, `full` in `make faults`."""
    return full if FULL else short


@dataclass
class Finding:
    """What one test found out about one invariant.

    `control` says that the invariant was broken on purpose and that the test shows that this is
    noticed: such a test passes if the figures are bad.
    """

    number: int
    fault: str
    control: bool = False
    times: int = 0
    figures: dict[str, str] = field(default_factory=dict)
    passed: bool = False

    def tell(self, **figures: object) -> None:
        """Add figures, whose names are written with underscores for blanks."""
        for name, value in figures.items():
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            self.figures[name.replace("_", " ")] = text


def invariant(number: int, fault: str, *, control: bool = False) -> Callable[..., object]:
    """Say which invariant a test is about and what is done to break it."""
    mark = pytest.mark.invariant(number, fault, control=control)

    def decorate(test: Callable[..., object]) -> Callable[..., object]:
        return pytest.mark.faults(mark(test))

    return decorate


def render(findings: Iterable[Finding]) -> list[str]:
    """Return the table as lines, with one that counts at its end."""
    ordered = sorted(findings, key=lambda finding: (finding.number, finding.control))
    rows = [("#", "invariant", "fault", "times", "figures", "")]
    for each in ordered:
        verdict = "pass" if each.passed else "FAIL"
        rows.append(
            (
                str(each.number),
                "control: breaks as it must" if each.control else INVARIANTS[each.number],
                each.fault,
                str(each.times),
                ", ".join(f"{name} {value}" for name, value in each.figures.items()),
                verdict,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    held = {each.number for each in ordered if not each.control}
    failed = {each.number for each in ordered if not each.passed}
    lines.append(
        f"{len(held)} of {len(INVARIANTS)} invariants tried, {len(held - failed)} hold, "
        f"{len(failed)} FAIL; {sum(each.control for each in ordered)} controls"
    )
    return lines


def write(findings: Iterable[Finding], path: Path) -> None:
    """Write the findings as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {**asdict(finding), "invariant": INVARIANTS[finding.number]}
        for finding in sorted(findings, key=lambda finding: (finding.number, finding.control))
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
