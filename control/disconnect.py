"""Gives up on work whose caller has gone away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

Result = TypeVar("Result")


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns, unless the caller closes the connection before.

    Args:
        request: whose body has been read.
        work: cancelled when the caller has gone.

    Raises:
        ClientDisconnect: nobody is there any more to read an answer.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(disconnected(request.receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def disconnected(receive: Receive) -> None:
    """Return when the caller has closed the connection.

    Args:
        receive: of a request whose body nobody wants.
    """
    while (await receive())["type"] != "http.disconnect":
        pass
