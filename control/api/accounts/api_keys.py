"""API keys: what programs prove with who sent a request."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.accounts.grants import require_all, require_sight, require_time
from control.accounts.secrets import digest, new_key
from control.api.accounts.api_keys_schemas import ApiKey, ApiKeyCreate, ApiKeyUpdate, NewApiKey
from control.auth import PrincipalDep
from control.errors import InvalidFieldError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.accounts import api_keys as domain
from shared.domain.error_codes import NotFoundCode
from shared.store.accounts import api_keys

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"])

_RESOURCE = "api-keys"


def _told(key: domain.ApiKey) -> dict[str, object]:
    return {
        **asdict(key),
        "scopes": sorted(key.scopes),
        "permissions": sorted(key.permissions),
    }


def _require_future(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidFieldError(
            "body", "expires_at", "this is past, and the key would never count: name a later time"
        )


def _is_later(expires_at: datetime | None, than: datetime | None) -> bool:
    return than is not None and (expires_at is None or expires_at > than)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(problems.NOT_FOUND),
)
async def create_api_key(
    body: ApiKeyCreate, principal: PrincipalDep, services: ServicesDep, response: Response
) -> NewApiKey:
    """Make a key. The answer is the only one that shows it: only its hash is stored.

    Whoever makes it has all its scopes, and ends no sooner: a key with an end names one. Of a user,
    or of a key that one has made, it goes on standing on that user's rights: what they lose it
    loses, and it goes with them. Programs that are to outlive people get theirs from a root key.
    """
    require_all(principal, body.scopes)
    require_time(principal, body.expires_at)
    organization_id = body.organization_id or principal.organization_id
    await require_sight(services.db, principal, organization_id)
    _require_future(body.expires_at)
    key, prefix = new_key()
    made = await api_keys.create(
        services.db,
        organization_id=organization_id,
        name=body.name,
        prefix=prefix,
        key_hash=digest(key),
        scopes=body.scopes,
        expires_at=body.expires_at,
        created_by=principal.name,
        created_by_user_id=principal.user_id,
    )
    response.headers["Location"] = f"/v1/api-keys/{made.api_key_id}"
    response.headers["Cache-Control"] = "no-store"
    return NewApiKey.model_validate({**_told(made), "key": key})


@router.get("")
async def list_api_keys(
    services: ServicesDep,
    paging: PagingDep,
    created_by_user_id: Annotated[
        UUID | None,
        Query(description="only those that stand on this user's rights, and go with them"),
    ] = None,
    sort: Annotated[Literal["api_key_id", "-api_key_id"], SORT] = "api_key_id",
) -> Page[ApiKey]:
    """List the keys, the oldest first. Those of VOLTARO_API_KEYS are not among them."""
    order = Order.of(_RESOURCE, sort, usual="api_key_id", keys=UUIDS)
    maker = None if created_by_user_id is None else str(created_by_user_id)
    return await paging.page(
        order,
        read=lambda after, limit: api_keys.list_after(
            services.db,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
            created_by_user_id=maker,
        ),
        key_of=lambda key: key.api_key_id,
        shown=lambda key: ApiKey.model_validate(_told(key)),
        count=lambda up_to: api_keys.count(services.db, up_to=up_to, created_by_user_id=maker),
    )


@router.get("/{api_key_id}", responses=problems.responses(NotFoundCode.API_KEY))
async def get_api_key(api_key_id: UUID, services: ServicesDep) -> ApiKey:
    """Return what is known of one key."""
    return ApiKey.model_validate(_told(await api_keys.get(services.db, str(api_key_id))))


@router.patch(
    "/{api_key_id}",
    responses=problems.responses(NotFoundCode.API_KEY),
)
async def update_api_key(
    api_key_id: UUID, body: ApiKeyUpdate, principal: PrincipalDep, services: ServicesDep
) -> ApiKey:
    """Change a key. It counts at once here, and within seconds in every other process.

    Whoever does so has all permissions that the key has, before and after. A key with an end
    lengthens none beyond it, nor its own, and adds no scopes to one that ends later.
    """
    key = await api_keys.get(services.db, str(api_key_id))
    require_all(principal, key.scopes | body.scopes)
    changes = body.model_dump(exclude_unset=True)
    expires_at = changes.get("expires_at", key.expires_at)
    if body.scopes - key.scopes or _is_later(expires_at, key.expires_at):
        require_time(principal, expires_at)
    _require_future(body.expires_at)
    changed = await api_keys.update(services.db, key.api_key_id, changes)
    services.api_keys.forget(key.api_key_id)
    return ApiKey.model_validate(_told(changed))


@router.delete(
    "/{api_key_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.API_KEY),
)
async def delete_api_key(api_key_id: UUID, services: ServicesDep) -> None:
    """Revoke a key. It is refused at once here, and within seconds by every other process."""
    await api_keys.delete(services.db, str(api_key_id))
    services.api_keys.forget(str(api_key_id))
