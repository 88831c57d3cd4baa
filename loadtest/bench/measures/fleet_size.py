"""Whether a message costs the same, however many stations there are."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from loadtest.bench.context import Bench
from loadtest.bench.figures import Figure, Goal, compare
from loadtest.bench.fleet import fleet
from loadtest.bench.load import closed_loop
from loadtest.bench.measures.receiving import Cost, cost_of
from loadtest.bench.messages import heartbeats
from loadtest.bench.processes import cpu_s
from loadtest.bench.websocket import StationSocket

_HEARTBEAT, _METER_VALUES = "Heartbeat", "durable MeterValues"
_WARM_UP_S = 0.5


@dataclass(frozen=True)
class _Pair:
    """What a message cost the gateway, and the raw echo with as many connections."""

    gateway: Cost
    echo: Cost

    @property
    def ratio(self) -> float:
        return self.gateway.us["cpu"] / self.echo.us["cpu"]


async def measure(bench: Bench) -> list[Figure]:
    """CPU per message over a raw echo's with a large fleet, beside the same with a small one.

    So many messages are in flight however many stations there are, and every station sends in its
    turn. The sizes are gone through upwards and then downwards, so that what changes with time
    shows as spread. The echo holds as many connections: what it grows by is not the gateway's
    doing, but that of caches which hold few sockets and not many.
    """
    sizes = bench.plan.fleet_sizes
    pairs: dict[tuple[str, int], list[_Pair]] = {}
    for size in chain(sizes, reversed(sizes)):
        ids = await bench.register("FLEET-", size)
        async with fleet(bench.echo.url, ids, booted=False) as echoes:
            raw = await _costs(bench, echoes, bench.echo.pid)
        async with fleet(bench.cluster.gateway_url, ids) as stations:
            ours = await _costs(bench, stations, bench.cluster.gateway_pid)
        for kind in ours:
            pairs.setdefault((kind, size), []).append(_Pair(ours[kind], raw[kind]))
    return [
        compare(
            f"gateway CPU per {kind} over raw echo, {size:,} stations",
            [pair.ratio for pair in pairs[kind, size]],
            [pair.ratio for pair in pairs[kind, sizes[0]]],
            unit="x",
            yardstick_name=f"{sizes[0]:,} stations",
            goal=Goal(bound=1.2, stretch=1.1),
            note=f"{_describe(pairs[kind, size])}; {_describe(pairs[kind, sizes[0]])} "
            f"with {sizes[0]:,}",
            generator_shares=[pair.gateway.load.generator_share for pair in pairs[kind, size]],
            processor_time=True,
        )
        for size in sizes[1:]
        for kind in (_HEARTBEAT, _METER_VALUES)
    ]


async def _costs(bench: Bench, stations: Sequence[StationSocket], pid: int) -> dict[str, Cost]:
    plan = bench.plan
    costs = {}
    for kind, messages in ((_HEARTBEAT, heartbeats()), (_METER_VALUES, bench.meter_values)):
        send = partial(closed_loop, stations, messages, in_flight=plan.in_flight)
        await send(seconds=_WARM_UP_S)
        costs[kind] = await cost_of(send(seconds=plan.seconds), {"cpu": partial(cpu_s, pid)})
    return costs


def _describe(pairs: Sequence[_Pair]) -> str:
    gateway_us = statistics.median(pair.gateway.us["cpu"] for pair in pairs)
    echo_us = statistics.median(pair.echo.us["cpu"] for pair in pairs)
    return f"{gateway_us:.0f} µs, echo {echo_us:.0f} µs"
