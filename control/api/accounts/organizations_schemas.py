"""Organizations in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from control.api.types import ONE_LINE, RequestBody, schema_of_changes

_EXAMPLE: dict[str, Any] = {
    "organization_id": "site-host-7",
    "parent_id": "default",
    "name": "Harbour car park",
    "created_at": "2025-05-20T12:00:00Z",
    "updated_at": "2025-05-20T12:00:00Z",
}

OrganizationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=36,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="letters, digits and the characters . _ -",
        examples=["default"],
    ),
]
OwnerId = Annotated[
    OrganizationId,
    Field(
        description="the organization it belongs to, which is one's own or stands below it; left "
        "out, one's own"
    ),
]
OfOrganization = Annotated[
    OrganizationId | None,
    Query(description="only what belongs to this organization itself, not to those below"),
]
ParentId = Annotated[
    OrganizationId,
    Field(description="the organization that it stands below, which sees all that it sees"),
]
OrganizationName = Annotated[
    str, Field(min_length=1, max_length=255, examples=["Harbour car park"]), ONE_LINE
]


class OrganizationCreate(RequestBody):
    """An organization to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"organization_id": "site-host-7", "name": "Harbour car park"}]
        },
    )

    organization_id: OrganizationId
    name: OrganizationName
    parent_id: ParentId | None = Field(
        default=None, description="the organization that it stands below; left out, one's own"
    )


class OrganizationUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=schema_of_changes({"name": "Harbour car park, east"})
    )

    name: OrganizationName = ""
    parent_id: ParentId = ""


class Organization(BaseModel):
    """An operator or a site host: whom stations, tokens, files, users and keys belong to.

    Who belongs to one sees what is its own and what belongs to those below it. For everybody else
    that does not exist.
    """

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    organization_id: str
    parent_id: str | None = Field(
        description="the organization that it stands below; null for the default one, at the top"
    )
    name: str
    created_at: datetime
    updated_at: datetime
