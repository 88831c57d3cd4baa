"""`python -m loadtest.bench`: the options, and what becomes of the result."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.bench import figures
from loadtest.bench.load import LoadError
from loadtest.bench.plan import FULL, QUICK
from loadtest.bench.report import to_dict, to_markdown
from loadtest.bench.run import MEASURES, run
from loadtest.bench.servers import ServerFailedError
from loadtest.bench.websocket import ConnectionEndedError, HandshakeRefusedError

_EXPECTED = (LoadError, ServerFailedError, HandshakeRefusedError, ConnectionEndedError)


def main() -> None:
    """Measure, print the report, and write it as Markdown and as JSON.

    Raises:
        SystemExit: when the run was given up; with `--check`, when a goal is missed; with
            `--max-regression`, when a processor time has grown too much.
    """
    options = _parser().parse_args()
    plan = QUICK if options.quick else FULL
    baseline = _read(options.compare) if options.compare else None
    try:
        result = run(plan, options.only or list(MEASURES))
        # The full run ends with a quick one, so that quick runs have like to compare with.
        small = run(QUICK, list(MEASURES)) if plan is FULL and not options.only else None
    except (BaseExceptionGroup, *_EXPECTED) as error:
        first = _first(error)
        if not isinstance(first, _EXPECTED):
            raise
        raise SystemExit(f"The run was given up: {first}") from error
    report = to_dict(result)
    if small is not None:
        report[QUICK.name] = to_dict(small)
    before = figures_of(baseline, plan.name) if baseline else None
    compared = figures.against(report["figures"], before) if before else None
    text = to_markdown(result, report, compared)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    options.output.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    failures = []
    missed = [figure.name for figure in result.figures if figure.met is False]
    if options.check and missed:
        failures.append(f"{len(missed)} goals were missed: {', '.join(missed)}")
    if options.max_regression and before:
        failures += figures.regressions(report["figures"], before, factor=options.max_regression)
    if failures:
        raise SystemExit("\n".join(failures))


def figures_of(report: Mapping[str, Any], plan: str) -> list[dict[str, Any]]:
    """Return the figures of a report that were measured with a plan.

    A report without that plan gives the costs per message: these do not depend on how long and how
    often they are measured.
    """
    for part in (report, report.get(plan, {})):
        if part.get("plan") == plan:
            return list(part["figures"])
    return [each for each in report["figures"] if each["unit"] == "µs"]


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description="Measures a cluster of its own, beside yardsticks of the same run.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="two minutes instead of ten: fewer rounds, less load"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=list(MEASURES),
        metavar="NAME",
        help=f"measure only this; may be given again. One of {', '.join(MEASURES)}",
    )
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="print the ratio of each figure to this report"
    )
    parser.add_argument(
        "--max-regression",
        type=float,
        metavar="FACTOR",
        help="exit 1 when a processor time, over its yardstick, is more than so many times that of "
        "--compare in every round",
    )
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"), metavar="FILE")
    return parser


def _read(path: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(
            f"--compare: {path} cannot be read ({error}): give a report that --output has written"
        ) from error
    return report
