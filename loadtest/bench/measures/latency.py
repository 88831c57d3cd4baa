"""How long a station waits for the answer to a durable MeterValues."""

from loadtest.bench.context import Bench
from loadtest.bench.figures import Figure, Goal, Judged, compare, quantile
from loadtest.bench.fleet import fleet
from loadtest.bench.load import Load, open_loop

_MS = 1e3


async def measure(bench: Bench, full_rate_per_s: float) -> list[Figure]:
    """p50 and p99 at half of full load, beside single commits on a quiet server.

    Args:
        bench: the run.
        full_rate_per_s: what one gateway takes at most.
    """
    plan = bench.plan
    rate_per_s = full_rate_per_s / 2
    ids = await bench.register("FLEET-", plan.loaded_stations)
    loads: list[Load] = []
    commits: list[list[float]] = []
    async with fleet(bench.cluster.gateway_url, ids) as stations:
        for _ in range(plan.rounds):
            commits.append(await bench.postgres.commit(plan.commits))
            loads.append(
                await open_loop(
                    stations, bench.meter_values, rate_per_s=rate_per_s, seconds=plan.seconds
                )
            )
    lag_ms = quantile([lag for load in loads for lag in load.lags_s or (0.0,)], 0.99) * _MS
    note = f"{rate_per_s:,.0f} /s, generator late by {lag_ms:.1f} ms (p99)"
    return [
        compare(
            f"p{share * 100:.0f} of durable MeterValues at half of full load",
            [quantile(load.latencies_s, share) * _MS for load in loads],
            [quantile(commit, share) * _MS for commit in commits],
            unit="ms",
            yardstick_name="one commit",
            goal=goal,
            note=note,
            generator_shares=[load.generator_share for load in loads],
        )
        for share, goal in (
            (0.5, None),
            (0.99, Goal(bound=25.0, stretch=10.0, of=Judged.VALUE)),
        )
    ]
