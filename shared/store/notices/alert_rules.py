"""Rules of alerts."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import time
from typing import Any

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, InvalidInputError, NotFoundError
from shared.domain.notices.alerts import (
    OF_INSTALLATION,
    AlertKind,
    AlertRule,
    EscalationStep,
    HealingStep,
    QuietHours,
    SelfHealing,
    Severity,
    Weekday,
)
from shared.store import organization_scope
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Database

_COMPUTED = {"rule_id": "rule_id::text"}
_COLUMNS = ", ".join(_COMPUTED.get(field.name, field.name) for field in fields(AlertRule))
_UPDATABLE = frozenset(
    {
        *("name", "kind", "parameters", "location_ids", "station_ids", "severity", "emails"),
        *("grouping_interval_s", "resolve_after_s", "quiet_hours", "escalation", "self_healing"),
        *("enabled", "silenced_until"),
    }
)
# Any number will do, as long as nothing else in the database locks on it.
_LOCK = 6_801_600_241


def rule_of(record: asyncpg.Record | Mapping[str, Any]) -> AlertRule:
    """Return the rule of a row."""
    quiet, healing = record["quiet_hours"], record["self_healing"]
    return AlertRule(
        **{
            **record,
            "kind": AlertKind(record["kind"]),
            "severity": Severity(record["severity"]),
            **{name: tuple(record[name]) for name in ("location_ids", "station_ids", "emails")},
            "quiet_hours": quiet and _quiet_hours_of(quiet),
            "escalation": tuple(
                EscalationStep(after_s=each["after_s"], emails=tuple(each["emails"]))
                for each in record["escalation"]
            ),
            "self_healing": healing
            and SelfHealing(
                steps=tuple(map(HealingStep, healing["steps"])),
                wait_s=healing["wait_s"],
                max_resets_per_day=healing["max_resets_per_day"],
            ),
        }
    )


def _quiet_hours_of(stored: Mapping[str, Any]) -> QuietHours:
    return QuietHours(
        time_zone=stored["time_zone"],
        begin=time.fromisoformat(stored["begin"]),
        end=time.fromisoformat(stored["end"]),
        days=tuple(map(Weekday, stored["days"])),
    )


def _stored(name: str, value: Any) -> Any:  # noqa: ANN401 - of any column
    if isinstance(value, QuietHours):
        return {
            "time_zone": value.time_zone,
            "begin": value.begin.isoformat(),
            "end": value.end.isoformat(),
            "days": list(value.days),
        }
    if isinstance(value, SelfHealing):
        return asdict(value)
    if name == "escalation":
        return [asdict(step) for step in value]
    return value


def _not_found(rule_id: str) -> NotFoundError:
    return NotFoundError(f"there is no alert rule {rule_id}", code=NotFoundCode.ALERT_RULE)


async def create(
    db: Database, values: Mapping[str, Any], *, organization_id: str | None, max_rules: int
) -> AlertRule:
    """Make a rule; without an organization it belongs to that of the caller.

    Args:
        db: the pool.
        values: by column; those that people may change.
        organization_id: whose.
        max_rules: an organization may have so many.

    Raises:
        InvalidInputError: there is no such organization, or this kind is not for it.
        ConflictError: it has as many rules as it may.
    """
    await organization_scope.require(db, organization_id)
    _check_names(values)
    names = ", ".join(values)
    numbers = ", ".join(f"${number}" for number in range(3, len(values) + 3))
    async with db.acquire() as connection, connection.transaction():
        # Else two that are made at one time would each find room for itself alone.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        try:
            record = await connection.fetchrow(
                f"""
                INSERT INTO alert_rules (organization_id, {names})
                SELECT owner, {numbers} FROM (SELECT coalesce($1, own_organization()) AS owner)
                WHERE (SELECT count(*) FROM alert_rules WHERE organization_id = owner) < $2
                RETURNING {_COLUMNS}
                """,  # noqa: S608 - the names are checked above
                organization_id,
                max_rules,
                *(_stored(name, value) for name, value in values.items()),
            )
        except asyncpg.CheckViolationError:
            raise _for_the_installation() from None
    if record is None:
        raise ConflictError(
            f"an organization may have {max_rules} alert rules, and has as many: remove one, or "
            "have one rule concern more",
            code=ConflictCode.ALERT_RULES_EXHAUSTED,
        )
    return rule_of(record)


async def get(db: Database, rule_id: str) -> AlertRule:
    """Return one rule.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM alert_rules WHERE rule_id = $1",  # noqa: S608 - names of a dataclass
        rule_id,
    )
    if record is None:
        raise _not_found(rule_id)
    return rule_of(record)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
    kind: AlertKind | None = None,
    organization_id: str | None = None,
) -> list[AlertRule]:
    """Return up to `limit` rules in the order in which they were made, from behind one on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        goes_down: whether the newest comes first.
        kind: only those of this kind; None is all.
        organization_id: only those of this organization; None is all.
    """
    conditions = _conditions(limit, kind=kind, organization_id=organization_id)
    order = conditions.in_order(
        "alert_rules.rule_id", behind=after and [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM alert_rules WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - names of a dataclass, and conditions of columns
        *conditions.parameters,
    )
    return [rule_of(record) for record in records]


async def count(
    db: Database, *, up_to: int, kind: AlertKind | None, organization_id: str | None
) -> int:
    """Return how many rules such a list has, counting no further than `up_to`."""
    conditions = _conditions(up_to, kind=kind, organization_id=organization_id)
    return await count_rows(db, "alert_rules", conditions)


def _conditions(limit: int, *, kind: AlertKind | None, organization_id: str | None) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("kind =", kind)
    conditions.compare("organization_id =", organization_id)
    return conditions


async def update(db: Database, rule_id: str, changes: Mapping[str, Any]) -> AlertRule:
    """Change a rule; its open alerts are judged by what it is now.

    Raises:
        NotFoundError: there is no such rule.
        InvalidInputError: this kind is not for its organization.
    """
    _check_names(changes)
    if not changes:
        return await get(db, rule_id)
    assignments = ", ".join(f"{column} = ${i}" for i, column in enumerate(changes, start=2))
    try:
        record = await db.fetchrow(
            f"""
            UPDATE alert_rules SET {assignments}, updated_at = now()
            WHERE rule_id = $1 RETURNING {_COLUMNS}
            """,  # noqa: S608 - the names are checked above, the values are parameters
            rule_id,
            *(_stored(name, value) for name, value in changes.items()),
        )
    except asyncpg.CheckViolationError:
        raise _for_the_installation() from None
    if record is None:
        raise _not_found(rule_id)
    return rule_of(record)


async def delete(db: Database, rule_id: str) -> None:
    """Forget a rule. Its open alerts resolve, as its condition is watched no more.

    Raises:
        NotFoundError: there is no such rule.
    """
    if await db.execute("DELETE FROM alert_rules WHERE rule_id = $1", rule_id) == "DELETE 0":
        raise _not_found(rule_id)


async def kinds_of(db: Database, organization_id: str) -> set[AlertKind]:
    """Return the kinds that an organization has rules of."""
    records = await db.fetch(
        "SELECT DISTINCT kind FROM alert_rules WHERE organization_id = $1", organization_id
    )
    return {AlertKind(record["kind"]) for record in records}


async def enabled_parameters(db: Database) -> dict[AlertKind, list[Mapping[str, Any]]]:
    """Return what the rules that are on ask for, by their kind."""
    found: dict[AlertKind, list[Mapping[str, Any]]] = {}
    for record in await db.fetch("SELECT kind, parameters FROM alert_rules WHERE enabled"):
        found.setdefault(AlertKind(record["kind"]), []).append(record["parameters"])
    return found


def _check_names(values: Mapping[str, Any]) -> None:
    if unknown := values.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")


def _for_the_installation() -> InvalidInputError:
    return InvalidInputError(
        f"rules of the kinds {', '.join(sorted(OF_INSTALLATION))} watch the installation, and "
        "belong to the default organization alone"
    )
