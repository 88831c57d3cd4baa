"""`python -m loadtest.exports`: the options, and what becomes of the result."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from loadtest.bench.servers import ServerFailedError
from loadtest.exports.measure import Result, run

_MIB = 2**20
_MEMORY_MAX_BYTES = 300_000_000
_EVERYDAY_SCALE = 0.1


def main() -> None:
    """Fill, export, compare, print the report, and write it as Markdown.

    Raises:
        SystemExit: the files differ from each other or from the table, or memory was not bounded.
    """
    options = _parser().parse_args()
    try:
        result = run(options.scale, directory=options.directory)
    except ServerFailedError as error:
        raise SystemExit(f"The run was given up: {error}") from error
    text = to_markdown(result)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text + "\n", encoding="utf-8")
    if wrong := list(failures(result)):
        raise SystemExit("\n".join(wrong))


def failures(result: Result) -> Iterator[str]:
    """Give what is not as it has to be, in words."""
    first = result.figures[0].content
    for figure in result.figures:
        if figure.content != first:
            yield f"{figure.export_format} holds something else than the first file"
        if figure.content.rows != result.rows:
            yield f"{figure.export_format} has {figure.content.rows} rows of {result.rows}"
        if figure.content.energy_wh != result.energy_wh:
            yield f"{figure.export_format} has {figure.content.energy_wh} Wh of {result.energy_wh}"
        if figure.peak_rss_bytes > _MEMORY_MAX_BYTES:
            yield f"{figure.export_format} took {figure.peak_rss_bytes / 1e6:.0f} MB of memory"


def to_markdown(result: Result) -> str:
    """Return the figures as a table."""
    rows = [
        f"| {each.export_format} | {each.content.rows:,} | {each.took_s:.0f} s "
        f"| {each.content.rows / each.took_s:,.0f} | {each.size_bytes / _MIB:,.0f} MiB "
        f"| {each.peak_rss_bytes / 1e6:.0f} MB | {each.control_cpu_s:.0f} s "
        f"| {each.postgres_cpu_s:.0f} s | {each.others_p95_ms:.0f} ms "
        f"| `{each.content.checksum[:16]}` |"
        for each in result.figures
    ]
    summary = (
        f"{result.rows:,} sessions; the API had {result.rss_before_bytes / 1e6:.0f} MB before the "
        f"first export. Energy of those that have ended: {result.energy_wh:f} Wh by Postgres, "
        f"{result.figures[0].content.energy_wh:f} Wh by adding up the rows of the files."
    )
    heading = (
        "| format | rows | time | rows per second | file | most memory of the API "
        "| processor of the API | of Postgres | p95 of a list meanwhile | checksum |"
    )
    return "\n".join([summary, "", heading, "|---" * 10 + "|", *rows])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.exports",
        description="Fills a database of its own, and exports its sessions in every format.",
    )
    parser.add_argument(
        "--scale",
        type=_scale,
        default=_EVERYDAY_SCALE,
        metavar="SHARE",
        help="of 10 million sessions (default: %(default)s; 1 takes 40 GB of disk and an hour)",
    )
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="where all of it is while it lasts"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/bench-exports.md"), metavar="FILE"
    )
    return parser


def _scale(text: str) -> float:
    scale = float(text)
    if not 0 < scale <= 1:
        raise argparse.ArgumentTypeError("a share is above 0 and at most 1")
    return scale
