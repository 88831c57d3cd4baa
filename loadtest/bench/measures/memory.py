"""What a station costs that is connected and says nothing."""

import asyncio

from loadtest.bench.context import Bench
from loadtest.bench.figures import Figure, Goal, compare
from loadtest.bench.fleet import boot, connect, for_each
from loadtest.bench.processes import unique_memory_bytes
from loadtest.bench.websocket import StationSocket

_SETTLE_S = 1.0


async def measure(bench: Bench) -> list[Figure]:
    """Memory per idle station at the gateway, beside a connection of a raw echo.

    To be measured first: later, the gateway would have room left from what it held before.
    """
    plan = bench.plan
    # The first fleet makes both processes load and allocate what is there only once. Nobody needs a
    # password: what hashing leaves behind is several MiB, once, and would fall into some step.
    ids = await bench.register("IDLE-", plan.idle_stations * (plan.idle_steps + 1))
    values: list[float] = []
    yardsticks: list[float] = []
    stations: list[StationSocket] = []
    try:
        for step in range(plan.idle_steps + 1):
            some = ids[step * plan.idle_stations : (step + 1) * plan.idle_stations]
            before = _held(bench)
            stations += await connect(bench.echo.url, some)
            booted = await connect(bench.cluster.gateway_url, some)
            stations += booted
            await for_each(booted, boot)
            await asyncio.sleep(_SETTLE_S)
            if step:
                after = _held(bench)
                values.append((after[0] - before[0]) / len(some) / 1024)
                yardsticks.append((after[1] - before[1]) / len(some) / 1024)
    finally:
        await for_each(stations, StationSocket.close)
    return [
        compare(
            "memory per idle, booted station",
            values,
            yardsticks,
            unit="KiB",
            yardstick_name="raw `websockets` connection",
            goal=Goal(bound=1.8, stretch=1.4),
            note=f"{len(ids):,} stations in steps of {plan.idle_stations}",
        )
    ]


def _held(bench: Bench) -> tuple[int, int]:
    return unique_memory_bytes(bench.cluster.gateway_pid), unique_memory_bytes(bench.echo.pid)
