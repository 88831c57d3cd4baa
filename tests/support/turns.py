"""How long a turn of the event loop takes."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class LongestTurn:
    """The longest turn of the event loop, in processor time, so that other processes count not."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        while True:
            began_s = time.thread_time()
            await asyncio.sleep(0)
            self.longest_s = max(self.longest_s, time.thread_time() - began_s)


@asynccontextmanager
async def watching() -> AsyncIterator[LongestTurn]:
    turn = LongestTurn()
    gc.disable()  # a pod spares itself the walk through all that a test process holds
    task = asyncio.create_task(turn.watch())
    try:
        yield turn
    finally:
        gc.enable()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
