"""Users in the words of the API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.accounts.api_keys_schemas import OrganizationId
from control.api.accounts.types import Email, NewPassword, UserName
from control.api.types import RequestBody, schema_of_changes
from shared.domain.accounts.roles import Role

USER_EXAMPLE: dict[str, Any] = {
    "user_id": "01975ed3-0000-7000-8000-000000000000",
    "organization_id": "default",
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "role": "operator",
    "disabled": False,
    "has_password": True,
    "has_second_factor": False,
    "last_login_at": "2026-11-30T12:00:00Z",
    "created_at": "2026-05-20T12:00:00Z",
    "updated_at": "2026-05-20T12:00:00Z",
}
_LINK_EXAMPLE: dict[str, Any] = {
    "mailed": False,
    "url": "https://api.example.com/set-password#0000000000000000000000000000000000000000000",
    "token": "0000000000000000000000000000000000000000000",
    "expires_at": "2026-12-07T12:00:00Z",
}


class UserCreate(RequestBody):
    """Somebody to be invited."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"email": "ada@example.com", "name": "Ada Lovelace", "role": "operator"}]
        },
    )

    email: Email
    name: UserName
    role: Role = Field(description="whoever invites may do all that it may")
    organization_id: OrganizationId | None = None


class UserUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=schema_of_changes({"role": "viewer"})
    )

    name: UserName = ""
    role: Role = Role.VIEWER
    organization_id: OrganizationId = ""
    disabled: bool = Field(default=False, description="a disabled user cannot sign in")


class User(BaseModel):
    """Somebody who signs in."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [USER_EXAMPLE]})

    user_id: str
    organization_id: str
    email: str
    name: str
    role: Role
    disabled: bool
    has_password: bool = Field(description="false until an invitation was taken up")
    has_second_factor: bool
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


class PasswordLink(BaseModel):
    """A link by which somebody sets their password: once, and not for ever."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_LINK_EXAMPLE]})

    mailed: bool = Field(description="whether it is mailed; else hand it over yourself")
    url: str | None = Field(
        description="the link; null if it is mailed. Without VOLTARO_DASHBOARD_URL it begins "
        "behind the address of this API"
    )
    token: str | None = Field(
        description="what stands behind the # of the link, for `POST /v1/password-links/use`"
    )
    expires_at: datetime


class InvitedUser(User):
    """Somebody who was invited, and their link."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    **USER_EXAMPLE,
                    "has_password": False,
                    "last_login_at": None,
                    "invitation": _LINK_EXAMPLE,
                }
            ]
        },
    )

    invitation: PasswordLink


class PasswordLinkRequest(RequestBody):
    """Who has forgotten their password."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "ada@example.com"}]}
    )

    email: Email


class PasswordLinkUse(RequestBody):
    """A new password, and the link that allows it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "token": "0000000000000000000000000000000000000000000",
                    "password": "correct horse battery staple",
                }
            ]
        },
    )

    token: str = Field(
        max_length=128,
        pattern="^[A-Za-z0-9_-]*$",
        description="what stands behind the # of the link",
    )
    password: NewPassword
