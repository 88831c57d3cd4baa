"""What users do before a request has a principal, for the audit log: no trigger sees who it was."""

from collections.abc import Mapping

from starlette.requests import Request

from control.addresses import client_address
from shared.domain.accounts.audit_log import Action
from shared.domain.accounts.users import User
from shared.store.accounts import audit_log
from shared.store.pool import Database

_PASSWORD = "password_hash"  # noqa: S105 - the name of a column
_REDACTED = "(redacted)"


async def note_of_user(
    db: Database,
    request: Request,
    user: User,
    action: Action,
    *,
    after: Mapping[str, str] | None = None,
) -> None:
    """Write down that a user has signed in or out, or has proven themselves by a link.

    Args:
        db: the pool.
        request: in which.
        user: who, and about whom.
        action: what they did.
        after: what has changed, without secrets.
    """
    await audit_log.record(
        db,
        principal=user.principal,
        action=action,
        resource="users",
        resource_id=user.user_id,
        organization_id=user.organization_id,
        request_id=request.state.request_id,
        address=client_address(request.scope),
        after=after,
    )


async def note_password_by_link(db: Database, request: Request, user: User) -> None:
    """Write down that somebody has set their password by a link."""
    await note_of_user(db, request, user, Action.CHANGED, after={_PASSWORD: _REDACTED})
