"""API keys in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.types import ONE_LINE, RequestBody, UtcTime, schema_of_changes
from shared.domain.accounts.permissions import Permission

_EXAMPLE: dict[str, Any] = {
    "api_key_id": "01975ed3-0000-7000-8000-000000000000",
    "organization_id": "default",
    "name": "fleet portal",
    "prefix": "voltaro_3f9a2c7b",
    "scopes": ["sessions:read", "stations:read"],
    "permissions": ["sessions:read", "stations:read"],
    "expires_at": "2027-05-20T12:00:00Z",
    "last_used_at": "2026-11-30T12:00:00Z",
    "created_by": "Ada Lovelace",
    "created_by_user_id": "01975ed3-0000-7000-8000-000000000001",
    "created_at": "2026-05-20T12:00:00Z",
    "updated_at": "2026-05-20T12:00:00Z",
}

OrganizationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="the organization that it belongs to; it sees what is this one's, and what is "
        "of those below it. Left out, that of whoever asks",
        examples=["default"],
    ),
    ONE_LINE,
]
KeyName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="for people: which program it is",
        examples=["fleet portal"],
    ),
    ONE_LINE,
]
Scopes = Annotated[
    frozenset[Permission],
    Field(
        min_length=1,
        description="what it may do: permissions that whoever makes it has as well",
        examples=[["sessions:read", "stations:read"]],
    ),
]
ExpiresAt = Annotated[
    UtcTime | None, Field(description="from then on it is refused; null is never")
]


class ApiKeyCreate(RequestBody):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "fleet portal", "scopes": ["sessions:read", "stations:read"]}]
        },
    )

    name: KeyName
    scopes: Scopes
    organization_id: OrganizationId | None = None
    expires_at: ExpiresAt = None


class ApiKeyUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=schema_of_changes({"scopes": ["sessions:read"]})
    )

    name: KeyName = ""
    scopes: Scopes = frozenset()
    expires_at: ExpiresAt = None


class ApiKey(BaseModel):
    """What is known of a key. The key itself is shown once, when it is made."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    api_key_id: str
    organization_id: str
    name: str
    prefix: str = Field(description="its first part, to tell keys apart; it opens nothing")
    scopes: list[Permission]
    permissions: list[Permission] = Field(
        description="what it may do now: its scopes, as far as the user who made it has them where "
        "it is; none while they are disabled"
    )
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="a minute late at most; null is never")
    created_by: str = Field(description="name of whoever made it")
    created_by_user_id: str | None = Field(
        description="the user on whose rights it stands: who made it, or made the key that did. "
        "Null if that was no user"
    )
    created_at: datetime
    updated_at: datetime


class NewApiKey(ApiKey):
    """A key that was made, with the key itself: this is the only time that it is shown."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "last_used_at": None,
                    "key": "voltaro_3f9a2c7b_0000000000000000000000000000000000000000000",
                }
            ]
        },
    )

    key: str = Field(description="send it as `Authorization: Bearer <key>`; keep it as a password")
