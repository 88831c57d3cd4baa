"""How long a station waits for the answer to a durable MeterValues."""

import statistics

from loadtest.bench.context import Bench
from loadtest.bench.figures import Figure, Goal, Judged, compare, quantile
from loadtest.bench.fleet import fleet
from loadtest.bench.load import Load, closed_loop, open_loop

_MS = 1e3


async def measure(bench: Bench) -> list[Figure]:
    """p50 and p99 at half of full load, beside single commits on a quiet server.

    What full load is, is found out anew in each round: it is as much as the machine has to spare.
    """
    plan = bench.plan
    ids = await bench.register("FLEET-", plan.loaded_stations)
    loads: list[Load] = []
    commits: list[list[float]] = []
    async with fleet(bench.cluster.gateway_url, ids) as stations:
        for _ in range(plan.rounds):
            commits.append(await bench.postgres.commit(plan.commits))
            full = await closed_loop(
                stations, bench.meter_values, in_flight=len(ids), seconds=plan.seconds / 2
            )
            loads.append(
                await open_loop(
                    stations,
                    bench.meter_values,
                    rate_per_s=full.rate_per_s / 2,
                    seconds=plan.seconds,
                )
            )
    rate_per_s = statistics.median(load.rate_per_s for load in loads)
    lag_ms = quantile([lag for load in loads for lag in load.lags_s or (0.0,)], 0.99) * _MS
    return [
        compare(
            f"p{share * 100:.0f} of durable MeterValues at half of full load",
            [quantile(load.latencies_s, share) * _MS for load in loads],
            [quantile(commit, share) * _MS for commit in commits],
            unit="ms",
            yardstick_name="one commit",
            goal=goal,
            note=f"{rate_per_s:,.0f} /s, generator late by {lag_ms:.1f} ms (p99)",
            generator_shares=[load.generator_share for load in loads],
        )
        for share, goal in (
            (0.5, None),
            (0.99, Goal(bound=25.0, stretch=10.0, of=Judged.VALUE)),
        )
    ]
