"""Looking at a cluster whose processes are being killed."""

import asyncpg
import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_cluster import Cluster

_READY_TIMEOUT_S = 60.0


async def wait_until_ready(cluster: Cluster, name: str, *, not_pid: int) -> None:
    """Wait until the process that replaces `not_pid` serves."""

    async def replaced() -> bool:
        return cluster.pids.get(name) not in {not_pid, None} and await _serves(cluster, name)

    await eventually(replaced, bool, timeout_s=_READY_TIMEOUT_S)


async def _serves(cluster: Cluster, name: str) -> bool:
    if name == "postgres":
        try:
            connection = await asyncpg.connect(cluster.database_url, timeout=1)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True
    if name == "redis":
        redis = Redis.from_url(cluster.redis_url)
        try:
            return bool(await redis.ping())
        except RedisError:
            return False
        finally:
            await redis.aclose()
    async with http_client() as client:
        try:
            return (await client.get(f"{cluster.management_urls[name]}/readyz")).is_success
        except httpx.TransportError:
            return False
