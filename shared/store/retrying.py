"""Trying again what failed for no fault of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.domain.errors import VoltaroError
from shared.store.judgement import Judgement, judge

Result = TypeVar("Result")

# A server that ends a connection has another one within milliseconds; who needs longer is away.
RETRY_DELAYS_S = (0.0, 0.05, 0.2)


async def try_again(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do something with the database, and again on a fresh connection if a connection failed.

    For what may be done twice. What Postgres refuses, what waits for a lock and what took too long
    is not tried again: that would take as long.

    Raises:
        Exception: what the last try raised.
    """
    for delay_s in RETRY_DELAYS_S:
        try:
            return await work()
        except Exception as error:
            if not may_be_the_connection(error):
                raise
        await asyncio.sleep(delay_s)
    return await work()


def may_be_the_connection(error: Exception) -> bool:
    """Tell whether a fresh connection may help, soon enough to wait for it."""
    if isinstance(error, VoltaroError | TimeoutError):
        return False
    return judge(error) in {Judgement.AWAY, Judgement.UNCLEAR}
