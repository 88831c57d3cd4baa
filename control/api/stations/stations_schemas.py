"""Stations in the words of the API."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from control.api.access.locations_schemas import LocationId
from control.api.accounts.organizations_schemas import OwnerId
from control.api.types import ONE_LINE, RequestBody, StationId, schema_of_changes
from shared.bus.ownership import Route
from shared.domain.stations import stations as domain
from shared.domain.stations.stations import ConnectorStatus, RegistrationStatus, SecurityProfile

_OWNER_EXAMPLE = {
    "pod_id": "gateway-0-3fa1c2",
    "epoch": 7,
    "connected_at": "2025-06-01T08:30:00Z",
}
_STATION_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0001",
    "organization_id": "default",
    "name": "Car park north, row 3",
    "security_profile": 1,
    "registration_status": "Accepted",
    "heartbeat_interval_s": None,
    "location_id": "depot-north",
    "certificate_serial_number": None,
    "ocpp_version": "1.6",
    "vendor": "VendorX",
    "model": "Duo 22",
    "serial_number": "SN-4711",
    "firmware_version": "2.4.1",
    "booted_at": "2025-06-01T08:30:01Z",
    "online": True,
    "connected_at": "2025-06-01T08:30:00Z",
    "disconnected_at": None,
    "owner": _OWNER_EXAMPLE,
    "created_at": "2025-05-20T12:00:00Z",
    "updated_at": "2025-05-20T12:00:00Z",
}
_CONNECTOR_EXAMPLE: dict[str, Any] = {
    "evse_id": 1,
    "connector_id": 1,
    "status": "Occupied",
    "reported_status": "Charging",
    "error_code": "NoError",
    "info": None,
    "vendor_id": None,
    "vendor_error_code": None,
    "reported_at": "2025-06-01T09:00:00Z",
}
_GENERATED_PASSWORD_EXAMPLE = "4F43415F4F4354545F61646D696E5F746573742B"  # noqa: S105 - an example


Password = Annotated[
    str,
    Field(
        min_length=16,
        max_length=64,
        description=(
            "What the station sends as HTTP Basic password: random, 16 characters or more. Up to "
            "40 are taken by every station, up to 64 by some (OCPP 2.0.1 A00.FR.205 with errata "
            "2025-09); OCPP 1.6 stations take hexadecimal digits."
        ),
        examples=[_GENERATED_PASSWORD_EXAMPLE],
    ),
    ONE_LINE,
]
Profile = Annotated[
    SecurityProfile,
    WithJsonSchema({"type": "integer", "enum": [0, 1, 2, 3]}),
    Field(
        description="0: no authentication, for closed networks only; 1: HTTP Basic "
        "authentication; 2: the same over TLS; 3: TLS with a client certificate that was issued or "
        "pinned to the station (OCPP 2.0.1 part 2 A00). A station that comes with its password "
        "over TLS has reached 2 from then on. One that comes with a certificate has reached 3 if "
        "it had accepted that as its SecurityProfile (A05). Only an operator can lower it again"
    ),
]
Name = Annotated[str, Field(max_length=255, examples=["Car park north, row 3"]), ONE_LINE]
HeartbeatInterval = Annotated[
    int,
    Field(
        ge=1,
        le=86_400,
        description="seconds between heartbeats, as told to the station when it boots; left out, "
        "the gateway's own setting",
    ),
]
CertificateSerialNumber = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="the serial number that is the common name of its certificates, if that is not "
        "the station id (A00.FR.405). What a station says of itself in its BootNotification does "
        "not count",
        examples=["SN-4711"],
    ),
    ONE_LINE,
]


class StationTerms(RequestBody):
    """The terms on which a station is registered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Car park north, row 3"}]})

    name: Name | None = None
    security_profile: Profile = SecurityProfile.BASIC_AUTHENTICATION
    password: Password | None = Field(
        default=None,
        description="left out with security profile 1 or 2, one is made and answered once",
    )
    registration_status: RegistrationStatus = RegistrationStatus.ACCEPTED
    heartbeat_interval_s: HeartbeatInterval | None = None
    certificate_serial_number: CertificateSerialNumber | None = None
    organization_id: OwnerId | None = None

    @model_validator(mode="after")
    def _password_is_of_use(self) -> Self:
        if not self.security_profile.uses_password and self.password is not None:
            raise PydanticCustomError(
                "password_without_use",
                "with security_profile 0 or 3 nothing checks a password: leave it out",
            )
        return self


class StationCreate(StationTerms):
    """A station to register."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"station_id": "CS-0001", "name": "Car park north, row 3"}]
        },
    )

    station_id: StationId


class StationUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra=schema_of_changes({"name": "Car park north, row 4"}),
    )

    name: Name | None = None
    security_profile: Profile = SecurityProfile.BASIC_AUTHENTICATION
    password: Password = ""
    registration_status: RegistrationStatus = RegistrationStatus.ACCEPTED
    heartbeat_interval_s: HeartbeatInterval | None = None
    location_id: LocationId | None = None
    certificate_serial_number: CertificateSerialNumber | None = None
    organization_id: OwnerId = ""


class Owner(BaseModel):
    """The gateway pod that holds the station's connection."""

    pod_id: str
    epoch: int = Field(description="counts the station's connections; the newest one counts")
    connected_at: datetime | None = Field(
        description="null for the moment in which a newer connection is taking over"
    )


class Connector(BaseModel):
    """The last status of a connector; EVSE 0, connector 0 is the station itself."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_CONNECTOR_EXAMPLE]}
    )

    evse_id: int
    connector_id: int
    status: ConnectorStatus
    reported_status: str = Field(description="the station's own word, richer in OCPP 1.6")
    error_code: str | None
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: datetime


class Station(BaseModel):
    """A station."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_STATION_EXAMPLE]}
    )

    station_id: str
    organization_id: str
    name: str | None
    security_profile: SecurityProfile
    registration_status: RegistrationStatus
    heartbeat_interval_s: int | None
    location_id: str | None = Field(description="where it stands, which says who may charge")
    certificate_serial_number: str | None = Field(
        description="the common name of its certificates, if that is not its id"
    )
    ocpp_version: str | None = Field(description="spoken in the newest connection")
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    booted_at: datetime | None
    online: bool
    connected_at: datetime | None
    disconnected_at: datetime | None
    owner: Owner | None = Field(
        default=None, description="null if nobody holds a connection, or nobody can tell now"
    )
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, station: domain.Station, route: Route | None) -> Self:
        """Return the station as it is answered.

        Args:
            station: as it is kept.
            route: who holds its connection.
        """
        answer = cls.model_validate(station)
        if route is not None:
            current = route.epoch == station.epoch
            answer.owner = Owner(
                pod_id=route.pod_id,
                epoch=route.epoch,
                connected_at=station.connected_at if current else None,
            )
        return answer


class StationDetails(Station):
    """A station with its connectors."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_STATION_EXAMPLE,
                    "connectors": [_CONNECTOR_EXAMPLE],
                    "connectors_next_cursor": None,
                    "open_dead_letters": 0,
                }
            ]
        }
    )

    connectors: list[Connector] = Field(default=[], description="the first 100 of them")
    connectors_next_cursor: str | None = Field(
        default=None,
        description="`cursor` for the others, which `/v1/stations/{station_id}/connectors` lists; "
        "null if these are all",
    )
    open_dead_letters: int = Field(
        default=0,
        description="what it said that could not be kept where it belongs and waits for somebody "
        "to decide, at most 1000 of it; `/v1/dead-letters?station_id=...&status=open` lists it",
    )


class StationWithPassword(Station):
    """A station, and the password made for it, which is answered this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_STATION_EXAMPLE,
                    "online": False,
                    "owner": None,
                    "password": _GENERATED_PASSWORD_EXAMPLE,
                }
            ]
        }
    )

    password: str | None = Field(
        default=None,
        description="the password made for the station: keep it, nobody can read it again; null "
        "if none was made",
    )
