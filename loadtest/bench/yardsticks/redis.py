"""Redis as its own counters tell, and its round trip."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio

# Ours, and what a client says when it connects.
_NOT_COUNTED = {"info", "ping", "hello", "auth", "client|setinfo", "client|setname"}


class RawRedis:
    """One client, made by `raw_redis`."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client

    async def version(self) -> str:
        """Return the server's version."""
        return str((await self._client.info("server"))["redis_version"])

    async def operations(self) -> int:
        """Return how many operations Redis has carried out since it started."""
        statistics = await self._client.info("commandstats")
        return sum(
            int(command["calls"])
            for name, command in statistics.items()
            if name.removeprefix("cmdstat_") not in _NOT_COUNTED
        )

    async def ping(self, count: int) -> list[float]:
        """Ping so many times, one after another, and return what each took in seconds."""
        took_s = []
        for _ in range(count):
            began_s = time.perf_counter()
            await self._client.ping()
            took_s.append(time.perf_counter() - began_s)
        return took_s


@asynccontextmanager
async def raw_redis(url: str) -> AsyncIterator[RawRedis]:
    """Hold a client for as long as the context lasts."""
    client = redis.asyncio.from_url(url)
    try:
        yield RawRedis(client)
    finally:
        await client.aclose()
