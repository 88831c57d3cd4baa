"""Organizations: the operators of an installation, and the site hosts below them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.accounts.grants import require_all
from control.api.accounts.organizations_schemas import (
    Organization,
    OrganizationCreate,
    OrganizationId,
    OrganizationUpdate,
)
from control.auth import PrincipalDep
from control.paging import SORT, TEXTS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.accounts.permissions import EVERYTHING
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError
from shared.store.accounts import organizations

router = APIRouter(prefix="/v1/organizations", tags=["organizations"])

_RESOURCE = "organizations"


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.ORGANIZATION_EXISTS),
)
async def create_organization(
    body: OrganizationCreate,
    services: ServicesDep,
    principal: PrincipalDep,
    response: Response,
) -> Organization:
    """Make an organization. Its id cannot be changed later."""
    organization = await organizations.create(
        services.db,
        organization_id=body.organization_id,
        parent_id=principal.organization_id if body.parent_id is None else body.parent_id,
        name=body.name,
    )
    response.headers["Location"] = f"/v1/organizations/{organization.organization_id}"
    return Organization.model_validate(organization)


@router.get("")
async def list_organizations(
    services: ServicesDep,
    paging: PagingDep,
    parent_id: Annotated[
        OrganizationId | None, Query(description="only those right below this one")
    ] = None,
    sort: Annotated[Literal["organization_id", "-organization_id"], SORT] = "organization_id",
) -> Page[Organization]:
    """List one's own organization and those below it, in the order of their ids."""
    order = Order.of(_RESOURCE, sort, usual="organization_id", keys=TEXTS)
    return await paging.page(
        order,
        read=lambda after, limit: organizations.list_after(
            services.db,
            after=after,
            limit=limit,
            parent_id=parent_id,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row.organization_id,
        shown=Organization.model_validate,
        count=lambda up_to: organizations.count(services.db, up_to=up_to, parent_id=parent_id),
    )


@router.get("/{organization_id}", responses=problems.responses(NotFoundCode.ORGANIZATION))
async def get_organization(organization_id: OrganizationId, services: ServicesDep) -> Organization:
    """Return one organization."""
    return Organization.model_validate(await organizations.get(services.db, organization_id))


@router.patch(
    "/{organization_id}",
    responses=problems.responses(
        ConflictCode.ORGANIZATION_BELOW_ITSELF,
        ConflictCode.ORGANIZATION_IS_DEFAULT,
        NotFoundCode.ORGANIZATION,
    ),
)
async def update_organization(
    organization_id: OrganizationId,
    body: OrganizationUpdate,
    principal: PrincipalDep,
    services: ServicesDep,
) -> Organization:
    """Rename an organization, or have it stand below another one, with all that is below it.

    Who sees what follows at once; whose tokens charge where, within a minute at the latest.
    Whoever moves one gives it to all who are above it then, and has all permissions therefore.
    """
    changes = body.model_dump(exclude_unset=True)
    if "parent_id" in changes:
        require_all(principal, EVERYTHING)
    organization = await organizations.update(services.db, organization_id, changes)
    if "parent_id" in changes:
        await services.authorization.rules_changed()
    return Organization.model_validate(organization)


@router.delete(
    "/{organization_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(
        ConflictCode.ORGANIZATION_IN_USE,
        ConflictCode.ORGANIZATION_IS_DEFAULT,
        NotFoundCode.ORGANIZATION,
    ),
)
async def delete_organization(
    organization_id: OrganizationId, services: ServicesDep, principal: PrincipalDep
) -> None:
    """Remove an organization that nothing belongs to and nothing stands below."""
    if organization_id == principal.organization_id:
        raise ConflictError(
            "this is your own organization: one above it can remove it",
            code=ConflictCode.ORGANIZATION_IN_USE,
        )
    await organizations.delete(services.db, organization_id)
