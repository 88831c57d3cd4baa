"""Deliveries to a webhook endpoint: what became of them, and once more."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, status

from control import problems
from control.api.notices.webhook_deliveries_schemas import (
    WebhookDelivery,
    WebhookDeliveryWithAttempts,
    WebhookReplay,
    WebhookReplayRequest,
)
from control.api.types import Since, StationId, Until
from control.paging import POSITIONS_BY_ID, SORT, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.notices.events import EventType
from shared.domain.notices.webhooks import DeliveryState
from shared.store.conditions import Position
from shared.store.notices import webhook_deliveries

router = APIRouter(prefix="/v1/webhook-endpoints/{webhook_endpoint_id}", tags=["webhooks"])

_RESOURCE = "webhook-deliveries"
# In one request; the next one goes on behind it.
_REPLAYED_AT_ONCE = 10_000
_LAST_NUMBER = 2**63 - 1


@router.get("/deliveries", responses=problems.responses(NotFoundCode.WEBHOOK_ENDPOINT))
async def list_webhook_deliveries(
    webhook_endpoint_id: UUID,
    services: ServicesDep,
    *,
    state: Annotated[DeliveryState | None, Query(description="only those in this state")] = None,
    station_id: Annotated[StationId | None, Query(description="only of this station")] = None,
    event_type: Annotated[
        EventType | None, Query(description="only of events of this type")
    ] = None,
    event_id: Annotated[
        str | None,
        Query(max_length=64, pattern="^[A-Za-z0-9-]*$", description="only of this event"),
    ] = None,
    since: Since = None,
    until: Until = None,
    paging: PagingDep,
    sort: Annotated[
        Literal["webhook_delivery_id", "-webhook_delivery_id"], SORT
    ] = "-webhook_delivery_id",
) -> Page[WebhookDelivery]:
    """List the deliveries, the newest first, each with its last attempt.

    Those that are finished are kept for some days.
    """
    order = Order.of(_RESOURCE, sort, usual="-webhook_delivery_id", keys=POSITIONS_BY_ID)
    found = webhook_deliveries.DeliveryFilter(
        webhook_endpoint_id=str(webhook_endpoint_id),
        state=state,
        station_id=station_id,
        event_type=event_type,
        event_id=event_id,
        since=since,
        until=until,
    )
    return await paging.page(
        order,
        read=lambda before, limit: webhook_deliveries.list_before(
            services.db, found, before=before, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda row: Position(row[0].webhook_delivery_id),
        shown=lambda row: WebhookDelivery.of(*row),
        count=lambda up_to: webhook_deliveries.count(services.db, found, up_to=up_to),
    )


@router.get(
    "/deliveries/{webhook_delivery_id}",
    responses=problems.responses(NotFoundCode.WEBHOOK_ENDPOINT, NotFoundCode.WEBHOOK_DELIVERY),
)
async def get_webhook_delivery(
    webhook_endpoint_id: UUID, webhook_delivery_id: UUID, services: ServicesDep
) -> WebhookDeliveryWithAttempts:
    """Return one delivery with its attempts, the last first."""
    delivery, attempts = await webhook_deliveries.get(
        services.db, str(webhook_endpoint_id), str(webhook_delivery_id)
    )
    return WebhookDeliveryWithAttempts.with_attempts(delivery, attempts)


@router.post(
    "/deliveries/{webhook_delivery_id}/resend",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(
        NotFoundCode.WEBHOOK_ENDPOINT,
        NotFoundCode.WEBHOOK_DELIVERY,
        ConflictCode.WEBHOOK_ENDPOINT_DISABLED,
        ConflictCode.EVENT_NOT_KEPT,
    ),
)
async def resend_webhook_delivery(
    webhook_endpoint_id: UUID, webhook_delivery_id: UUID, services: ServicesDep
) -> WebhookDelivery:
    """Have a delivery sent once more, whatever became of it, with the same `webhook-id`.

    It goes beside the others of its station, and holds up none of them.
    """
    return WebhookDelivery.of(
        await webhook_deliveries.resend(
            services.db, str(webhook_endpoint_id), str(webhook_delivery_id)
        )
    )


@router.post(
    "/replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(
        NotFoundCode.WEBHOOK_ENDPOINT, ConflictCode.WEBHOOK_ENDPOINT_DISABLED
    ),
)
async def replay_webhook_events(
    webhook_endpoint_id: UUID, body: WebhookReplayRequest, services: ServicesDep
) -> WebhookReplay:
    """Have the events of a range delivered once more, each station's in their order.

    Those that its filters let through now, with the `webhook-id` that each has. What waits already
    is left as it is. Of a long range the first 10,000 go at once: ask for the rest with
    `from_event_id` as `next_event_id` says.
    """
    replay = await webhook_deliveries.replay(
        services.db,
        str(webhook_endpoint_id),
        first=0 if body.from_event_id is None else int(body.from_event_id),
        last=_LAST_NUMBER if body.to_event_id is None else int(body.to_event_id),
        since=body.since,
        until=body.until,
        limit=_REPLAYED_AT_ONCE,
    )
    following = None
    if replay.more and replay.last_event_id is not None:
        following = str(int(replay.last_event_id) + 1)
    return WebhookReplay(deliveries=replay.deliveries, next_event_id=following)
