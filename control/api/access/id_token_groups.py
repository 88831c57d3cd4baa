"""Groups of id tokens: rules that all tokens of a group have in common."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.access.id_token_groups_schemas import (
    GroupIdTokenValue,
    IdTokenGroup,
    IdTokenGroupCreate,
    IdTokenGroupUpdate,
)
from control.api.accounts.organizations_schemas import OfOrganization
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    Total,
    WantsTotal,
    cut_page,
    decode_key,
    encode_cursor,
)
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
    organization_id: OfOrganization = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    sort: Annotated[
        Literal["group_id_token", "-group_id_token"], Query(description="`-`: from the last one up")
    ] = "group_id_token",
    total: WantsTotal = False,
) -> Page[IdTokenGroup]:
    """List the groups with rules in alphabetical order; letter case does not count."""
    goes_down = sort.startswith("-")
    resource = f"{_RESOURCE} down" if goes_down else _RESOURCE
    rows, next_cursor = cut_page(
        await id_token_groups.list_after(
            services.db,
            after=decode_key(resource, cursor),
            limit=limit + 1,
            goes_down=goes_down,
            organization_id=organization_id,
        ),
        limit=limit,
        cursor_of=lambda group: encode_cursor(resource, group.group_id_token),
    )
    counted = await Total.of(
        lambda up_to: id_token_groups.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
        wanted=total,
    )
    return Page(
        items=[IdTokenGroup.model_validate(row) for row in rows],
        next_cursor=next_cursor,
        total=counted,
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
