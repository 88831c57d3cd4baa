"""When stations were there, uptime, and planned maintenance, in the words of the API."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.types import FREE_TEXT, Ordinal, RequestBody, UtcTime, schema_of_changes
from shared.domain.stations.availability import DisconnectReason, Uptime

_CONNECTION_EXAMPLE: dict[str, Any] = {
    "epoch": 17,
    "pod_id": "gateway-1-3f9a2c",
    "ocpp_version": "1.6",
    "connected_at": "2025-06-01T09:00:00.104Z",
    "disconnected_at": "2025-06-02T11:12:13.442Z",
    "last_seen_at": "2025-06-02T11:11:28.001Z",
    "reason": "ping_timeout",
    "close_code": 1011,
    "close_reason": "keepalive ping timeout",
}
_WINDOW_EXAMPLE: dict[str, Any] = {
    "evse_id": 1,
    "starts_at": "2025-06-03T06:00:00Z",
    "ends_at": "2025-06-03T10:00:00Z",
    "note": "new cable",
}
_AVAILABILITY_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0001",
    "month": "2025-06",
    "starts_at": "2025-06-01T00:00:00Z",
    "ends_at": "2025-07-01T00:00:00Z",
    "formula": "uptime_percent = (measured_s - (outage_s - excluded_s)) / measured_s * 100",
    "connectors": [
        {
            "evse_id": 1,
            "connector_id": 1,
            "measured_s": 2592000.0,
            "available_s": 2574000.0,
            "outage_s": 18000.0,
            "offline_s": 3600.0,
            "faulted_s": 0.0,
            "unavailable_s": 14400.0,
            "excluded_s": 14400.0,
            "uptime_percent": 99.8611,
        }
    ],
}
_PERCENT_DIGITS = 4
# What is left out of a change is never read.
_LEFT_OUT = datetime(2000, 1, 1, tzinfo=UTC)


class StationConnection(BaseModel):
    """One connection of a station, from its beginning to its end."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_CONNECTION_EXAMPLE]}
    )

    epoch: int = Field(description="counts the station's connections; more than one may be skipped")
    pod_id: str
    ocpp_version: str
    connected_at: datetime
    disconnected_at: datetime | None = Field(description="null while it lasts")
    last_seen_at: datetime | None = Field(
        description="the last sign of life: its last message or close frame; while it lasts, when "
        "its pod last renewed its lease, which it does while it pings its stations"
    )
    reason: DisconnectReason | None = Field(description="why it ended")
    close_code: int | None = Field(description="WebSocket close code, if one was sent")
    close_reason: str | None = Field(description="what was said with it")


class ConnectorAvailability(BaseModel):
    """For how long a connector was what. `available_s` and `outage_s` add up to `measured_s`."""

    evse_id: int
    connector_id: int
    measured_s: float = Field(
        description="from when the connector was first heard of, and until now at most"
    )
    available_s: float = Field(
        description="connected, and neither it nor its station Faulted or Unavailable"
    )
    outage_s: float = Field(description="`offline_s`, `faulted_s` and `unavailable_s` together")
    offline_s: float = Field(description="not connected")
    faulted_s: float
    unavailable_s: float
    excluded_s: float = Field(description="the part of the outage that was planned maintenance")
    uptime_percent: float | None = Field(description="null if nothing was measured")

    @classmethod
    def of(cls, evse_id: int, connector_id: int, uptime: Uptime) -> Self:
        """Return a connector's uptime as it is answered."""
        percent = uptime.percent
        return cls(
            evse_id=evse_id,
            connector_id=connector_id,
            measured_s=uptime.measured.total_seconds(),
            available_s=uptime.available.total_seconds(),
            outage_s=uptime.outage.total_seconds(),
            offline_s=uptime.offline.total_seconds(),
            faulted_s=uptime.faulted.total_seconds(),
            unavailable_s=uptime.unavailable.total_seconds(),
            excluded_s=uptime.excluded.total_seconds(),
            uptime_percent=None if percent is None else round(percent, _PERCENT_DIGITS),
        )


class StationAvailability(BaseModel):
    """A month of a station: for how long each of its connectors was available."""

    model_config = ConfigDict(json_schema_extra={"examples": [_AVAILABILITY_EXAMPLE]})

    station_id: str
    month: str
    starts_at: datetime
    ends_at: datetime = Field(description="of the month, or now if it has not ended")
    formula: str = Field(
        default="uptime_percent = (measured_s - (outage_s - excluded_s)) / measured_s * 100",
        description="that of 23 CFR 680.116(b), for this month",
    )
    connectors: list[ConnectorAvailability]


EvseId = Annotated[Ordinal | None, Field(description="null: the whole station")]
Note = Annotated[str, Field(max_length=500), FREE_TEXT]


class MaintenanceWindowCreate(RequestBody):
    """Maintenance to be planned, or noted afterwards."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WINDOW_EXAMPLE]})

    evse_id: EvseId = None
    starts_at: UtcTime
    ends_at: UtcTime
    note: Note | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise PydanticCustomError("order", "ends_at must lie behind starts_at")
        return self


class MaintenanceWindowUpdate(RequestBody):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra=schema_of_changes({"ends_at": _WINDOW_EXAMPLE["ends_at"]}),
    )

    evse_id: EvseId = None
    starts_at: UtcTime = _LEFT_OUT
    ends_at: UtcTime = _LEFT_OUT
    note: Note | None = None


class MaintenanceWindow(BaseModel):
    """Planned maintenance: what is an outage within it does not count as one."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "window_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
                    **_WINDOW_EXAMPLE,
                    "created_at": "2025-06-01T09:00:00.120Z",
                    "updated_at": "2025-06-01T09:00:00.120Z",
                }
            ]
        },
    )

    window_id: str
    evse_id: int | None
    starts_at: datetime
    ends_at: datetime
    note: str | None
    created_at: datetime
    updated_at: datetime
