"""`python -m loadtest.streams`: the options, the run, and its report."""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from loadtest.bench.processes import Bystanders, cpu_s, unique_memory_bytes
from loadtest.bench.report import commit, describe_machine, machine
from loadtest.bench.servers import Cluster, ServerFailedError, cluster
from loadtest.streams.followers import Follower, follow, leaving
from loadtest.streams.measure import PROBES, Delivery, LostEventError, Target, deliver, with_stuck
from shared.settings import DatabaseSettings
from shared.store.pool import open_database

_WARM_UP = 50
_KIB = 1024


def main() -> None:
    """Measure, print the report, and write it as Markdown and as JSON.

    Raises:
        SystemExit: a client missed something, or a stuck one was not ended.
    """
    options = parser().parse_args()
    bystanders = Bystanders()
    try:
        with tempfile.TemporaryDirectory(prefix="voltaro-streams-") as name:
            room = str(options.streams + options.stuck + _WARM_UP)
            with cluster(
                Path(name) / "data",
                VOLTARO_EVENT_STREAMS_MAX=room,
                VOLTARO_EVENT_STREAMS_MAX_PER_PRINCIPAL=room,
                VOLTARO_EVENT_STREAM_WRITE_TIMEOUT_S=str(options.write_timeout_s),
            ) as running:
                figures = uvloop.run(measure(running, options))
    except (ServerFailedError, LostEventError) as error:
        raise SystemExit(f"The run was given up: {error}") from error
    report = describe(figures, others_share=bystanders.share())
    text = "\n".join(lines(report))
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    options.output.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    if figures["stuck_ended"] < options.stuck:
        raise SystemExit(f"only {figures['stuck_ended']} of {options.stuck} stuck ones were ended")


async def measure(running: Cluster, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one control process.

    Args:
        running: where it is.
        options: of the command line.

    Raises:
        LostEventError: a client missed something.
    """
    pid = running.pid("control")
    settings = DatabaseSettings(database_url=running.database_url, database_pool_size=2)
    async with open_database(settings) as db:
        target = Target(running.http_url, running.api_key, db)
        # What a process makes ready at first use is no stream's.
        with leaving(await _follow(target, _WARM_UP)) as warm:
            await deliver(target, warm, events=10, per_s=options.per_s)
        await asyncio.sleep(options.settle_s)
        before_bytes = unique_memory_bytes(pid)
        began = time.perf_counter()
        with leaving(await _follow(target, options.streams)) as followers:
            opened_in_s = time.perf_counter() - began
            await asyncio.sleep(options.settle_s)
            silent_bytes = unique_memory_bytes(pid)
            busy_s, asked = cpu_s(pid), {"events": options.events, "per_s": options.per_s}
            alone = await deliver(target, followers, **asked)
            busy_s = cpu_s(pid) - busy_s
            told_bytes = unique_memory_bytes(pid)
            beside, ended = await with_stuck(
                target,
                followers,
                stuck=options.stuck,
                stuck_for_s=options.write_timeout_s + 2,
                **asked,
                first=options.events,
            )
            stuck_bytes = unique_memory_bytes(pid)
    return {
        "streams": options.streams,
        "per_s": options.per_s,
        "opened_in_s": opened_in_s,
        "silent_bytes_per_stream": (silent_bytes - before_bytes) / options.streams,
        "told_bytes_per_stream": (told_bytes - before_bytes) / options.streams,
        "grown_beside_stuck_bytes": stuck_bytes - told_bytes,
        "cpu_us_per_delivery": 1e6 * busy_s / (alone.clients * alone.events),
        "stuck": options.stuck,
        "stuck_ended": ended,
        "deliveries": {"alone": asdict(alone), "beside stuck ones": asdict(beside)},
    }


def describe(figures: dict[str, Any], *, others_share: float) -> dict[str, Any]:
    """Return the figures with what they are of."""
    return {
        "commit": commit(),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "others_share": others_share,
        **figures,
    }


async def _follow(target: Target, count: int) -> list[Follower]:
    return await follow(target.url, target.api_key, count, query=PROBES)


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Give the report for people."""
    yield "# Following events"
    yield ""
    yield "What `make streams` printed: clients of one control process, all on this machine."
    yield ""
    yield f"- Commit {report['commit']}, {report['ended_at']}"
    yield f"- Machine: {describe_machine(report['machine'])}"
    yield f"- Other programs used {report['others_share']:.0%} of all processors."
    yield (
        f"- {report['streams']:,} streams, opened in {report['opened_in_s']:.1f} s; "
        f"{report['per_s']:g} events a second, each to every client."
    )
    yield ""
    yield "| what | figure |"
    yield "|---|---|"
    yield f"| memory per stream, silent | {report['silent_bytes_per_stream'] / _KIB:.1f} KiB |"
    yield f"| memory per stream, after events | {report['told_bytes_per_stream'] / _KIB:.1f} KiB |"
    yield f"| processor time per event and client | {report['cpu_us_per_delivery']:.0f} µs |"
    for name, figures in report["deliveries"].items():
        delivery = Delivery(**figures)
        yield (
            f"| from commit to delivery, {name}: p50, p99, max | {delivery.p50_ms:.0f}, "
            f"{delivery.p99_ms:.0f}, {delivery.max_ms:.0f} ms |"
        )
    yield f"| clients that took nothing | {report['stuck']} |"
    yield f"| of these ended with a word where to resume | {report['stuck_ended']} |"
    yield f"| memory grown meanwhile | {report['grown_beside_stuck_bytes'] / _KIB:.0f} KiB |"
    yield ""
    yield (
        "The time runs from the return of COMMIT of what has happened to its bytes at a client. "
        "It includes the wait for a number, which is given four times a second. Every client was "
        "told of everything, once "
        "and in order, or there would be no report."
    )


def parser() -> argparse.ArgumentParser:
    """Return what reads the options."""
    reads = argparse.ArgumentParser(
        prog="python -m loadtest.streams",
        description="Has many clients follow the events of one control process.",
    )
    reads.add_argument("--streams", type=int, default=2000, metavar="N")
    reads.add_argument(
        "--events", type=int, default=200, metavar="N", help="in each part (default: %(default)s)"
    )
    reads.add_argument(
        "--per-s", type=float, default=5.0, metavar="N", help="events a second (%(default)s)"
    )
    reads.add_argument("--stuck", type=int, default=1, metavar="N", help="that take nothing")
    reads.add_argument(
        "--settle-s", type=float, default=3.0, metavar="S", help="before memory is looked at"
    )
    reads.add_argument(
        "--write-timeout-s", type=float, default=5.0, metavar="S", help="for one that takes nothing"
    )
    reads.add_argument("--output", type=Path, default=Path("build/streams.json"), metavar="FILE")
    return reads
