"""How long the list of stations takes when there are many."""

import time

from loadtest.bench.context import Bench
from loadtest.bench.figures import Figure, Goal, Judged, compare, quantile

_MS = 1e3
_LIMIT = 100


async def measure(bench: Bench) -> list[Figure]:
    """p95 of a page of the API's list, beside the same rows read by `asyncpg` alone.

    Half of the stations count as online, so that their owners are looked up as well.
    """
    plan = bench.plan
    await _register(bench)
    ours: list[list[float]] = []
    raw: list[list[float]] = []
    for _ in range(plan.rounds):
        raw.append(await _read_rows(bench, plan.pages // plan.rounds))
        ours.append(await _read_list(bench, plan.pages // plan.rounds))
    return [
        compare(
            "control API, list of stations p95",
            [quantile(took, 0.95) * _MS for took in ours],
            [quantile(took, 0.95) * _MS for took in raw],
            unit="ms",
            yardstick_name="the rows alone",
            goal=Goal(bound=50.0, stretch=20.0, of=Judged.VALUE),
            note=f"{plan.listed_stations:,} stations, pages of {_LIMIT}",
        )
    ]


async def _read_rows(bench: Bench, pages: int) -> list[float]:
    """Read pages one after another; return what each took in seconds."""
    took_s = []
    after: str | None = None
    for _ in range(pages):
        seconds, after = await bench.postgres.read_page(after or "", _LIMIT)
        took_s.append(seconds)
    return took_s


async def _read_list(bench: Bench, pages: int) -> list[float]:
    """Do the same through the API."""
    took_s = []
    parameters: dict[str, str | int] = {"limit": _LIMIT}
    for _ in range(pages):
        began_s = time.perf_counter()
        answer = await bench.api.get("/v1/stations", params=parameters)
        took_s.append(time.perf_counter() - began_s)
        answer.raise_for_status()
        parameters["cursor"] = answer.json()["next_cursor"]
    return took_s


async def _register(bench: Bench) -> None:
    await bench.register("LIST-", bench.plan.listed_stations)
    # Of the living pod, as the worker puts stations of dead ones offline.
    await bench.postgres.execute(
        """
        UPDATE stations
        SET vendor = 'Bench', model = 'B1', firmware_version = '1.0', ocpp_version = '1.6',
            booted_at = now(), connected_at = now(), epoch = 1,
            online = right(station_id, 1) < '5',
            pod_id = (SELECT pod_id FROM pods ORDER BY started_at DESC LIMIT 1)
        WHERE station_id LIKE 'LIST-%'
        """
    )
    await bench.postgres.execute("VACUUM ANALYZE stations")
