import asyncio
from contextlib import suppress

import pytest
import redis.exceptions

from shared.bus.client import open_redis, redis_errors_as_unavailable
from shared.domain.errors import UnavailableError
from shared.settings import ServiceSettings


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.ConnectionError("gone"),
        redis.exceptions.TimeoutError("late"),
        redis.exceptions.BusyLoadingError("loading"),
        OSError("unreachable"),
    ],
)
def test_whatever_says_that_redis_is_away_is_one_error(error: Exception) -> None:
    with pytest.raises(UnavailableError, match="looking"), redis_errors_as_unavailable("looking"):
        raise error


async def test_a_cancellation_that_the_client_swallowed_is_raised_again() -> None:
    async def loop_over_redis() -> None:
        while True:
            # As wait_for of Python 3.11 does when result and cancellation coincide.
            with redis_errors_as_unavailable("reading"), suppress(asyncio.CancelledError):
                await asyncio.sleep(10)

    task = asyncio.create_task(loop_over_redis())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()


async def test_no_connection_looks_up_which_version_of_its_client_it_is() -> None:
    settings = ServiceSettings(database_url="postgresql://unused", redis_url="redis://unused")
    async with open_redis(settings) as one, open_redis(settings) as other:
        (known, *others) = (
            client.connection_pool.make_connection().driver_info for client in (one, one, other)
        )
    assert known.lib_version == redis.__version__
    assert all(each is known for each in others)
