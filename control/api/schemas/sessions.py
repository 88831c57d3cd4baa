"""Sessions and meter values in the words of the API."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from control.api.schemas.types import Number
from shared.domain import sessions as domain
from shared.domain.tokens import AuthorizationStatus

_SESSION_EXAMPLE: dict[str, Any] = {
    "session_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "evse_id": 1,
    "connector_id": 1,
    "transaction_id": "1042",
    "ocpp_version": "1.6",
    "id_token": "04A2B3C4D5E6F7",
    "authorization_status": "Accepted",
    "reservation_id": None,
    "active": False,
    "started_at": "2025-06-01T09:00:00Z",
    "meter_start_wh": 125000,
    "ended_at": "2025-06-01T10:30:00Z",
    "meter_stop_wh": 141500.5,
    "energy_wh": 16500.5,
    "stopped_reason": "EVDisconnected",
    "created_at": "2025-06-01T09:00:00.120Z",
    "updated_at": "2025-06-01T10:30:00.085Z",
}
_METER_VALUE_EXAMPLE: dict[str, Any] = {
    "evse_id": 1,
    "sampled_at": "2025-06-01T09:15:00Z",
    "received_at": "2025-06-01T09:15:00.064Z",
    "energy_wh": 127750,
    "samples": [
        {
            "value": "127.75",
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "kWh",
            "multiplier": None,
            "phase": None,
            "format": None,
            "signed_meter_value": None,
        }
    ],
}


class Session(BaseModel):
    """A charging session: our billable record of what a station calls a transaction."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_SESSION_EXAMPLE]}
    )

    session_id: str
    station_id: str
    evse_id: int | None = Field(description="null until the station tells which one it is")
    connector_id: int | None
    transaction_id: str = Field(description="unique per station, not beyond")
    ocpp_version: str
    id_token: str | None
    authorization_status: AuthorizationStatus | None
    reservation_id: int | None
    active: bool = Field(description="whether it goes on")
    started_at: datetime | None
    meter_start_wh: Number | None = Field(description="import register at the start, in Wh")
    ended_at: datetime | None
    meter_stop_wh: Number | None = Field(description="import register at the end, in Wh")
    energy_wh: Number | None = Field(
        description="energy taken, in Wh; while the session goes on, up to the latest meter value"
    )
    stopped_reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, session: domain.Session) -> Self:
        """Return the session as it is answered."""
        return cls.model_validate({**asdict(session), "active": session.ended_at is None})


class MeterSample(BaseModel):
    """One sampled value (SampledValueType, OCPP 2.0.1 part 2 §2.43)."""

    value: str = Field(description="with the digits the meter sent")
    measurand: str
    context: str
    location: str
    unit: str | None = None
    multiplier: int | None = Field(default=None, description="exponent of 10 to the value")
    phase: str | None = Field(default=None, description="null: of all phases")
    format: str | None = None
    signed_meter_value: dict[str, Any] | None = Field(
        default=None, description="OCPP 2.0.1's SignedMeterValueType, as the station sent it"
    )


class MeterValue(BaseModel):
    """What the meter showed at one instant."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_METER_VALUE_EXAMPLE]}
    )

    evse_id: int
    sampled_at: datetime = Field(description="by the station's clock")
    received_at: datetime = Field(description="by ours")
    energy_wh: Number | None = Field(
        description="total of the import register in Wh, if it was among the samples"
    )
    samples: list[MeterSample]
