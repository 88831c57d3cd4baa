"""Stations that behave, beside those that do not, and how long they have to wait."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.sockets import Socket
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD


@dataclass
class Others:
    """How long stations that behave wait for an answer, in seconds."""

    waits_s: list[float] = field(default_factory=list)

    longest_s: float = 0.0

    def p99_s(self) -> float:
        return sorted(self.waits_s)[int(0.99 * len(self.waits_s))]

    def forget(self) -> None:
        """Forget all but the longest."""
        self.waits_s.clear()


async def keep_asking(socket: Socket, others: Others) -> None:
    """Say something again and again that has to be stored."""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    while True:
        began = time.monotonic()
        await socket.call("StatusNotification", payload)
        waited_s = time.monotonic() - began
        others.waits_s.append(waited_s)
        others.longest_s = max(others.longest_s, waited_s)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def asking(sockets: list[Socket]) -> AsyncIterator[Others]:
    others = Others()
    tasks = [asyncio.create_task(keep_asking(socket, others)) for socket in sockets]
    try:
        yield others
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def register(cluster: Cluster, station_ids: list[str]) -> None:
    """Register stations with the password of `tests.support.stations`."""
    for station_id in station_ids:
        created = await cluster.api.post(
            "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
        )
        created.raise_for_status()
