"""Id tokens in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from control.api.access.id_token_groups_schemas import MaxConcurrentSessions
from control.api.accounts.organizations_schemas import OwnerId
from control.api.types import ONE_LINE, RequestBody, UtcTime, Written, printable, schema_of_changes
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType

_EXAMPLE: dict[str, Any] = {
    "id_token": "04A2B3C4D5E6F7",
    "organization_id": "default",
    "type": "ISO14443",
    "status": "Accepted",
    "expires_at": None,
    "group_id_token": "FLEET-7",
    "max_concurrent_sessions": 1,
    "created_at": "2025-05-20T12:00:00Z",
    "updated_at": "2025-05-20T12:00:00Z",
}

IdTokenValue = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    Field(
        min_length=1,
        max_length=36,
        description="the token itself; letter case and blanks around it do not count. OCPP 1.6 "
        "stations take 20 characters (CiString20Type), OCPP 2.0.1 stations 36 (part 2 §2.28)",
        examples=["04A2B3C4D5E6F7"],
    ),
    # Not of blanks alone.
    Written(printable, r"^[^\u0000-\u001F\u007F]*[^\s\u0000-\u001F\u007F][^\u0000-\u001F\u007F]*$"),
]
# The other statuses are found by the back end, not set by a token's owner.
_OWNERS_STATUSES = (
    AuthorizationStatus.ACCEPTED,
    AuthorizationStatus.BLOCKED,
    AuthorizationStatus.INVALID,
)


def _set_by_owner(status: AuthorizationStatus) -> AuthorizationStatus:
    if status not in _OWNERS_STATUSES:
        raise PydanticCustomError("status", "a token can be set to Accepted, Blocked or Invalid")
    return status


OwnersStatus = Annotated[
    AuthorizationStatus,
    AfterValidator(_set_by_owner),
    WithJsonSchema({"type": "string", "enum": list(_OWNERS_STATUSES)}),
    Field(description="what its owner decides; an expired token is answered as Expired by itself"),
]
GroupIdToken = Annotated[
    str,
    Field(
        min_length=1,
        max_length=36,
        description="tokens of one group may stop each other's sessions (OCPP 2.0.1 part 2 C09)",
        examples=["FLEET-7"],
    ),
    ONE_LINE,
]
ExpiresAt = Annotated[UtcTime, Field(description="from then on the token is answered as Expired")]


class IdTokenCreate(RequestBody):
    """A token to register."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id_token": "04A2B3C4D5E6F7", "status": "Accepted"}]},
    )

    id_token: IdTokenValue
    type: IdTokenType = IdTokenType.ISO14443
    status: OwnersStatus = AuthorizationStatus.ACCEPTED
    expires_at: ExpiresAt | None = None
    group_id_token: GroupIdToken | None = None
    max_concurrent_sessions: MaxConcurrentSessions | None = None
    organization_id: OwnerId | None = None


class IdTokenUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra=schema_of_changes({"status": "Blocked"}))

    type: IdTokenType = IdTokenType.ISO14443
    status: OwnersStatus = AuthorizationStatus.ACCEPTED
    expires_at: ExpiresAt | None = None
    group_id_token: GroupIdToken | None = None
    max_concurrent_sessions: MaxConcurrentSessions | None = None
    organization_id: OwnerId = ""


class IdToken(BaseModel):
    """A token: an RFID card, a contract, an app's user."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    id_token: str
    organization_id: str = Field(
        description="at whose stations it charges, and at those of the organizations below"
    )
    type: IdTokenType
    status: AuthorizationStatus
    expires_at: datetime | None
    group_id_token: str | None
    max_concurrent_sessions: int | None
    created_at: datetime
    updated_at: datetime
