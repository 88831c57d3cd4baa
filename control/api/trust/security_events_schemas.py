"""Security events in the words of the API."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class SecurityEvent(BaseModel):
    """Something that concerned a station's security."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "security_event_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
                    "station_id": "CS-0001",
                    "type": "InvalidFirmwareSignature",
                    "occurred_at": "2025-06-01T09:00:00Z",
                    "tech_info": "cs-2.4.1.bin",
                    "received_at": "2025-06-01T09:00:00.4Z",
                }
            ]
        },
    )

    security_event_id: str
    station_id: str
    type: str = Field(description="in the words of OCPP 2.0.1, or the station's own")
    occurred_at: datetime = Field(description="by the station's clock")
    tech_info: str | None
    received_at: datetime
