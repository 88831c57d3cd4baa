"""Rules of alerts: when somebody is to be woken, for what, and who."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from control import problems
from control.api.accounts.organizations_schemas import OfOrganization
from control.api.notices.alert_rules_schemas import (
    AlertRule,
    AlertRuleCreate,
    AlertRuleUpdate,
    DefaultAlertRules,
    MadeAlertRules,
    stored_values,
)
from control.auth import PrincipalDep
from control.notices.default_alert_rules import make_default_rules
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.notices.alerts import AlertKind
from shared.store.notices import alert_rules

router = APIRouter(prefix="/v1/alert-rules", tags=["alerts"])

_RESOURCE = "alert-rules"


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.ALERT_RULES_EXHAUSTED),
)
async def create_alert_rule(
    body: AlertRuleCreate, services: ServicesDep, response: Response
) -> AlertRule:
    """Make a rule. What is the case already makes alerts at once."""
    rule = await alert_rules.create(
        services.db,
        stored_values(body),
        organization_id=body.organization_id,
        max_rules=services.settings.alert_rules_max,
    )
    response.headers["Location"] = f"/v1/alert-rules/{rule.rule_id}"
    return AlertRule.of(rule)


@router.post("/defaults", responses=problems.responses(ConflictCode.ALERT_RULES_EXHAUSTED))
async def create_default_alert_rules(
    body: DefaultAlertRules, principal: PrincipalDep, services: ServicesDep
) -> MadeAlertRules:
    """Make the rules that most operators want, of each kind that the organization has none of."""
    made = await make_default_rules(
        services.db,
        organization_id=body.organization_id or principal.organization_id,
        emails=body.emails,
        max_rules=services.settings.alert_rules_max,
    )
    return MadeAlertRules(items=[AlertRule.of(rule) for rule in made])


@router.get("")
async def list_alert_rules(
    services: ServicesDep,
    paging: PagingDep,
    kind: Annotated[AlertKind | None, Query(description="only those of this kind")] = None,
    organization_id: OfOrganization = None,
    sort: Annotated[Literal["rule_id", "-rule_id"], SORT] = "rule_id",
) -> Page[AlertRule]:
    """List the rules, in the order in which they were made."""
    order = Order.of(_RESOURCE, sort, usual="rule_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: alert_rules.list_after(
            services.db,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
            kind=kind,
            organization_id=organization_id,
        ),
        key_of=lambda rule: rule.rule_id,
        shown=AlertRule.of,
        count=lambda up_to: alert_rules.count(
            services.db, up_to=up_to, kind=kind, organization_id=organization_id
        ),
    )


@router.get("/{rule_id}", responses=problems.responses(NotFoundCode.ALERT_RULE))
async def get_alert_rule(rule_id: UUID, services: ServicesDep) -> AlertRule:
    """Return one rule."""
    return AlertRule.of(await alert_rules.get(services.db, str(rule_id)))


@router.patch("/{rule_id}", responses=problems.responses(NotFoundCode.ALERT_RULE))
async def update_alert_rule(
    rule_id: UUID, body: AlertRuleUpdate, services: ServicesDep
) -> AlertRule:
    """Change a rule, or silence it. Its open alerts are judged by what it is now.

    A condition is replaced as a whole.
    """
    return AlertRule.of(
        await alert_rules.update(services.db, str(rule_id), dict(stored_values(body)))
    )


@router.delete(
    "/{rule_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.ALERT_RULE),
)
async def delete_alert_rule(rule_id: UUID, services: ServicesDep) -> None:
    """Remove a rule. Its open alerts resolve, and nobody is mailed of that."""
    await alert_rules.delete(services.db, str(rule_id))
