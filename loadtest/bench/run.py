"""One run: the order in which everything is measured, and under which conditions."""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uvloop

from loadtest.bench.context import Bench, open_bench
from loadtest.bench.figures import Figure
from loadtest.bench.load import LoadError
from loadtest.bench.measures import (
    boot_storm,
    fleet_size,
    latency,
    memory,
    meter_rows,
    receiving,
    redis_operations,
    remote_commands,
    sizes,
    start,
    station_list,
)
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Bystanders
from loadtest.bench.servers import Cluster, cluster

# Files that a process of the run has open beside its stations' sockets.
_OTHER_FILES = 500


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run came to, and under which conditions.

    Attributes:
        plan: how much was measured.
        figures: in the order of the measurements.
        seconds: how long it took.
        others_share: what other programs used of all processors meanwhile.
        servers: the versions of Postgres and Redis.
        left_out: what could not be measured here, and why.
    """

    plan: Plan
    figures: list[Figure]
    seconds: float
    others_share: float
    servers: dict[str, str]
    left_out: list[str]


MEASURES: dict[str, Callable[[Bench], Awaitable[list[Figure]]]] = {
    "memory": memory.measure,  # first: see there
    "heartbeats": receiving.measure_heartbeats,
    "authorizations": receiving.measure_authorizations,
    "meter-values": receiving.measure_meter_values,
    "transaction-events": receiving.measure_transaction_events,
    "throughput": receiving.measure_throughput,
    "latency": latency.measure,
    "redis": redis_operations.measure,
    "commands": remote_commands.measure,
    "rows": meter_rows.measure,
    "fleet-size": fleet_size.measure,
    "storm": boot_storm.measure,
    "list": station_list.measure,  # last: it leaves many stations behind
}
"""Every measurement on a running cluster, in its order."""


def run(plan: Plan, names: Collection[str]) -> Run:
    """Start a cluster, measure, and stop it.

    Args:
        plan: how much.
        names: which of `MEASURES`; start, sizes and the rest are measured if they are all.

    Raises:
        LoadError: something was refused or lost, or took longer than the plan allows.
    """
    began_s, bystanders = time.perf_counter(), Bystanders()
    plan, left_out = _fit(plan)
    every = len(names) == len(MEASURES)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="voltaro-bench-"))
        data = Path(directory) / "data"
        starts_s = _start_and_stop(data, plan.starts) if every else []
        with cluster(data) as running:
            figures, servers = uvloop.run(_measure(plan, running, names))
        if every:
            more, missing = _measure_beside(plan, [*starts_s, running.start_s][1:])
            figures, left_out = figures + more, left_out + missing
    return Run(
        plan=plan,
        figures=figures,
        seconds=time.perf_counter() - began_s,
        others_share=bystanders.share(),
        servers=servers,
        left_out=left_out,
    )


async def _measure(
    plan: Plan, running: Cluster, names: Collection[str]
) -> tuple[list[Figure], dict[str, str]]:
    figures: list[Figure] = []
    name = "nothing"
    try:
        async with asyncio.timeout(plan.limit_s), open_bench(plan, running) as bench:
            servers = {
                "Postgres": await bench.postgres.version(),
                "Redis": await bench.redis.version(),
            }
            for name, measure in MEASURES.items():
                if name in names:
                    print(f"measuring {name}", file=sys.stderr, flush=True)
                    bystanders = Bystanders()
                    measured = await measure(bench)
                    others_share = bystanders.share()
                    figures += [replace(figure, others_share=others_share) for figure in measured]
    except TimeoutError as error:
        raise LoadError(
            f"it took longer than {plan.limit_s:g} s, or an answer did not come; "
            f"what was measured last is {name}"
        ) from error
    return figures, servers


def _measure_beside(plan: Plan, starts_s: Sequence[float]) -> tuple[list[Figure], list[str]]:
    """Measure what needs no cluster; return the figures, and why others are missing."""
    measures: list[Callable[[], Figure]] = [
        partial(start.measure, starts_s),
        sizes.measure_test_run,
        sizes.measure_dashboard,
    ]
    if plan.installs:
        measures.append(sizes.measure_installation)
    figures: list[Figure] = []
    left_out: list[str] = []
    for measure in measures:
        try:
            figures.append(measure())
        except sizes.NotMeasuredError as error:
            left_out.append(str(error))
    return figures, left_out


def _start_and_stop(data: Path, times: int) -> list[float]:
    """Start the cluster so many times, the first time with new data; return what each took."""
    starts_s = []
    for _ in range(times):
        with cluster(data) as running:
            starts_s.append(running.start_s)
    return starts_s


def _fit(plan: Plan) -> tuple[Plan, list[str]]:
    """Leave out what needs more open files than this user may have."""
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        allowed = max(plan.fleet_sizes) + _OTHER_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    fitting = tuple(size for size in plan.fleet_sizes if size + _OTHER_FILES <= allowed)
    left_out = [
        f"a fleet of {size:,}: this user may open only {allowed:,} files (`ulimit -Hn`)"
        for size in plan.fleet_sizes
        if size not in fitting
    ]
    return replace(plan, fleet_sizes=fitting), left_out
