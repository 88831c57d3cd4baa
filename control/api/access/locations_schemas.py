"""Locations in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.accounts.organizations_schemas import OwnerId
from control.api.types import ONE_LINE, RequestBody, TimeZone, schema_of_changes
from shared.domain.access.locations import LocationAuthorization

_EXAMPLE: dict[str, Any] = {
    "location_id": "depot-north",
    "organization_id": "default",
    "name": "Depot north",
    "allowed_id_tokens": [],
    "allowed_group_id_tokens": ["FLEET-7"],
    "authorization": "required",
    "free_since": None,
    "time_zone": "Europe/Berlin",
    "created_at": "2025-05-20T12:00:00Z",
    "updated_at": "2025-05-20T12:00:00Z",
}
_MAX_RULES = 1000

LocationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=36,  # CiString(36) of OCPI
        pattern=r"^[A-Za-z0-9._-]+$",
        description="letters, digits and the characters . _ -",
        examples=["depot-north"],
    ),
]
LocationName = Annotated[str, Field(max_length=255, examples=["Depot north"]), ONE_LINE]
_Allowed = Annotated[str, Field(min_length=1, max_length=36), ONE_LINE]
AllowedIdTokens = Annotated[
    list[_Allowed],
    Field(
        max_length=_MAX_RULES,
        description="these tokens may charge there, whatever their group",
        examples=[["04A2B3C4D5E6F7"]],
    ),
]
AllowedGroups = Annotated[
    list[_Allowed],
    Field(
        max_length=_MAX_RULES,
        description="tokens of these groups may charge there. With both lists empty, everybody may",
        examples=[["FLEET-7"]],
    ),
]

Authorization = Annotated[
    LocationAuthorization,
    Field(
        description="`free`: everybody charges there. Every token is accepted, whatever is known "
        "of it, nobody is billed by one, and stations are set to charge without asking, also while "
        "they are offline (see the wanted settings of each)"
    ),
]


class LocationCreate(RequestBody):
    """A location to register."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"location_id": "depot-north", "allowed_group_id_tokens": ["FLEET-7"]}]
        },
    )

    location_id: LocationId
    name: LocationName | None = None
    allowed_id_tokens: AllowedIdTokens = Field(default=[])
    allowed_group_id_tokens: AllowedGroups = Field(default=[])
    organization_id: OwnerId | None = None
    authorization: Authorization = LocationAuthorization.REQUIRED
    time_zone: TimeZone | None = None


class LocationUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra=schema_of_changes({"allowed_group_id_tokens": ["FLEET-7"]}),
    )

    name: LocationName | None = None
    allowed_id_tokens: AllowedIdTokens = Field(default=[])
    allowed_group_id_tokens: AllowedGroups = Field(default=[])
    organization_id: OwnerId = ""
    authorization: Authorization = LocationAuthorization.REQUIRED
    time_zone: TimeZone | None = None


class Location(BaseModel):
    """A place with stations. Who is not allowed there is answered with NotAtThisLocation.

    Stations of OCPP 1.6 know no such word and are told Blocked.
    """

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    location_id: str
    organization_id: str
    name: str | None
    allowed_id_tokens: list[str]
    allowed_group_id_tokens: list[str]
    authorization: LocationAuthorization
    free_since: datetime | None = Field(description="when it last became free; null: it never was")
    time_zone: str | None = Field(
        description="by whose clock people are told times there; null: by UTC"
    )
    created_at: datetime
    updated_at: datetime
