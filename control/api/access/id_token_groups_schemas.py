"""Groups of id tokens in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from control.api.accounts.organizations_schemas import OwnerId
from control.api.types import ONE_LINE, RequestBody, schema_of_changes
from shared.domain.access.tokens import AuthorizationStatus

_EXAMPLE: dict[str, Any] = {
    "group_id_token": "FLEET-7",
    "organization_id": "default",
    "name": "Delivery vans, north",
    "status": "Accepted",
    "max_concurrent_sessions": 12,
    "created_at": "2025-05-20T12:00:00Z",
    "updated_at": "2025-05-20T12:00:00Z",
}
_STATUSES = (AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED)

GroupIdTokenValue = Annotated[
    str,
    Field(
        min_length=1,
        max_length=36,
        description="as tokens name it in `group_id_token`; letter case does not count. OCPP 1.6 "
        "calls it parentIdTag, and its stations are told up to 20 characters",
        examples=["FLEET-7"],
    ),
    ONE_LINE,
]
MaxConcurrentSessions = Annotated[
    int,
    Field(
        ge=1,
        le=1_000_000,
        description="one more start is answered with ConcurrentTx; null is any number. A session "
        "that the same EVSE still has open does not count",
        examples=[1],
    ),
]


def _accepted_or_blocked(status: AuthorizationStatus) -> AuthorizationStatus:
    if status not in _STATUSES:
        raise PydanticCustomError("status", "a group can be set to Accepted or Blocked")
    return status


GroupStatus = Annotated[
    AuthorizationStatus,
    AfterValidator(_accepted_or_blocked),
    WithJsonSchema({"type": "string", "enum": list(_STATUSES)}),
    Field(description="Blocked blocks every token of the group"),
]
GroupName = Annotated[str, Field(max_length=255, examples=["Delivery vans, north"]), ONE_LINE]


class IdTokenGroupCreate(RequestBody):
    """Rules for a group."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"group_id_token": "FLEET-7", "max_concurrent_sessions": 12}]
        },
    )

    group_id_token: GroupIdTokenValue
    name: GroupName | None = None
    status: GroupStatus = AuthorizationStatus.ACCEPTED
    max_concurrent_sessions: MaxConcurrentSessions | None = None
    organization_id: OwnerId | None = None


class IdTokenGroupUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra=schema_of_changes({"status": "Blocked"}))

    name: GroupName | None = None
    status: GroupStatus = AuthorizationStatus.ACCEPTED
    max_concurrent_sessions: MaxConcurrentSessions | None = None
    organization_id: OwnerId = ""


class IdTokenGroup(BaseModel):
    """The rules of a group: a fleet, a company, a family."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    group_id_token: str
    organization_id: str
    name: str | None
    status: AuthorizationStatus
    max_concurrent_sessions: int | None
    created_at: datetime
    updated_at: datetime
