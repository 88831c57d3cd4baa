"""What a message of a station costs, and how many there can be."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from loadtest.bench.context import PASSWORD, Bench
from loadtest.bench.figures import Figure, Goal, compare
from loadtest.bench.fleet import fleet
from loadtest.bench.load import Load, closed_loop
from loadtest.bench.messages import (
    ID_TOKEN,
    TRANSACTION_STARTED,
    authorizations,
    heartbeats,
    transaction_events,
)
from loadtest.bench.processes import cpu_s, family_cpu_s

_WARM_UP_S = 1.0
_ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Cost:
    """A load, and the processor time in µs that one of its messages cost, by account."""

    load: Load
    us: Mapping[str, float]


async def cost_of(load: Awaitable[Load], accounts: Mapping[str, Callable[[], float]]) -> Cost:
    """Carry out a load.

    Args:
        load: what is sent.
        accounts: each tells the processor time, in seconds, that something has spent so far.
    """
    before = {name: account() for name, account in accounts.items()}
    done = await load
    us = {
        name: (account() - before[name]) / done.messages * 1e6 for name, account in accounts.items()
    }
    return Cost(done, us)


async def measure_heartbeats(bench: Bench) -> list[Figure]:
    """CPU per Heartbeat at the gateway and, apart, at HAProxy, beside a raw echo."""
    plan, cluster = bench.plan, bench.cluster
    ids = await bench.register("BENCH-", plan.in_flight, secured=True)
    send = partial(closed_loop, messages=heartbeats(), in_flight=plan.in_flight)
    gateway = {"gateway": partial(cpu_s, cluster.gateway_pid)}
    haproxy = {"haproxy": partial(cpu_s, cluster.pid("haproxy"))}
    echo = {"echo": partial(cpu_s, bench.echo.pid)}
    ours: list[Cost] = []
    raw: list[Cost] = []
    async with fleet(bench.echo.url, ids, booted=False) as echoes:
        async with fleet(cluster.gateway_url, ids, PASSWORD) as stations:
            await send(stations, seconds=_WARM_UP_S)
            for _ in range(plan.rounds):
                raw.append(await cost_of(send(echoes, seconds=plan.seconds), echo))
                ours.append(await cost_of(send(stations, seconds=plan.seconds), gateway))
        async with fleet(cluster.haproxy_url, ids, PASSWORD) as stations:
            balanced = [
                await cost_of(send(stations, seconds=plan.seconds / 2), haproxy)
                for _ in range(plan.rounds)
            ]
    yardsticks = [cost.us["echo"] for cost in raw]
    return [
        compare(
            "gateway CPU per Heartbeat",
            [cost.us["gateway"] for cost in ours],
            yardsticks,
            unit="µs",
            yardstick_name="raw echo",
            goal=Goal(bound=2.0, stretch=1.5),
            note=f"{plan.in_flight} in flight",
            generator_shares=[cost.load.generator_share for cost in ours],
            processor_time=True,
        ),
        compare(
            "HAProxy CPU per Heartbeat",
            [cost.us["haproxy"] for cost in balanced],
            yardsticks,
            unit="µs",
            yardstick_name="raw echo",
            note="there and back",
            generator_shares=[cost.load.generator_share for cost in balanced],
            processor_time=True,
        ),
    ]


async def measure_authorizations(bench: Bench) -> list[Figure]:
    """Gateway CPU per Authorize that is decided from memory and kept, beside a raw echo of it."""
    plan, cluster = bench.plan, bench.cluster
    # So many that none asks more often than a pod keeps decisions of one station.
    ids = await bench.register("FLEET-", plan.loaded_stations)
    known = await bench.api.post("/v1/id-tokens", json={"id_token": ID_TOKEN, "type": "ISO14443"})
    known.raise_for_status()
    send = partial(closed_loop, messages=authorizations(), in_flight=plan.in_flight)
    gateway = {"gateway": partial(cpu_s, cluster.gateway_pid)}
    echo = {"echo": partial(cpu_s, bench.echo.pid)}
    ours: list[Cost] = []
    raw: list[Cost] = []
    async with (
        fleet(bench.echo.url, ids, booted=False) as echoes,
        fleet(cluster.gateway_url, ids) as stations,
    ):
        await send(stations, seconds=_WARM_UP_S)
        for _ in range(plan.rounds):
            raw.append(await cost_of(send(echoes, seconds=plan.seconds), echo))
            ours.append(await cost_of(send(stations, seconds=plan.seconds), gateway))
    return [
        compare(
            "gateway CPU per Authorize",
            [cost.us["gateway"] for cost in ours],
            [cost.us["echo"] for cost in raw],
            unit="µs",
            yardstick_name="raw echo",
            note=f"decided from memory, and the decision kept; {plan.in_flight} in flight",
            generator_shares=[cost.load.generator_share for cost in ours],
            processor_time=True,
        )
    ]


async def measure_meter_values(bench: Bench) -> list[Figure]:
    """CPU per durable MeterValues: the gateway beside an echo, all beside the tutorial server."""
    plan, cluster = bench.plan, bench.cluster
    ids = await bench.register("BENCH-", plan.in_flight, secured=True)
    send = partial(closed_loop, messages=bench.meter_values, in_flight=plan.in_flight)
    postgres = partial(family_cpu_s, cluster.pid("postgres"))
    our_accounts = {
        "gateway": partial(cpu_s, cluster.gateway_pid),
        "Postgres": postgres,
        "Redis": partial(cpu_s, cluster.pid("redis")),
    }
    tutorial_accounts = {"tutorial": partial(cpu_s, bench.tutorial.pid), "Postgres": postgres}
    echo_accounts = {"echo": partial(cpu_s, bench.echo.pid)}
    ours: list[Cost] = []
    raw: list[Cost] = []
    tutorial: list[Cost] = []
    async with (
        fleet(bench.echo.url, ids, booted=False) as echoes,
        fleet(bench.tutorial.url, ids) as pupils,
        fleet(cluster.gateway_url, ids, PASSWORD) as stations,
    ):
        await send(stations, seconds=_WARM_UP_S)
        await send(pupils, seconds=_WARM_UP_S)
        for _ in range(plan.rounds):
            raw.append(await cost_of(send(echoes, seconds=plan.seconds), echo_accounts))
            ours.append(await cost_of(send(stations, seconds=plan.seconds), our_accounts))
            tutorial.append(await cost_of(send(pupils, seconds=plan.seconds), tutorial_accounts))
    shares = [cost.load.generator_share for cost in ours]
    return [
        compare(
            "gateway CPU per durable MeterValues",
            [cost.us["gateway"] for cost in ours],
            [cost.us["echo"] for cost in raw],
            unit="µs",
            yardstick_name="raw echo",
            goal=Goal(bound=3.0, stretch=2.2),
            note=f"5 samples, {plan.in_flight} in flight",
            generator_shares=shares,
            processor_time=True,
        ),
        compare(
            "CPU of all processes per durable MeterValues",
            [sum(cost.us.values()) for cost in ours],
            [sum(cost.us.values()) for cost in tutorial],
            unit="µs",
            yardstick_name="tutorial server",
            goal=Goal(bound=1 / 8, stretch=1 / 15),
            note=_split(ours[-1]) + "; tutorial: " + _split(tutorial[-1]),
            generator_shares=shares,
            processor_time=True,
        ),
    ]


async def measure_transaction_events(bench: Bench) -> list[Figure]:
    """Gateway CPU per durable TransactionEvent of OCPP 2.0.1, beside a raw echo of the same."""
    plan, cluster = bench.plan, bench.cluster
    ids = await bench.register("BENCH201-", plan.in_flight, secured=True)
    send = partial(closed_loop, messages=transaction_events(), in_flight=plan.in_flight)
    gateway = {"gateway": partial(cpu_s, cluster.gateway_pid)}
    echo = {"echo": partial(cpu_s, bench.echo.pid)}
    ours: list[Cost] = []
    raw: list[Cost] = []
    async with (
        fleet(bench.echo.url, ids, booted=False) as echoes,
        fleet(cluster.gateway_url, ids, PASSWORD, subprotocol="ocpp2.0.1") as stations,
    ):
        for station in stations:
            await station.ask(TRANSACTION_STARTED, timeout_s=_ANSWER_TIMEOUT_S)
        await send(stations, seconds=_WARM_UP_S)
        for _ in range(plan.rounds):
            raw.append(await cost_of(send(echoes, seconds=plan.seconds), echo))
            ours.append(await cost_of(send(stations, seconds=plan.seconds), gateway))
    return [
        compare(
            "gateway CPU per durable TransactionEvent",
            [cost.us["gateway"] for cost in ours],
            [cost.us["echo"] for cost in raw],
            unit="µs",
            yardstick_name="raw echo",
            note=f"OCPP 2.0.1, Updated with 5 samples, {plan.in_flight} in flight",
            generator_shares=[cost.load.generator_share for cost in ours],
            processor_time=True,
        )
    ]


async def measure_throughput(bench: Bench) -> list[Figure]:
    """Durable MeterValues per second, one gateway beside the tutorial server."""
    plan, cluster = bench.plan, bench.cluster
    ids = await bench.register("FLEET-", plan.loaded_stations)
    send = partial(closed_loop, messages=bench.meter_values, in_flight=plan.loaded_stations)
    ours: list[Load] = []
    tutorial: list[Load] = []
    async with (
        fleet(bench.tutorial.url, ids) as pupils,
        fleet(cluster.gateway_url, ids) as stations,
    ):
        for _ in range(plan.rounds):
            tutorial.append(await send(pupils, seconds=plan.seconds))
            ours.append(await send(stations, seconds=plan.seconds))
    return [
        compare(
            "durable MeterValues per second, one gateway",
            [load.rate_per_s for load in ours],
            [load.rate_per_s for load in tutorial],
            unit="/s",
            yardstick_name="tutorial server",
            goal=Goal(bound=15, stretch=30, at_least=True),
            note=f"{plan.loaded_stations} in flight",
            generator_shares=[load.generator_share for load in ours],
        )
    ]


def _split(cost: Cost) -> str:
    return ", ".join(f"{name} {us:.0f}" for name, us in cost.us.items())
