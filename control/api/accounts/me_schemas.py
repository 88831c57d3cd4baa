"""One's own account in the words of the API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.accounts.types import Code, Email, NewPassword, Password
from control.api.types import RequestBody
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import PrincipalKind

_SESSION_EXAMPLE: dict[str, Any] = {
    "user_session_id": "01975ed3-0000-7000-8000-000000000000",
    "current": True,
    "address": "192.0.2.17",
    "user_agent": "Mozilla/5.0",
    "last_used_at": "2026-11-30T12:00:00Z",
    "expires_at": "2026-11-30T20:00:00Z",
    "created_at": "2026-11-30T08:00:00Z",
}
_ME_EXAMPLE: dict[str, Any] = {
    "kind": "user",
    "principal_id": "01975ed3-0000-7000-8000-000000000000",
    "name": "Ada Lovelace",
    "organization_id": "default",
    "permissions": ["sessions:read", "stations:read"],
    "csrf_token": "00000000000000000000000000000000000000000000",
}


class Login(RequestBody):
    """Who signs in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"email": "ada@example.com", "password": "correct horse battery staple"}]
        },
    )

    email: Email
    password: Password
    code: Code | None = Field(default=None, description="of the second factor, if there is one")


class Me(BaseModel):
    """Who sends this request, and what they may do."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ME_EXAMPLE]})

    kind: PrincipalKind
    principal_id: str
    name: str
    organization_id: str
    permissions: list[Permission]
    csrf_token: str | None = Field(
        description="of who is signed in with a cookie: send it as `X-CSRF-Token` with all that "
        "changes anything. Null with a key, which needs none"
    )


class OwnSession(BaseModel):
    """A browser in which one is signed in."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SESSION_EXAMPLE]})

    user_session_id: str
    current: bool = Field(description="whether it is the one that asks")
    address: str | None
    user_agent: str | None
    last_used_at: datetime = Field(description="a minute late at most")
    expires_at: datetime
    created_at: datetime


class OwnSessions(BaseModel):
    """The browsers in which one is signed in, the latest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_SESSION_EXAMPLE]}]})

    items: list[OwnSession]


class PasswordChange(RequestBody):
    """One's password, and the new one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "password": "correct horse battery staple",
                    "new_password": "staple battery horse correct",
                }
            ]
        },
    )

    password: Password
    new_password: NewPassword


class PasswordProof(RequestBody):
    """One's password, once more: a session alone may be a computer left open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"password": "correct horse battery staple"}]},
    )

    password: Password


class SecondFactorBegun(BaseModel):
    """What an authenticator app reads. This is the only time that it is shown."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
                    "uri": "otpauth://totp/Voltaro:ada%40example.com"
                    "?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Voltaro",
                }
            ]
        }
    )

    secret: str = Field(description="to be typed in")
    uri: str = Field(description="to be shown as a QR code")


class CodeProof(RequestBody):
    """A code of the app, which shows that it has the secret."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "123456"}]})

    code: Code


class SecondFactorRemoval(RequestBody):
    """One's password and a code."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"password": "correct horse battery staple", "code": "123456"}]
        },
    )

    password: Password
    code: Code


class RecoveryCodes(BaseModel):
    """Codes for the day on which the app is lost. This is the only time that they are shown."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recovery_codes": ["JBSW-Y3DP-EHPK-3PXP"]}]}
    )

    recovery_codes: list[str] = Field(description="each counts once, in place of a code of the app")
