"""The audit log as it is exported: what its list shows, with the principal's members beside it."""

from control.exports.columns import Column, Kind, members

COLUMNS: tuple[Column, ...] = members(
    entry_id=Kind.TEXT,
    occurred_at=Kind.TIME,
    principal_kind=Kind.TEXT,
    principal_id=Kind.TEXT,
    principal_name=Kind.TEXT,
    principal_organization_id=Kind.TEXT,
    action=Kind.TEXT,
    resource=Kind.TEXT,
    resource_id=Kind.TEXT,
    organization_id=Kind.TEXT,
    before=Kind.JSON,
    after=Kind.JSON,
    request_id=Kind.TEXT,
    address=Kind.TEXT,
)
