"""What a station of OCPP 2.0.1 says, as a test plays it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.stations import StationClient, station_client

NOW = "2026-01-02T03:04:05Z"
BOOT = {
    "chargingStation": {
        "vendorName": "Vendor",
        "model": "Model",
        "serialNumber": "SN-1",
        "firmwareVersion": "1.2",
        "modem": {"iccid": "89", "imsi": "26"},
    },
    "reason": "PowerUp",
}


async def tell(station: StationClient, action: str, payload: dict[str, Any]) -> Any:
    """Send what has to be answered with a CALLRESULT, and return the answer's payload."""
    frame = await station.call(action, payload)
    assert frame[0] == 3, frame
    return frame[2]


@asynccontextmanager
async def booted_station(url: str, station_id: str = "CP-1") -> AsyncIterator[StationClient]:
    """Connect as a station that is registered and accepted."""
    async with station_client(url, station_id, subprotocol="ocpp2.0.1") as client:
        assert (await tell(client, "BootNotification", BOOT))["status"] == "Accepted"
        yield client


def meter_value(value: Any, *, timestamp: str = NOW, **words: Any) -> dict[str, Any]:
    """Return a MeterValueType of one sample."""
    return {"timestamp": timestamp, "sampledValue": [{"value": value, **words}]}
