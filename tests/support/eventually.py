"""Waiting for what happens soon, but not at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def eventually(
    look: Callable[[], Awaitable[Value]],
    satisfied: Callable[[Value], bool],
    *,
    timeout_s: float = 10.0,
) -> Value:
    """Look until what is seen satisfies, and return it; fail saying what was seen last."""
    value = None
    try:
        async with asyncio.timeout(timeout_s):
            while not satisfied(value := await look()):  # noqa: ASYNC110 - servers set no Event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"after {timeout_s:g} s still {value!r}") from None
    return value
