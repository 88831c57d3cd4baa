"""A fleet that comes back all at once, as after a power cut or the loss of a pod."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence

from loadtest.bench.context import PASSWORD, Bench
from loadtest.bench.figures import Figure, Goal, Judged, compare
from loadtest.bench.fleet import HANDSHAKES_AT_ONCE, boot, connect, for_each
from loadtest.bench.messages import STATUSES
from loadtest.bench.websocket import HandshakeRefusedError, StationSocket, open_socket

_ANSWER_TIMEOUT_S = 60.0
_ATTEMPTS = 5


async def measure(bench: Bench) -> list[Figure]:
    """Stations per second through a storm, beside raw handshakes per second of the same client.

    A storm is: connect, authenticate, boot, two status messages. The first one meets a gateway that
    has not seen these passwords and has to hash each; the second one a gateway that has. Raw
    handshakes are measured before, between and after.
    """
    plan = bench.plan
    ids = await bench.register("STORM-", plan.storm_stations, secured=True)
    refused: Counter[str] = Counter()
    raw = [await _raw_rate(bench, ids)]
    storms = []
    for _ in range(2):
        storms.append(await _storm_rate(bench, ids, refused))
        raw.append(await _raw_rate(bench, ids))
    cold, warm = storms
    note = f"{plan.storm_stations:,} stations, {HANDSHAKES_AT_ONCE} at a time"
    twice = sum(1 for times in refused.values() if times > 1)
    return [
        compare(
            "boot storm, passwords new to the gateway",
            [cold],
            [statistics.median(raw)],
            unit="stations/s",
            yardstick_name="raw handshakes",
            goal=Goal(bound=0.5, at_least=True),
            note=note,
        ),
        compare(
            "boot storm, passwords known",
            [warm],
            [statistics.median(raw)],
            unit="stations/s",
            yardstick_name="raw handshakes",
            goal=Goal(bound=0.5, at_least=True),
            note=note,
        ),
        compare(
            "stations refused twice in a boot storm",
            [twice],
            [plan.storm_stations],
            unit="stations",
            yardstick_name="all stations",
            goal=Goal(bound=0.0, of=Judged.VALUE),
            note=f"refused at all: {len(refused):,}",
        ),
    ]


async def _raw_rate(bench: Bench, station_ids: Sequence[str]) -> float:
    began_s = time.perf_counter()
    stations = await connect(bench.echo.url, station_ids)
    seconds = time.perf_counter() - began_s
    await for_each(stations, StationSocket.close)
    return len(station_ids) / seconds


async def _storm_rate(bench: Bench, station_ids: Sequence[str], refused: Counter[str]) -> float:
    async def come(station_id: str) -> StationSocket:
        station = await _connect(bench.cluster.gateway_url, station_id, refused)
        await boot(station)
        for status in STATUSES:
            await station.ask(status, timeout_s=_ANSWER_TIMEOUT_S)
        return station

    began_s = time.perf_counter()
    stations = await for_each(station_ids, come)
    seconds = time.perf_counter() - began_s
    await for_each(stations, StationSocket.close)
    return len(station_ids) / seconds


async def _connect(url: str, station_id: str, refused: Counter[str]) -> StationSocket:
    """Connect; who is refused comes back when told to."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await open_socket(url, station_id, PASSWORD)
        except HandshakeRefusedError as error:
            refused[station_id] += 1
            await asyncio.sleep(error.retry_after_s)
    return await open_socket(url, station_id, PASSWORD)
