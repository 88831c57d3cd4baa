"""Fleets: many stations connected, and booted, so many at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from loadtest.bench.messages import BOOT, BOOT_201
from loadtest.bench.websocket import StationSocket, open_socket

_ANSWER_TIMEOUT_S = 60.0
_BOOTS = {"ocpp1.6": BOOT, "ocpp2.0.1": BOOT_201}
HANDSHAKES_AT_ONCE = 100

Item = TypeVar("Item")
Result = TypeVar("Result")


@asynccontextmanager
async def fleet(
    url: str,
    station_ids: Sequence[str],
    password: str | None = None,
    *,
    booted: bool = True,
    subprotocol: str = "ocpp1.6",
) -> AsyncIterator[list[StationSocket]]:
    """Hold the connections of stations while the context lasts.

    Args:
        url: of the server; ends in `/ocpp`.
        station_ids: who connects.
        password: of each of them, or None to send none.
        booted: whether they also boot, so that the gateway listens to everything else.
        subprotocol: what they speak.
    """
    stations = await for_each(
        station_ids, lambda each: open_socket(url, each, password, subprotocol=subprotocol)
    )
    try:
        if booted:
            await for_each(stations, partial(_boot, _BOOTS[subprotocol]))
        yield stations
    finally:
        await for_each(stations, StationSocket.close)


async def connect(
    url: str, station_ids: Sequence[str], password: str | None = None
) -> list[StationSocket]:
    """Connect stations and return their connections."""
    return await for_each(station_ids, lambda each: open_socket(url, each, password))


async def boot(station: StationSocket) -> None:
    """Boot one station of OCPP 1.6."""
    await _boot(BOOT, station)


async def _boot(message: bytes, station: StationSocket) -> None:
    await station.ask(message, timeout_s=_ANSWER_TIMEOUT_S)


async def for_each(
    items: Sequence[Item],
    do: Callable[[Item], Awaitable[Result]],
    *,
    at_once: int = HANDSHAKES_AT_ONCE,
) -> list[Result]:
    """Do something with each item, with so many at a time; results are in no order."""
    results: list[Result] = []
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            results.append(await do(item))  # noqa: PERF401 - shared by all who work

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(at_once, len(items))):
            tasks.create_task(work())
    return results
