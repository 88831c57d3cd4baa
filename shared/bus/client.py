"""Connections to Redis."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import redis.asyncio
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo

from shared.bus import keys
from shared.bus.cluster import SCHEME, keys_on_masters, open_cluster
from shared.domain.errors import UnavailableError
from shared.settings import ServiceSettings

PROBE_MS = 1000
"""How long a probe is kept."""
_SCRIPT = re.compile(r"\s+script: [0-9a-f]{40}, on .*", re.DOTALL)
_CAUSED = " of pipeline caused error: "
# Else each connection reads from the disk, for 5 ms, which version of the client it is.
_DRIVER = DriverInfo()


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
        "driver_info": _DRIVER,
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
        # A connection that Redis closed while it was idle is opened again, once, at once. Not after
        # a time-out: what was sent may have been carried out, and would be a second time.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,)),
        **options,
    )
    _leave_replicas(client.connection_pool)
    try:
        yield client
    finally:
        await client.aclose()


def _leave_replicas(pool: ConnectionPool) -> None:
    """Have connections closed after use whose Redis has become a replica.

    After a fail-over the name of the Redis means another server, and connections stay with the old
    one for as long as it lives.
    """

    class Leaving(pool.connection_class):  # type: ignore[misc, name-defined]  # known at run time
        async def read_response(self, *args: object, **options: object) -> object:
            try:
                return await super().read_response(*args, **options)
            except redis.exceptions.ReadOnlyError:
                self.mark_for_reconnect()
                raise

    pool.connection_class = Leaving


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
    """Turn whatever says that Redis is away, or does not do its work, into `UnavailableError`.

    What Redis answers instead of doing what it was asked tells of its own state (READONLY, OOM,
    NOREPLICAS, UNBLOCKED, MISCONF, LOADING, NOPERM, and those of versions to come), of a script
    that blocks it, or of a key that somebody else wrote. None of that is a reason for a process of
    ours to end: it goes on without Redis, and tries again.

    A task that was cancelled meanwhile ends here, even if the operation went well: the client sends
    through `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes together
    with the result, and a loop over Redis would never end.

    Args:
        doing: what was tried, to go into the message: "looking up the owner of station X".
    """
    try:
        yield
    except redis.exceptions.BusyLoadingError as error:
        raise UnavailableError(f"Redis is still starting ({doing})") from error
    except redis.exceptions.AuthenticationError as error:
        raise UnavailableError(
            f"Redis lets nobody in with these credentials ({doing}): {_words(error)}"
        ) from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        raise UnavailableError(f"Redis did not answer while {doing}: {_words(error)}") from error
    except redis.exceptions.AskError as error:  # and MOVED: a cluster's client follows them
        raise UnavailableError(
            f"This Redis is a node of a Redis Cluster ({doing}): write "
            f"redis{SCHEME}host:port into VOLTARO_REDIS_URL"
        ) from error
    except redis.exceptions.MasterDownError as error:
        raise UnavailableError(f"Redis has no master ({doing}): {_words(error)}") from error
    except (
        redis.exceptions.ClusterError,
        redis.exceptions.TryAgainError,
        redis.exceptions.RedisClusterException,
    ) as error:
        raise UnavailableError(
            f"The Redis Cluster is changing or broken ({doing}): {_words(error)}"
        ) from error
    except (redis.exceptions.ResponseError, redis.exceptions.InvalidResponse) as error:
        raise UnavailableError(f"Redis refused while {doing}: {_words(error)}") from error
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _words(error: Exception) -> str:
    """Return what Redis said: its code, and no script of ours."""
    words = str(error)
    # A pipeline's error holds the command before it, and Redis' own words as a tuple.
    _, caused, told = words.partition(_CAUSED)
    if caused:
        words = told.removeprefix("(").removesuffix(")").rstrip(",").strip("'\"")
    # A script's error holds its digest and line after it.
    words = _SCRIPT.sub("", words)
    code = getattr(error, "status_code", None)
    return f"{code} {words}" if code else words


async def require_writable(client: Redis) -> bool:
    """Return True if Redis takes writes now, on each master that it has.

    Raises:
        UnavailableError: it does not; the message says why.
    """
    with redis_errors_as_unavailable("checking that it takes writes"):
        await client.initialize()  # a cluster has to be known for its masters to be named
        names = keys_on_masters(client, lambda node, number: keys.probe(f"{node}#{number}"))
        for key in names or [keys.probe("redis")]:
            await client.set(key, "1", px=PROBE_MS)
    return True
