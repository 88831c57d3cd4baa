"""A `websockets` echo server and nothing else, on the event loop that the gateway has."""

import asyncio
import json
import os
from contextlib import suppress

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol


async def _echo(websocket: ServerConnection) -> None:
    async for message in websocket:
        await websocket.send(message)


async def _serve() -> None:
    async with serve(
        _echo, "127.0.0.1", 0, compression=None, subprotocols=[Subprotocol("ocpp1.6")]
    ) as server:
        (listening,) = server.sockets
        print(json.dumps({"port": listening.getsockname()[1], "pid": os.getpid()}), flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Echo on a free port of the loopback address until killed."""
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve())


if __name__ == "__main__":
    main()
