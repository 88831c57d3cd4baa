"""The central system of every tutorial: `ocpp`'s ChargePoint, and one INSERT per message.

It authenticates nobody and tells retries from nothing. What it keeps is durable, though: the
station is answered after the commit, as ours is. It runs on uvloop, so that what it is slower by is
not the event loop's.
"""

import asyncio
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvloop
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call_result
from ocpp.v16.enums import Action, RegistrationStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

DATABASE_URL = "TUTORIAL_DATABASE_URL"
_POOL_SIZE = 10
_TABLE = """
CREATE TABLE IF NOT EXISTS tutorial_meter_values (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id      text NOT NULL,
    connector_id    integer NOT NULL,
    transaction_id  integer,
    meter_value     jsonb NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now()
)
"""
_INSERT = """
INSERT INTO tutorial_meter_values (station_id, connector_id, transaction_id, meter_value)
VALUES ($1, $2, $3, $4)
"""


class ChargePoint(OcppChargePoint):  # type: ignore[misc]  # the package has no types
    """One station.

    Args:
        station_id: who it is.
        connection: its WebSocket.
        db: where meter values go.
    """

    def __init__(
        self, station_id: str, connection: ServerConnection, db: "asyncpg.Pool[asyncpg.Record]"
    ) -> None:
        super().__init__(station_id, connection)
        self._db = db

    @on(Action.boot_notification)  # type: ignore[untyped-decorator]  # likewise
    async def on_boot_notification(self, **_: str) -> call_result.BootNotification:
        """Accept the station."""
        return call_result.BootNotification(
            current_time=datetime.now(UTC).isoformat(),
            interval=300,
            status=RegistrationStatus.accepted,
        )

    @on(Action.meter_values)  # type: ignore[untyped-decorator]  # likewise
    async def on_meter_values(
        self,
        connector_id: int,
        meter_value: list[dict[str, Any]],
        transaction_id: int | None = None,
    ) -> call_result.MeterValues:
        """Keep meter values, then answer."""
        await self._db.execute(
            _INSERT, self.id, connector_id, transaction_id, json.dumps(meter_value)
        )
        return call_result.MeterValues()


async def _serve(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=_POOL_SIZE) as db:
        await db.execute(_TABLE)

        async def on_connect(websocket: ServerConnection) -> None:
            if websocket.request is None:
                raise RuntimeError("a connection without a request")
            station_id = websocket.request.path.rpartition("/")[2]
            with suppress(ConnectionClosed):
                await ChargePoint(station_id, websocket, db).start()

        async with serve(
            on_connect, "127.0.0.1", 0, compression=None, subprotocols=[Subprotocol("ocpp1.6")]
        ) as server:
            (listening,) = server.sockets
            print(json.dumps({"port": listening.getsockname()[1], "pid": os.getpid()}), flush=True)
            await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve on a free port of the loopback address until killed."""
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(os.environ[DATABASE_URL]))


if __name__ == "__main__":
    main()
