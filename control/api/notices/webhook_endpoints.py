"""Webhook endpoints: whom events are sent to."""

from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Response, status

from control import problems
from control.api.accounts.organizations_schemas import OfOrganization
from control.api.notices.webhook_deliveries_schemas import WebhookDelivery
from control.api.notices.webhook_endpoints_schemas import (
    NewWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointCreate,
    WebhookEndpointUpdate,
    WebhookSecretRotation,
)
from control.api.types import members_of
from control.notices.endpoints import check_url, make_secret
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.store.notices import webhook_deliveries, webhook_endpoints

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"])

_RESOURCE = "webhook-endpoints"
_TEST = {"message": "This is a test: nothing has happened."}


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.WEBHOOKS_NOT_SET_UP),
)
async def create_webhook_endpoint(
    body: WebhookEndpointCreate, services: ServicesDep, response: Response
) -> NewWebhookEndpoint:
    """Have events sent to a url from now on. The answer alone shows the secret that signs them.

    Each delivery is a POST with the event as its body and the headers of Standard Webhooks:
    `webhook-id` (that of the event, the same at every attempt), `webhook-timestamp` and
    `webhook-signature`. Answer with 200 to 299 once it is kept; anything else is tried again for
    three days. The events of one station come one after another, in their order.
    """
    check_url(body.url, services.settings)
    secret, encrypted = make_secret(services.settings.encryption)
    made = await webhook_endpoints.create(
        services.db,
        organization_id=body.organization_id,
        url=body.url,
        description=body.description,
        types=body.types,
        station_ids=body.station_ids,
        location_ids=body.location_ids,
        organization_ids=body.organization_ids,
        api_version=body.api_version,
        secret=encrypted,
    )
    response.headers["Location"] = f"/v1/webhook-endpoints/{made.webhook_endpoint_id}"
    response.headers["Cache-Control"] = "no-store"
    return NewWebhookEndpoint.model_validate({**members_of(made), "secret": secret})


@router.get("")
async def list_webhook_endpoints(
    services: ServicesDep,
    paging: PagingDep,
    *,
    organization_id: OfOrganization = None,
    sort: Annotated[
        Literal["webhook_endpoint_id", "-webhook_endpoint_id"], SORT
    ] = "webhook_endpoint_id",
) -> Page[WebhookEndpoint]:
    """List the endpoints, the oldest first."""
    order = Order.of(_RESOURCE, sort, usual="webhook_endpoint_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: webhook_endpoints.list_after(
            services.db,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
            organization_id=organization_id,
        ),
        key_of=lambda endpoint: endpoint.webhook_endpoint_id,
        shown=WebhookEndpoint.model_validate,
        count=lambda up_to: webhook_endpoints.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
    )


@router.get("/{webhook_endpoint_id}", responses=problems.responses(NotFoundCode.WEBHOOK_ENDPOINT))
async def get_webhook_endpoint(webhook_endpoint_id: UUID, services: ServicesDep) -> WebhookEndpoint:
    """Return one endpoint, and how it is doing."""
    return WebhookEndpoint.model_validate(
        await webhook_endpoints.get(services.db, str(webhook_endpoint_id))
    )


@router.patch("/{webhook_endpoint_id}", responses=problems.responses(NotFoundCode.WEBHOOK_ENDPOINT))
async def update_webhook_endpoint(
    webhook_endpoint_id: UUID, body: WebhookEndpointUpdate, services: ServicesDep
) -> WebhookEndpoint:
    """Change an endpoint; filters count for events that were not looked at yet.

    One that is enabled again goes on where it was: what has happened meanwhile is delivered, as
    far as it is still kept, and what was tried before has its three days anew.
    """
    changes = body.model_dump(exclude_unset=True)
    if "url" in changes:
        check_url(body.url, services.settings)
    return WebhookEndpoint.model_validate(
        await webhook_endpoints.update(services.db, str(webhook_endpoint_id), changes)
    )


@router.delete(
    "/{webhook_endpoint_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.WEBHOOK_ENDPOINT),
)
async def delete_webhook_endpoint(webhook_endpoint_id: UUID, services: ServicesDep) -> None:
    """Remove an endpoint, with its deliveries. What is on its way to it may still arrive."""
    await webhook_endpoints.delete(services.db, str(webhook_endpoint_id))


@router.post(
    "/{webhook_endpoint_id}/rotate-secret",
    responses=problems.responses(NotFoundCode.WEBHOOK_ENDPOINT, ConflictCode.WEBHOOKS_NOT_SET_UP),
)
async def rotate_webhook_secret(
    webhook_endpoint_id: UUID,
    body: WebhookSecretRotation,
    services: ServicesDep,
    response: Response,
) -> NewWebhookEndpoint:
    """Sign with a new secret, which the answer alone shows; the old one signs too for a while."""
    found = await webhook_endpoints.get(services.db, str(webhook_endpoint_id))
    secret, encrypted = make_secret(services.settings.encryption)
    endpoint = await webhook_endpoints.rotate_secret(
        services.db,
        found.webhook_endpoint_id,
        encrypted,
        old_ends_after_s=body.old_ends_after_s,
    )
    response.headers["Cache-Control"] = "no-store"
    return NewWebhookEndpoint.model_validate({**members_of(endpoint), "secret": secret})


@router.post(
    "/{webhook_endpoint_id}/test",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(
        NotFoundCode.WEBHOOK_ENDPOINT, ConflictCode.WEBHOOK_ENDPOINT_DISABLED
    ),
)
async def send_test_event(webhook_endpoint_id: UUID, services: ServicesDep) -> WebhookDelivery:
    """Have an event of the type `webhook.test` sent, beside all that waits, whatever the filters.

    What became of it is told by `GET .../deliveries/{webhook_delivery_id}` within seconds.
    """
    delivery = await webhook_deliveries.send_test(
        services.db, str(webhook_endpoint_id), event_id=f"test-{uuid4().hex}", data=_TEST
    )
    return WebhookDelivery.of(delivery)
