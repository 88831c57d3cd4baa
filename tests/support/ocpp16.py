"""What a station of OCPP 1.6 says, as a test plays it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.stations import StationClient

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def authorize(station: StationClient, id_tag: str) -> dict[str, Any]:
    """Show an id tag; return the answer's idTagInfo."""
    frame = await station.call("Authorize", {"idTag": id_tag})
    assert frame[0] == 3, frame
    return dict(frame[2]["idTagInfo"])


async def start(
    station: StationClient, id_tag: str, *, minute: int = 0, connector_id: int = 1
) -> tuple[str, int]:
    """Tell a start, so many minutes after noon; return the answer's status and transaction id."""
    payload = {
        "connectorId": connector_id,
        "idTag": id_tag,
        "meterStart": 1000,
        "timestamp": (NOON + timedelta(minutes=minute)).isoformat(),
    }
    frame = await station.call("StartTransaction", payload)
    assert frame[0] == 3, frame
    return frame[2]["idTagInfo"]["status"], frame[2]["transactionId"]


async def stop(station: StationClient, transaction_id: int, id_tag: str | None = None) -> Any:
    """Tell the end of a transaction; return the answer's payload."""
    payload = {
        "transactionId": transaction_id,
        "meterStop": 2000,
        "timestamp": (NOON + timedelta(hours=5)).isoformat(),
    }
    frame = await station.call(
        "StopTransaction", payload if id_tag is None else {**payload, "idTag": id_tag}
    )
    assert frame[0] == 3, frame
    return frame[2]
