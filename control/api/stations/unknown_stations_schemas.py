"""Unknown stations in the words of the API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0042",
    "address": "203.0.113.17",
    "user_agent": "VendorX/2.4.1",
    "subprotocols": ["ocpp1.6"],
    "first_seen_at": "2025-06-01T08:30:00Z",
    "last_seen_at": "2025-06-01T08:41:30Z",
    "attempts": 12,
}


class UnknownStation(BaseModel):
    """A station that tried to connect and is not registered.

    All of it is what somebody claims who has proven nothing.
    """

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    station_id: str
    address: str = Field(description="the last one it came from")
    user_agent: str | None
    subprotocols: list[str] = Field(description="the versions of OCPP that it offers")
    first_seen_at: datetime
    last_seen_at: datetime
    attempts: int = Field(description="those that were refused for failing too often not counted")
