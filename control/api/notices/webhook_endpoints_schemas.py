"""Webhook endpoints in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.access.locations_schemas import LocationId
from control.api.accounts.organizations_schemas import OrganizationId, OwnerId
from control.api.types import ONE_LINE, RequestBody, StationId, schema_of_changes
from shared.domain.notices.events import EventType
from shared.domain.notices.webhooks import WAITING_COUNTED, ApiVersion, DisabledReason

_EXAMPLE: dict[str, Any] = {
    "webhook_endpoint_id": "01975ed3-0000-7000-8000-000000000000",
    "organization_id": "default",
    "url": "https://erp.example.com/hooks/voltaro",
    "description": "billing",
    "types": ["session.started", "session.ended"],
    "station_ids": [],
    "location_ids": ["depot-north"],
    "organization_ids": [],
    "api_version": "v1",
    "enabled": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "last_event_id": "4711",
    "waiting": 0,
    "created_at": "2026-05-20T12:00:00Z",
    "updated_at": "2026-05-20T12:00:00Z",
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - an example
_MAX_ITEMS = 1000
_DAY_S = 86_400.0
_LONGEST_OVERLAP_S = 30 * _DAY_S

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="where to; https, and an address of the public internet, unless whoever runs "
        "this installation allows another",
        examples=["https://erp.example.com/hooks/voltaro"],
    ),
    ONE_LINE,
]
Description = Annotated[
    str, Field(max_length=255, description="for people", examples=["billing"]), ONE_LINE
]
Types = Annotated[
    list[EventType],
    Field(
        max_length=100,
        description="only events of these types; empty is all, also those that there are later",
        examples=[["session.started", "session.ended"]],
    ),
]
StationIds = Annotated[
    list[StationId],
    Field(max_length=_MAX_ITEMS, description="only events of these stations; empty is all"),
]
LocationIds = Annotated[
    list[LocationId],
    Field(max_length=_MAX_ITEMS, description="only events at these locations; empty is all"),
]
OrganizationIds = Annotated[
    list[OrganizationId],
    Field(
        max_length=_MAX_ITEMS,
        description="only events of these organizations; empty is all: its own, and those below",
    ),
]
Version = Annotated[ApiVersion, Field(description="of the API, in whose words events are written")]


class WebhookEndpointCreate(RequestBody):
    """Where events are to be sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://erp.example.com/hooks/voltaro",
                    "types": ["session.started", "session.ended"],
                }
            ]
        },
    )

    url: Url
    description: Description | None = None
    types: Types = Field(default=[])
    station_ids: StationIds = Field(default=[])
    location_ids: LocationIds = Field(default=[])
    organization_ids: OrganizationIds = Field(default=[])
    api_version: Version = ApiVersion.V1
    organization_id: OwnerId | None = None


class WebhookEndpointUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra=schema_of_changes({"enabled": True}))

    url: Url = ""
    description: Description | None = None
    types: Types = Field(default=[])
    station_ids: StationIds = Field(default=[])
    location_ids: LocationIds = Field(default=[])
    organization_ids: OrganizationIds = Field(default=[])
    api_version: Version = ApiVersion.V1
    enabled: bool = True


class WebhookSecretRotation(RequestBody):
    """How a secret is replaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"old_ends_after_s": 86400}]})

    old_ends_after_s: float = Field(
        default=_DAY_S,
        ge=0,
        le=_LONGEST_OVERLAP_S,
        description="for how long those before sign as well, so that the receiver has time to "
        "take the new one; 0 if the old one has leaked",
    )


class WebhookEndpoint(BaseModel):
    """Where events are sent to."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    webhook_endpoint_id: str
    organization_id: str = Field(
        description="it is told of events of this organization, and of those below it"
    )
    url: str
    description: str | None
    types: list[str]
    station_ids: list[str]
    location_ids: list[str]
    organization_ids: list[str]
    api_version: ApiVersion
    enabled: bool
    disabled_reason: DisabledReason | None = Field(
        description="`gone`: it answered 410. `failing`: it took nothing for days. `requested`: "
        "somebody switched it off"
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(
        description="since when nothing was delivered although it was tried"
    )
    last_event_id: str = Field(description="the newest event that was looked at for it")
    waiting: int = Field(
        description=f"deliveries that are still to be made, counted up to {WAITING_COUNTED}"
    )
    created_at: datetime
    updated_at: datetime


class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint with a secret that was just made: this is the only time that it is shown."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{**_EXAMPLE, "secret": _SECRET}]}
    )

    secret: str = Field(description="what signs; keep it where the receiver finds it")
