"""Connections to Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import redis.asyncio
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.domain.errors import UnavailableError
from shared.settings import ServiceSettings


@asynccontextmanager
async def open_redis(settings: ServiceSettings) -> AsyncIterator[Redis]:
    """Hold a client for as long as the context lasts.

    It does not connect yet: Redis may be away when a process starts, and comes back later.
    """
    client = redis.asyncio.from_url(
        settings.redis_url,
        decode_responses=True,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=settings.redis_timeout_s,
        # A connection that Redis closed while it was idle is opened again, once, at once.
        retry=Retry(NoBackoff(), 1),
        health_check_interval=0,
    )
    try:
        yield client
    finally:
        await client.aclose()


@contextmanager
def redis_errors_as_unavailable(doing: str) -> Iterator[None]:
    """Turn whatever says that Redis is away into `UnavailableError`.

    A task that was cancelled meanwhile ends here, even if the operation went well: the client sends
    through `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes together
    with the result, and a loop over Redis would never end.

    Args:
        doing: what was tried, to go into the message: "looking up the owner of station X".
    """
    try:
        yield
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        raise UnavailableError(f"Redis did not answer while {doing}: {error}") from error
    except redis.exceptions.BusyLoadingError as error:
        raise UnavailableError(f"Redis is still starting ({doing})") from error
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def is_reachable(client: Redis) -> bool:
    """Tell whether Redis answers now."""
    try:
        with redis_errors_as_unavailable("checking that it is there"):
            await client.ping()
    except UnavailableError:
        return False
    return True
