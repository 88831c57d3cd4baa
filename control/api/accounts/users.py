"""Users: who may sign in, and what they may do."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response, status

from control import problems
from control.accounts.grants import require_all, require_sight
from control.accounts.service import OrderedLink
from control.api.accounts.users_schemas import (
    InvitedUser,
    PasswordLink,
    User,
    UserCreate,
    UserUpdate,
)
from control.auth import PrincipalDep
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.accounts import users as domain
from shared.domain.accounts.principals import Principal
from shared.domain.accounts.users import LinkPurpose
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.store.accounts import user_sessions, users
from shared.store.pool import Database

router = APIRouter(prefix="/v1/users", tags=["users"])

_RESOURCE = "users"


def _link(ordered: OrderedLink) -> PasswordLink:
    return PasswordLink(
        mailed=ordered.token is None,
        url=ordered.url,
        token=ordered.token,
        expires_at=ordered.expires_at,
    )


async def _changeable(db: Database, principal: Principal, user_id: UUID) -> domain.User:
    """Return a user whom a principal may change: who may do no more than it does."""
    user = await users.get(db, str(user_id))
    await require_sight(db, principal, user.organization_id)
    require_all(principal, user.role.permissions)
    return user


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(problems.NOT_FOUND, ConflictCode.USER_EXISTS),
)
async def create_user(
    body: UserCreate, principal: PrincipalDep, services: ServicesDep, response: Response
) -> InvitedUser:
    """Invite somebody. The link is mailed, or stands in the answer if no mail server is set up."""
    require_all(principal, body.role.permissions)
    organization_id = body.organization_id or principal.organization_id
    await require_sight(services.db, principal, organization_id)
    user = await users.create(
        services.db,
        organization_id=organization_id,
        email=body.email,
        name=body.name,
        role=body.role,
    )
    ordered = await services.accounts.order_link(services.db, user, LinkPurpose.INVITATION)
    response.headers["Location"] = f"/v1/users/{user.user_id}"
    response.headers["Cache-Control"] = "no-store"
    told = User.model_validate(user).model_dump()
    return InvitedUser(**told, invitation=_link(ordered))


@router.get("")
async def list_users(
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[Literal["user_id", "-user_id"], SORT] = "user_id",
) -> Page[User]:
    """List the users, the oldest first."""
    order = Order.of(_RESOURCE, sort, usual="user_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: users.list_after(
            services.db, after=after, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda user: user.user_id,
        shown=User.model_validate,
        count=lambda up_to: users.count(services.db, up_to=up_to),
    )


@router.get("/{user_id}", responses=problems.responses(NotFoundCode.USER))
async def get_user(user_id: UUID, services: ServicesDep) -> User:
    """Return one user."""
    return User.model_validate(await users.get(services.db, str(user_id)))


@router.patch(
    "/{user_id}",
    responses=problems.responses(
        ConflictCode.LAST_ADMINISTRATOR, problems.NOT_FOUND, NotFoundCode.USER
    ),
)
async def update_user(
    user_id: UUID, body: UserUpdate, principal: PrincipalDep, services: ServicesDep
) -> User:
    """Change a user. Unless only the name changes, they sign in anew.

    API keys that stand on their rights do no more than they may do afterwards. Whoever changes them
    may do all that they may, before and after.
    """
    user = await _changeable(services.db, principal, user_id)
    changes = body.model_dump(exclude_unset=True)
    if "role" in changes:
        require_all(principal, body.role.permissions)
    if "organization_id" in changes:
        await require_sight(services.db, principal, body.organization_id)
    changed = await users.update(services.db, user.user_id, changes)
    services.accounts.sessions.forget(user.user_id)
    services.api_keys.forget_of(user.user_id)
    return User.model_validate(changed)


@router.delete(
    "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(
        ConflictCode.LAST_ADMINISTRATOR, problems.NOT_FOUND, NotFoundCode.USER
    ),
)
async def delete_user(user_id: UUID, principal: PrincipalDep, services: ServicesDep) -> None:
    """Remove a user, with their sessions and the API keys that stand on their rights.

    `GET /v1/api-keys?created_by_user_id=` lists those. To see first what would fail without them,
    disable the user: their keys may do nothing then. The last administrator of all stays.
    """
    user = await _changeable(services.db, principal, user_id)
    await users.delete(services.db, user.user_id)
    services.accounts.sessions.forget(user.user_id)
    services.api_keys.forget_of(user.user_id)


@router.post(
    "/{user_id}/password-link", responses=problems.responses(problems.NOT_FOUND, NotFoundCode.USER)
)
async def make_password_link(
    user_id: UUID, principal: PrincipalDep, services: ServicesDep, response: Response
) -> PasswordLink:
    """Give somebody a new link to set their password: they lost theirs, or their invitation."""
    user = await _changeable(services.db, principal, user_id)
    purpose = LinkPurpose.RESET if user.has_password else LinkPurpose.INVITATION
    response.headers["Cache-Control"] = "no-store"
    return _link(await services.accounts.order_link(services.db, user, purpose))


@router.delete(
    "/{user_id}/second-factor",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(problems.NOT_FOUND, NotFoundCode.USER),
)
async def remove_second_factor(
    user_id: UUID, principal: PrincipalDep, services: ServicesDep
) -> None:
    """Remove the second factor of somebody who has lost it. Their sessions end."""
    user = await _changeable(services.db, principal, user_id)
    await users.remove_second_factor(services.db, user.user_id)
    await user_sessions.end_all(services.db, user.user_id)
    services.accounts.sessions.forget(user.user_id)


@router.delete(
    "/{user_id}/sessions",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(problems.NOT_FOUND, NotFoundCode.USER),
)
async def end_user_sessions(user_id: UUID, principal: PrincipalDep, services: ServicesDep) -> None:
    """End all sessions of a user, as when their computer was stolen."""
    user = await _changeable(services.db, principal, user_id)
    await user_sessions.end_all(services.db, user.user_id)
    services.accounts.sessions.forget(user.user_id)
