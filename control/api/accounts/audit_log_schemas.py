"""The audit log in the words of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.accounts import audit_log as domain
from shared.domain.accounts.audit_log import Action
from shared.domain.accounts.principals import Author


class AuditPrincipal(BaseModel):
    """Who it was."""

    kind: Author | str = Field(description="by what a request proved who sent it")
    id: str = Field(
        description="of the key or the user; `root` for a key of VOLTARO_API_KEYS, and the issuer "
        "of an OpenID provider, whose `name` is then the subject that it spoke of"
    )
    name: str = Field(description="as they were called then")
    organization_id: str


class AuditEntry(BaseModel):
    """One change that was made through the API, and by whom."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entry_id": "01971f6e-8a54-7c3b-9d4e-1f2a3b4c5d6e",
                    "occurred_at": "2025-06-01T09:00:00.104Z",
                    "principal": {
                        "kind": "user",
                        "id": "01971f6e-0000-7c3b-9d4e-1f2a3b4c5d6e",
                        "name": "Ada",
                        "organization_id": "default",
                    },
                    "action": "changed",
                    "resource": "stations",
                    "resource_id": "CS-0001",
                    "organization_id": "default",
                    "before": {"name": "Depot", "password_hash": "(redacted)"},
                    "after": {"name": "Depot north", "password_hash": "(redacted)"},
                    "request_id": "5c1f1d6e-3a51-4a52-9a6d-1d3c1e0f7a10",
                    "address": "192.0.2.7",
                }
            ]
        }
    )

    entry_id: str
    occurred_at: datetime
    principal: AuditPrincipal
    action: Action | str = Field(
        description="`asked` of commands, and of what becomes one; newer words may come"
    )
    resource: str = Field(description="what kind of thing, as in paths: `id-tokens`")
    resource_id: str = Field(
        description="of the thing; of one that is known within another `CS-0001/7`"
    )
    organization_id: str = Field(description="whose thing it is")
    before: dict[str, Any] | None = Field(
        description="members that were changed, as they were, by the names of the database; of "
        "secrets it only tells that they changed. null for a new thing"
    )
    after: dict[str, Any] | None = Field(
        description="the same as they are now; null for a thing that is gone"
    )
    request_id: str | None = Field(description="as the answer's X-Request-ID told it")
    address: str | None = Field(description="where the request came from")

    @classmethod
    def of(cls, entry: domain.AuditEntry) -> Self:
        """Translate an entry."""
        return cls(
            **{name: getattr(entry, name) for name in cls.model_fields if name != "principal"},
            principal=AuditPrincipal(
                kind=entry.principal_kind,
                id=entry.principal_id,
                name=entry.principal_name,
                organization_id=entry.principal_organization_id,
            ),
        )
