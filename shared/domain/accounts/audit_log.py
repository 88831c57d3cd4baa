"""The audit log: who changed what through the API."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What was done to a thing."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    ASKED = "asked"
    """Of commands, and of what becomes one: what a station is to do."""
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    REFUSED = "refused"
    """Nothing was changed: somebody could not sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change.

    Attributes:
        occurred_at: when the transaction of the change began.
        action: an `Action`, or a word of a newer version.
        resource: what the API calls the kind of thing, as in its paths: `id-tokens`.
        resource_id: of the thing; of one that is known within another, `station/7`.
        organization_id: whose thing it is.
        before: the changed members as they were, secrets masked; None of a new thing.
        after: the same as they are now; None of a thing that is gone.
        principal_kind: a `PrincipalKind`, or a word of a newer version.
        request_id: of the request, as its answer told it.
        address: where the request came from.
    """

    entry_id: str
    occurred_at: datetime
    action: str
    resource: str
    resource_id: str
    organization_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    principal_kind: str
    principal_id: str
    principal_name: str
    principal_organization_id: str
    request_id: str | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; None is any."""

    since: datetime | None = None
    until: datetime | None = None
    principal_id: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    action: Action | None = None
    request_id: str | None = None
