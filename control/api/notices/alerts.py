"""Alerts: what somebody was woken for, and what became of it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from control import problems
from control.api.accounts.organizations_schemas import OfOrganization
from control.api.notices.alerts_schemas import (
    Acknowledgement,
    Alert,
    AlertDetails,
    AlertNotification,
    AlertStep,
    Silence,
)
from control.api.types import Since, StationId, Until
from control.auth import PrincipalDep
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.notices.alerts import AlertFilter, AlertKind, AlertState, Severity
from shared.store.notices import alert_notifications, alert_steps, alerts

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])

_RESOURCE = "alerts"


@router.get("")
async def list_alerts(
    services: ServicesDep,
    *,
    state: Annotated[AlertState | None, Query(description="only those in this state")] = None,
    kind: Annotated[AlertKind | None, Query(description="only those of this kind")] = None,
    severity: Annotated[Severity | None, Query(description="only those as bad as this")] = None,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    rule_id: Annotated[UUID | None, Query(description="only those of this rule")] = None,
    organization_id: OfOrganization = None,
    since: Since = None,
    until: Until = None,
    paging: PagingDep,
    sort: Annotated[Literal["alert_id", "-alert_id"], SORT] = "-alert_id",
) -> Page[Alert]:
    """List the alerts, the newest first; `since` and `until` by when they fired."""
    found = AlertFilter(
        state=state,
        kind=kind,
        severity=severity,
        station_id=station_id,
        rule_id=None if rule_id is None else str(rule_id),
        organization_id=organization_id,
        since=since,
        until=until,
    )
    order = Order.of(_RESOURCE, sort, usual="-alert_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: alerts.list_before(
            services.db, found, before=before, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda alert: alert.alert_id,
        shown=Alert.of,
        count=lambda up_to: alerts.count(services.db, found, up_to=up_to),
    )


@router.get("/{alert_id}", responses=problems.responses(NotFoundCode.ALERT))
async def get_alert(alert_id: UUID, services: ServicesDep) -> AlertDetails:
    """Return one alert, with what was done about it by itself, and who was told."""
    alert = await alerts.get(services.db, str(alert_id))
    steps = await alert_steps.list_of(services.db, alert.alert_id)
    told = await alert_notifications.list_of(services.db, alert.alert_id)
    return AlertDetails(
        **Alert.of(alert).model_dump(),
        steps=[AlertStep.model_validate(step) for step in steps],
        notifications=[AlertNotification.model_validate(each) for each in told],
    )


@router.post(
    "/{alert_id}/acknowledge",
    responses=problems.responses(NotFoundCode.ALERT, ConflictCode.ALERT_RESOLVED),
)
async def acknowledge_alert(
    alert_id: UUID, body: Acknowledgement, principal: PrincipalDep, services: ServicesDep
) -> Alert:
    """Say that somebody sees to it: it escalates no further. Whoever was first stays."""
    return Alert.of(
        await alerts.acknowledge(services.db, str(alert_id), by=principal.name, note=body.note)
    )


@router.post(
    "/{alert_id}/silence",
    responses=problems.responses(NotFoundCode.ALERT, ConflictCode.ALERT_RESOLVED),
)
async def silence_alert(alert_id: UUID, body: Silence, services: ServicesDep) -> Alert:
    """Have nobody mailed of an alert for a while; what is to be told is told afterwards."""
    return Alert.of(await alerts.silence(services.db, str(alert_id), until=body.until))
