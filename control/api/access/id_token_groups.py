"""Groups of id tokens: rules that all tokens of a group have in common."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Response, status

from control import problems
from control.api.access.id_token_groups_schemas import (
    GroupIdTokenValue,
    IdTokenGroup,
    IdTokenGroupCreate,
    IdTokenGroupUpdate,
)
from control.api.accounts.organizations_schemas import OfOrganization
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.store.access import id_token_groups

router = APIRouter(prefix="/v1/id-token-groups", tags=["id tokens"])

_RESOURCE = "id-token-groups"


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.ID_TOKEN_GROUP_EXISTS),
)
async def create_id_token_group(
    body: IdTokenGroupCreate, services: ServicesDep, response: Response
) -> IdTokenGroup:
    """Make rules for a group. Its tokens are those that name it as their `group_id_token`."""
    group = await id_token_groups.create(
        services.db,
        group_id_token=body.group_id_token,
        name=body.name,
        status=body.status,
        max_concurrent_sessions=body.max_concurrent_sessions,
        organization_id=body.organization_id,
    )
    await services.authorization.group_changed(group.group_id_token)
    response.headers["Location"] = f"/v1/id-token-groups/{quote(group.group_id_token, safe='')}"
    return IdTokenGroup.model_validate(group)


@router.get("")
async def list_id_token_groups(
    *,
    services: ServicesDep,
    paging: PagingDep,
    organization_id: OfOrganization = None,
    sort: Annotated[Literal["group_id_token", "-group_id_token"], SORT] = "group_id_token",
) -> Page[IdTokenGroup]:
    """List the groups with rules in alphabetical order; letter case does not count."""
    order = Order.of(_RESOURCE, sort, usual="group_id_token", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: id_token_groups.list_after(
            services.db,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
            organization_id=organization_id,
        ),
        key_of=lambda row: row.group_id_token,
        shown=IdTokenGroup.model_validate,
        count=lambda up_to: id_token_groups.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
    )


@router.get("/{group_id_token:path}", responses=problems.responses(NotFoundCode.ID_TOKEN_GROUP))
async def get_id_token_group(
    group_id_token: GroupIdTokenValue, services: ServicesDep
) -> IdTokenGroup:
    """Return the rules of one group."""
    return IdTokenGroup.model_validate(await id_token_groups.get(services.db, group_id_token))


@router.patch("/{group_id_token:path}", responses=problems.responses(NotFoundCode.ID_TOKEN_GROUP))
async def update_id_token_group(
    group_id_token: GroupIdTokenValue, body: IdTokenGroupUpdate, services: ServicesDep
) -> IdTokenGroup:
    """Change the rules of a group. Running charges go on."""
    changes = body.model_dump(exclude_unset=True)
    group = await id_token_groups.update(services.db, group_id_token, changes)
    await services.authorization.group_changed(group_id_token)
    return IdTokenGroup.model_validate(group)


@router.delete(
    "/{group_id_token:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.ID_TOKEN_GROUP),
)
async def delete_id_token_group(group_id_token: GroupIdTokenValue, services: ServicesDep) -> None:
    """Remove the rules of a group. Its tokens stay, and still may stop each other's sessions."""
    await id_token_groups.delete(services.db, group_id_token)
    await services.authorization.group_changed(group_id_token)
