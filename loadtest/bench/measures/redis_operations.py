"""How often a message of a station reaches Redis."""

import asyncio
import time
from collections.abc import Iterator

from loadtest.bench.context import PASSWORD, Bench
from loadtest.bench.figures import Figure, Goal, Judged, compare
from loadtest.bench.fleet import fleet
from loadtest.bench.load import closed_loop
from loadtest.bench.messages import heartbeats

# Leases are renewed by the clock, and one renewal more or less falls into a measurement.
_NONE = 0.001


async def measure(bench: Bench) -> list[Figure]:
    """Redis operations per message, less what the same time costs without messages.

    The yardstick is one operation per message, as of a server that keeps its sessions there.
    """
    plan = bench.plan
    ids = await bench.register("BENCH-", plan.in_flight, secured=True)
    figures = []
    async with fleet(bench.cluster.gateway_url, ids, PASSWORD) as stations:
        kinds: tuple[tuple[str, Iterator[bytes], Goal], ...] = (
            ("Heartbeat", heartbeats(), Goal(bound=_NONE, of=Judged.VALUE)),
            ("MeterValues", bench.meter_values, Goal(bound=0.1, stretch=_NONE, of=Judged.VALUE)),
        )
        for kind, messages, goal in kinds:
            before, began_s = await bench.redis.operations(), time.perf_counter()
            await asyncio.sleep(plan.seconds)
            idle = await bench.redis.operations() - before
            idle_per_s = idle / (time.perf_counter() - began_s)
            before, began_s = await bench.redis.operations(), time.perf_counter()
            load = await closed_loop(
                stations, messages, in_flight=plan.in_flight, seconds=plan.seconds
            )
            seconds = time.perf_counter() - began_s
            during = await bench.redis.operations() - before
            figures.append(
                compare(
                    f"Redis operations per {kind}",
                    [max(0.0, during - idle_per_s * seconds) / load.messages],
                    [1.0],
                    unit="operations",
                    yardstick_name="one per message",
                    goal=goal,
                    note=f"{load.messages:,} messages; leases and streams: {idle_per_s:.1f} /s",
                    generator_shares=[load.generator_share],
                )
            )
    return figures
