"""Id tokens: who may charge."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.access.id_tokens_schemas import IdToken, IdTokenCreate, IdTokenUpdate, IdTokenValue
from control.api.accounts.organizations_schemas import OfOrganization
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.access.tokens import IdTokenType
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.store.access import id_tokens

router = APIRouter(prefix="/v1/id-tokens", tags=["id tokens"])

_RESOURCE = "id-tokens"


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.ID_TOKEN_EXISTS),
)
async def create_id_token(
    body: IdTokenCreate, services: ServicesDep, response: Response
) -> IdToken:
    """Register a token. Tokens may have the same text if their types differ; cards are one type."""
    token = await id_tokens.create(
        services.db,
        id_token=body.id_token,
        type=body.type,
        status=body.status,
        expires_at=body.expires_at,
        group_id_token=body.group_id_token,
        max_concurrent_sessions=body.max_concurrent_sessions,
        organization_id=body.organization_id,
    )
    await services.authorization.id_token_changed(token.id_token)
    address = f"/v1/id-tokens/{quote(token.id_token, safe='')}"
    response.headers["Location"] = f"{address}?type={token.type}"
    return IdToken.model_validate(token)


@router.get("")
async def list_id_tokens(
    *,
    services: ServicesDep,
    paging: PagingDep,
    organization_id: OfOrganization = None,
    sort: Annotated[Literal["id_token", "-id_token"], SORT] = "id_token",
) -> Page[IdToken]:
    """List the tokens in alphabetical order; letter case does not count."""
    order = Order.of(_RESOURCE, sort, usual="id_token", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: id_tokens.list_after(
            services.db,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
            organization_id=organization_id,
        ),
        key_of=lambda row: row[0],
        shown=lambda row: IdToken.model_validate(row[1]),
        count=lambda up_to: id_tokens.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
    )


_OfType = Annotated[
    IdTokenType | None,
    Query(
        alias="type",
        description="which one, if several have this text; without it that is a 409",
    ),
]


@router.get(
    "/{id_token:path}",
    responses=problems.responses(NotFoundCode.ID_TOKEN, ConflictCode.ID_TOKEN_AMBIGUOUS),
)
async def get_id_token(
    id_token: IdTokenValue, services: ServicesDep, type_: _OfType = None
) -> IdToken:
    """Return one token."""
    return IdToken.model_validate(await id_tokens.get(services.db, id_token, type_))


@router.patch(
    "/{id_token:path}",
    responses=problems.responses(
        NotFoundCode.ID_TOKEN, ConflictCode.ID_TOKEN_AMBIGUOUS, ConflictCode.ID_TOKEN_EXISTS
    ),
)
async def update_id_token(
    id_token: IdTokenValue, body: IdTokenUpdate, services: ServicesDep, type_: _OfType = None
) -> IdToken:
    """Change a token. Running charges go on; the next authorization sees the change."""
    changes = body.model_dump(exclude_unset=True)
    token = await id_tokens.update(services.db, id_token, changes, type_=type_)
    await services.authorization.id_token_changed(id_token)
    return IdToken.model_validate(token)


@router.delete(
    "/{id_token:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.ID_TOKEN, ConflictCode.ID_TOKEN_AMBIGUOUS),
)
async def delete_id_token(
    id_token: IdTokenValue, services: ServicesDep, type_: _OfType = None
) -> None:
    """Remove a token: from now on it is Invalid."""
    await id_tokens.delete(services.db, id_token, type_)
    await services.authorization.id_token_changed(id_token)
