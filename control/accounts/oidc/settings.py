"""Settings of the login by an OpenID provider."""

import json
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.domain.accounts.claims import ClaimRule
from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.roles import Role
from shared.settings import LoggingSettings

CALLBACK_PATH = "/v1/oidc/callback"
_NEEDED = ("oidc_client_id", "oidc_client_secret", "oidc_redirect_url", "oidc_roles")


class OidcSettings(LoggingSettings):
    """How users log in at an OpenID provider; docs/how-to/oidc.md is the manual."""

    oidc_issuer: str | None = Field(
        default=None,
        description="the provider's issuer, letter by letter as its own metadata say it, such as "
        "https://login.example.com/realms/main; unset, nobody logs in by a provider",
    )
    oidc_client_id: str | None = Field(
        default=None, description="what the provider knows this installation as"
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None,
        description="and its secret, the same for every replica: what a login has to remember "
        "stands in a cookie that a key made of it seals",
    )
    oidc_redirect_url: str | None = Field(
        default=None,
        description=f"where the provider sends browsers back to, as it is registered there: "
        f"https://…{CALLBACK_PATH}",
    )
    oidc_logged_out_url: str | None = Field(
        default=None,
        description="where the provider sends browsers after they have logged out there, as it is "
        "registered there; unset, they stay there",
    )
    oidc_scopes: str = Field(
        default="openid profile email",
        description="what is asked for; some providers tell groups only with a scope `groups`",
    )
    oidc_role_claim: str = Field(
        default="groups",
        description="claim that roles are read from; dots lead into it (realm_access.roles)",
    )
    oidc_roles: Annotated[tuple[ClaimRule, ...], NoDecode] = Field(
        default=(),
        description='JSON: its values, and what each comes to, such as {"csms-admins": "admin", '
        '"hotel-desk": {"role": "viewer", "organization_id": "hotel"}}. The first that a user '
        "has counts; who has none of them is refused",
    )
    oidc_timeout_s: PositiveFloat = Field(
        default=10.0,
        le=60.0,
        description="all that is asked of the provider for one login; longer counts as it being "
        "away. It is up to four requests, one of which often wakes something up",
    )
    oidc_login_timeout_s: PositiveInt = Field(
        default=900,
        le=86_400,
        description="how long somebody may take at the provider, with a second factor to be found",
    )
    oidc_clock_skew_s: PositiveInt = Field(
        default=60,
        le=300,
        description="by how much the provider's clock may differ from ours; both should keep time",
    )
    oidc_metadata_max_age_s: PositiveFloat = Field(
        default=3600.0,
        description="the provider's metadata and keys are read anew after that; keys also at once "
        "when a token was signed with another one",
    )
    oidc_keys_interval_s: PositiveFloat = Field(
        default=10.0,
        description="but not more often than that, as anybody can send tokens of unknown keys",
    )

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _read_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            found = json.loads(value) if value.strip() else {}
        except ValueError as error:
            raise ValueError(f"it is not JSON ({error})") from None
        if not isinstance(found, dict):
            raise ValueError(  # noqa: TRY004 - pydantic tells people of this one alone
                'it has to be a JSON object such as {"csms-admins": "admin"}'
            )
        return tuple(_rule(name, meaning) for name, meaning in found.items())

    @field_validator("oidc_issuer", "oidc_redirect_url", "oidc_logged_out_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_url(value):
            raise ValueError(
                "it has to be a URL that begins with https://; http:// goes with a loopback "
                "address alone, as anybody on the way could log in as anybody"
            )
        return value

    @model_validator(mode="after")
    def _check_oidc(self) -> Self:
        if self.oidc_issuer is None:
            return self
        missing = [name for name in _NEEDED if not getattr(self, name)]
        if missing:
            names = ", ".join(f"VOLTARO_{name.upper()}" for name in missing)
            raise ValueError(f"VOLTARO_OIDC_ISSUER is set and {names} not: set them too")
        if "openid" not in self.oidc_scopes.split():
            raise ValueError(
                "VOLTARO_OIDC_SCOPES has to hold `openid`: without it there is no ID token"
            )
        if not urlsplit(self.oidc_redirect_url or "").path.endswith(CALLBACK_PATH):
            raise ValueError(f"VOLTARO_OIDC_REDIRECT_URL has to end with {CALLBACK_PATH}")
        return self


def is_safe_url(url: str) -> bool:
    """Tell whether nobody on the way can read or change what is sent there."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return host != ""
    if parts.scheme != "http":
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _rule(value: str, meaning: object) -> ClaimRule:
    said = {"role": meaning} if isinstance(meaning, str) else meaning
    if not (
        isinstance(said, dict)
        and {"role"} <= said.keys() <= {"role", "organization_id"}
        and all(isinstance(each, str) and each for each in said.values())
    ):
        raise ValueError(
            f"{value!r} has to come to a role, or to an object with role and organization_id"
        )
    if said["role"] not in set(Role):
        raise ValueError(
            f"{value!r} comes to {said['role']!r}, which is no role: there are {', '.join(Role)}"
        )
    return ClaimRule(
        value=value,
        role=Role(said["role"]),
        organization_id=said.get("organization_id", DEFAULT_ORGANIZATION_ID),
    )
