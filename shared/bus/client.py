"""Connections to Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import redis.asyncio
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.bus.cluster import SCHEME, open_cluster
from shared.domain.errors import UnavailableError
from shared.settings import ServiceSettings


@asynccontextmanager
async def open_redis(settings: ServiceSettings) -> AsyncIterator[Redis]:
    """Hold a client for as long as the context lasts.

    It does not connect yet: Redis may be away when a process starts, and comes back later.

    Raises:
        ValueError: `redis_url` is no URL of a Redis or of a Redis Cluster.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": settings.redis_timeout_s,
        "socket_connect_timeout": settings.redis_timeout_s,
        "health_check_interval": 0,
    }
    if SCHEME in settings.redis_url:
        cluster = open_cluster(settings.redis_url, options)
        try:
            # The two have no common type; all that the bus does is tried on both.
            yield cast("Redis", cluster)
        finally:
            await cluster.shut_down()
        return
    client = redis.asyncio.from_url(
        settings.redis_url,
        # A connection that Redis closed while it was idle is opened again, once, at once.
        retry=Retry(NoBackoff(), 1),
        **options,
    )
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def subscribed(
    client: Redis, channel: str, *, what: str, timeout_s: float
) -> AsyncIterator[PubSub]:
    """Hold a subscription that Redis has confirmed.

    Args:
        client: Redis.
        channel: where.
        what: what is heard there, to go into messages: "outcomes".
        timeout_s: how long Redis may take to confirm it.

    Raises:
        UnavailableError: Redis did not answer.
    """
    with redis_errors_as_unavailable(f"subscribing to {what}"):
        await client.initialize()  # a cluster has to be known for a node of it to be chosen
        pubsub = client.pubsub()
    async with pubsub:
        with redis_errors_as_unavailable(f"subscribing to {what}"):
            await pubsub.subscribe(channel)
            if await pubsub.get_message(timeout=timeout_s) is None:
                raise UnavailableError(f"Redis did not confirm the subscription to {what}")
        yield pubsub


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
    except (redis.exceptions.ClusterError, redis.exceptions.SlotNotCoveredError) as error:
        raise UnavailableError(
            f"The Redis Cluster is changing or broken ({doing}): {error}"
        ) from error
    except redis.exceptions.AskError as error:  # and MOVED: a cluster's client follows them
        raise UnavailableError(
            f"This Redis is a node of a Redis Cluster ({doing}): write "
            f"redis{SCHEME}host:port into VOLTARO_REDIS_URL"
        ) from error
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
