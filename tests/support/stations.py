"""A station as a test plays it: frames out, frames in, over a real WebSocket."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from argon2 import PasswordHasher
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions import ClientExtensionFactory

from shared.domain.stations.passwords import to_be_hashed
from shared.domain.stations.stations import RegistrationStatus, SecurityProfile
from shared.store.pool import Database
from shared.store.stations import stations

PASSWORD = "a-password-of-20-char"


def hash_cheaply(password: str) -> str:
    """Return the hash of a password that lives for a second."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return hasher.hash(to_be_hashed(password))


_PASSWORD_HASH = hash_cheaply(PASSWORD)


async def register(
    db: Database,
    station_id: str = "CP-1",
    *,
    security_profile: SecurityProfile = SecurityProfile.BASIC_AUTHENTICATION,
    registration_status: RegistrationStatus = RegistrationStatus.ACCEPTED,
) -> str:
    """Register a station with `PASSWORD` and return its id."""
    await stations.create(
        db,
        station_id=station_id,
        name=None,
        security_profile=security_profile,
        password_hash=_PASSWORD_HASH,
        registration_status=registration_status,
        heartbeat_interval_s=None,
    )
    return station_id


def basic_auth(user_name: str, password: str = PASSWORD) -> dict[str, str]:
    """Return the Authorization header."""
    token = base64.b64encode(f"{user_name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


class StationClient:
    """Sends frames and reads what comes back; message ids count up as real stations' do."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self._message_id = 0

    async def send(self, frame: Any) -> None:
        """Send a frame, or a string as it stands."""
        await self.websocket.send(
            frame if isinstance(frame, str) else msgspec.json.encode(frame).decode()
        )

    async def receive(self) -> Any:
        """Return the next frame."""
        return msgspec.json.decode(await self.websocket.recv())

    async def call(self, action: str, payload: dict[str, Any], *, message_id: str = "") -> Any:
        """Send a CALL and return the frame that answers it."""
        self._message_id += 1
        message_id = message_id or str(self._message_id)
        await self.send([2, message_id, action, payload])
        frame = await self.receive()
        assert frame[1] == message_id
        return frame

    async def boot(self) -> dict[str, Any]:
        """Boot and return the answer's payload."""
        payload = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        frame = await self.call("BootNotification", payload)
        return frame[2]


@asynccontextmanager
async def station_client(
    url: str, station_id: str = "CP-1", *, subprotocol: str = "ocpp1.6", password: str = PASSWORD
) -> AsyncIterator[StationClient]:
    """Connect as a station to `url`, which ends in `/ocpp`."""
    async with connect(
        f"{url}/{station_id}",
        subprotocols=[subprotocol],
        additional_headers=basic_auth(station_id, password),
    ) as websocket:
        yield StationClient(websocket)


@asynccontextmanager
async def plain_client(
    url: str, *, extensions: Sequence[ClientExtensionFactory] | None = None
) -> AsyncIterator[StationClient]:
    """Connect as CP-1 to `url`, offering these extensions and no others."""
    async with connect(
        f"{url}/CP-1",
        subprotocols=["ocpp1.6"],
        additional_headers=basic_auth("CP-1"),
        compression=None,
        extensions=extensions,
    ) as websocket:
        yield StationClient(websocket)
