"""Quirks in the words of the API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.stations.quirks import QuirkKind

_EXAMPLE: dict[str, Any] = {
    "quirk_id": "01975b7e-7f1c-7a60-b0f5-3a1a2f9d6c11",
    "vendor": "VendorX",
    "model": "Duo 22",
    "firmware_version": "2.4.1",
    "ocpp_version": "1.6",
    "action": "MeterValues",
    "kind": "wrong_case",
    "member": "meterValue.sampledValue.unit",
    "count": 5210,
    "first_seen_at": "2025-06-01T08:30:00Z",
    "last_seen_at": "2025-06-03T17:02:10Z",
    "last_station_id": "CS-0001",
    "example": "KWH",
}


class Quirk(BaseModel):
    """Something that the stations of one firmware say otherwise than OCPP has it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    quirk_id: UUID
    vendor: str = Field(description="empty if its stations have not told it")
    model: str
    firmware_version: str
    ocpp_version: str
    action: str = Field(
        description="the message; ending in Response for an answer of the station, empty for what "
        "is the same in many"
    )
    kind: QuirkKind = Field(description="what is off; all but `refused` are understood")
    member: str = Field(description="where, without positions in lists; empty for the whole")
    count: int = Field(description="how many times")
    first_seen_at: datetime
    last_seen_at: datetime
    last_station_id: str
    example: str = Field(description="what stood there once, shortened; never an id token")
