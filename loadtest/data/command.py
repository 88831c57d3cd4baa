"""`python -m loadtest.data`: the options, and what becomes of the result."""

import argparse
import json
from pathlib import Path

from loadtest.bench.servers import ServerFailedError
from loadtest.data.measure import run
from loadtest.data.reads import ReadFailedError
from loadtest.data.report import failures, missed, to_dict, to_markdown

# Two minutes; a tenth of the whole shows nearly all that the whole shows.
_EVERYDAY_SCALE = 0.1


def main() -> None:
    """Fill, measure, print the report, and write it as Markdown and as JSON.

    Raises:
        SystemExit: a read scans a table, or was refused; with `--check`, when a goal is missed.
    """
    options = _parser().parse_args()
    try:
        result = run(options.scale, requests=options.requests, directory=options.directory)
    except (ReadFailedError, ServerFailedError) as error:
        raise SystemExit(f"The run was given up: {error}") from error
    report = to_dict(result)
    text = to_markdown(result, report)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    options.output.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    wrong = list(failures(result))
    if options.check:
        wrong += [f"{name}: p95 is beyond the goal" for name in missed(result)]
    if wrong:
        raise SystemExit("\n".join(wrong))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.data",
        description="Fills a database of its own with a large fleet, and reads it through the API.",
    )
    parser.add_argument(
        "--scale",
        type=_scale,
        default=_EVERYDAY_SCALE,
        metavar="SHARE",
        help="of 100,000 stations and 10 million sessions (default: %(default)s; 1 takes 25 GB of "
        "disk and half an hour)",
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=200,
        metavar="N",
        help="for each read (default: %(default)s)",
    )
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="where the database is while it lasts"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit 1 when a goal is missed, too; a scan always does"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/bench-data.json"), metavar="FILE"
    )
    return parser


def _scale(text: str) -> float:
    scale = float(text)
    if not 0 < scale <= 1:
        raise argparse.ArgumentTypeError("a share is above 0 and at most 1")
    return scale
