"""`python -m loadtest.bench`: the options, and what becomes of the result."""

import argparse
import json
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
    """Measure, print the report, and write it as JSON.

    Raises:
        SystemExit: with `--check`, when a goal is missed.
    """
    options = _parser().parse_args()
    baseline = _read(options.compare) if options.compare else None
    try:
        result = run(QUICK if options.quick else FULL, options.only or list(MEASURES))
    except (BaseExceptionGroup, *_EXPECTED) as error:
        first = _first(error)
        if not isinstance(first, _EXPECTED):
            raise
        raise SystemExit(f"The run was given up: {first}") from error
    report = to_dict(result)
    compared = figures.against(report["figures"], baseline["figures"]) if baseline else None
    print(to_markdown(result, report, compared))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    missed = [figure.name for figure in result.figures if figure.met is False]
    if options.check and missed:
        raise SystemExit(f"{len(missed)} goals were missed: {', '.join(missed)}")


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
        "--quick", action="store_true", help="two minutes instead of eight: fewer rounds, less load"
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
