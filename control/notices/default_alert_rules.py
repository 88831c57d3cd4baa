"""Makes the rules that most operators want, when somebody asks for them."""

from collections.abc import Sequence

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.notices.alerts import DEFAULT_RULES, OF_INSTALLATION, AlertRule
from shared.store.notices import alert_rules
from shared.store.pool import Database

_GROUPING_INTERVAL_S = 300.0
_RESOLVE_AFTER_S = 60.0


async def make_default_rules(
    db: Database, *, organization_id: str, emails: Sequence[str], max_rules: int
) -> list[AlertRule]:
    """Make a rule of each kind that an organization has none of, as far as it is for it.

    Returns:
        Those that were made.

    Raises:
        InvalidInputError: there is no such organization.
        ConflictError: it has as many rules as it may.
    """
    there = await alert_rules.kinds_of(db, organization_id)
    if organization_id != DEFAULT_ORGANIZATION_ID:
        there |= OF_INSTALLATION
    return [
        await alert_rules.create(
            db,
            {
                "name": name,
                "kind": condition.kind,
                "parameters": dict(condition.parameters),
                "severity": severity,
                "emails": list(dict.fromkeys(emails)),
                "grouping_interval_s": _GROUPING_INTERVAL_S,
                "resolve_after_s": _RESOLVE_AFTER_S,
            },
            organization_id=organization_id,
            max_rules=max_rules,
        )
        for name, severity, condition in DEFAULT_RULES
        if condition.kind not in there
    ]
