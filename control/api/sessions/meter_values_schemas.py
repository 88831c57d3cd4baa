"""Meter values of a station in the words of the API."""

from typing import Any

from pydantic import ConfigDict, Field

from control.api.sessions.sessions_schemas import MeterValue

_EXAMPLE: dict[str, Any] = {
    "evse_id": 1,
    "transaction_id": None,
    "sampled_at": "2025-06-01T09:15:00Z",
    "received_at": "2025-06-01T09:15:00.064Z",
    "energy_wh": 127750,
    "samples": [
        {
            "value": "127.75",
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Clock",
            "location": "Outlet",
            "unit": "kWh",
            "multiplier": None,
            "phase": None,
            "format": None,
            "signed_meter_value": None,
        }
    ],
}


class StationMeterValue(MeterValue):
    """What one of a station's meters showed at one instant."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    transaction_id: str | None = Field(description="of the station; null outside a transaction")
