"""Steps that are taken about alerts without anybody: which are due, and the log of them."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from shared.domain.notices.alerts import AlertRule, HealingStep, SelfHealing, StepOutcome
from shared.domain.notices.events import EventType
from shared.store.notices import outbox
from shared.store.notices.alert_evaluation import event_of
from shared.store.notices.alert_rules import rule_of
from shared.store.pool import Connection, Database

_RULE_COLUMNS = ", ".join(
    "rule.rule_id::text" if field.name == "rule_id" else f"rule.{field.name}"
    for field in fields(AlertRule)
)
# Half of the key of an advisory lock; the other half is the station.
_LOCK = 6_801_243
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStep:
    """A step that was taken, or was not, and why."""

    step: HealingStep
    outcome: StepOutcome
    detail: str
    command_id: str | None
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DueStep:
    """An alert about which something is to be done now.

    Attributes:
        rule: None if it was removed, is off, or does nothing by itself any more.
        healed_steps: how many steps were gone through.
    """

    alert_id: str
    station_id: str
    evse_id: int | None
    ocpp_version: str | None
    healed_steps: int
    rule: AlertRule | None


async def claim_due(db: Database, *, now: datetime, limit: int, lease_s: float) -> list[DueStep]:
    """Take alerts about which something is to be done, and whose condition lasts.

    Nobody else takes them for `lease_s`.
    """
    records = await db.fetch(
        f"""
        WITH due AS (
            SELECT alert_id FROM alerts
            WHERE healing_at <= $1 AND resolved_at IS NULL AND clear_since IS NULL
            ORDER BY healing_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ),
        claimed AS (
            UPDATE alerts SET healing_at = $1::timestamptz + make_interval(secs => $3)
            FROM due WHERE alerts.alert_id = due.alert_id
            RETURNING alerts.*
        )
        SELECT claimed.alert_id::text, claimed.station_id, evse_id, ocpp_version, healed_steps,
               to_jsonb(rule) IS NOT NULL AS heals, {_RULE_COLUMNS}
        FROM claimed LEFT JOIN stations USING (station_id)
        LEFT JOIN alert_rules AS rule
            ON rule.rule_id = claimed.rule_id AND rule.enabled AND rule.self_healing IS NOT NULL
        """,  # noqa: S608 - names of columns
        now,
        limit,
        lease_s,
    )
    return [
        DueStep(
            alert_id=record["alert_id"],
            station_id=record["station_id"],
            evse_id=record["evse_id"],
            ocpp_version=record["ocpp_version"],
            healed_steps=record["healed_steps"],
            rule=rule_of({field.name: record[field.name] for field in fields(AlertRule)})
            if record["heals"]
            else None,
        )
        for record in records
    ]


async def end(db: Database, alert_id: str) -> None:
    """Note that nothing is to be done about an alert any more."""
    await db.execute("UPDATE alerts SET healing_at = NULL WHERE alert_id = $1", alert_id)


async def take(
    db: Database, due: DueStep, healing: SelfHealing, *, refusal: str | None, now: datetime
) -> str | None:
    """Take the next step about an alert as far as the log goes, before it is carried out.

    So a step that is carried out stands in the log whoever dies, and none is taken twice. Of one
    station one is taken at a time, lest two alerts restart it together.

    Args:
        db: the pool.
        due: of which alert.
        healing: what its rule does.
        refusal: what else is in the way; None: nothing.
        now: the time.

    Returns:
        The id of the step in the log; None if it is not to be carried out.
    """
    step = healing.steps[due.healed_steps]
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, due.station_id
        )
        outcome, detail = StepOutcome.TAKEN, "it was asked of the station"
        if step is HealingStep.OPEN_TICKET:
            detail = "the event ticket.opened says so"
        elif refusal is not None:
            outcome, detail = StepOutcome.REFUSED, refusal
        elif step is HealingStep.RESET_WHEN_IDLE:
            outcome, detail = await _judge_reset(connection, due, healing, now=now, taken=detail)
        done = due.healed_steps + (outcome is not StepOutcome.WAITS)
        record = await connection.fetchrow(
            """
            UPDATE alerts SET healed_steps = $2, healing_at = $3
            WHERE alert_id = $1 AND healed_steps = $4 AND resolved_at IS NULL RETURNING *
            """,
            due.alert_id,
            done,
            now + timedelta(seconds=healing.wait_s) if done < len(healing.steps) else None,
            due.healed_steps,
        )
        if record is None:
            return None  # it is over, or somebody else was faster
        if step is HealingStep.OPEN_TICKET:
            await outbox.put(
                connection, [event_of(EventType.TICKET_OPENED, record, occurred_at=now)]
            )
        step_id: str | None = await connection.fetchval(
            _NOTE, due.alert_id, record["organization_id"], due.station_id, step, outcome, detail,
            now,
        )  # fmt: skip
    return step_id if outcome is StepOutcome.TAKEN else None


async def _judge_reset(
    connection: Connection, due: DueStep, healing: SelfHealing, *, now: datetime, taken: str
) -> tuple[StepOutcome, str]:
    resets = await connection.fetchval(
        """
        SELECT count(*) FROM alert_steps
        WHERE station_id = $1 AND taken_at > $2 AND step = $3 AND outcome = $4
        """,
        due.station_id,
        now - _DAY,
        HealingStep.RESET_WHEN_IDLE,
        StepOutcome.TAKEN,
    )
    if resets >= healing.max_resets_per_day:
        return StepOutcome.REFUSED, f"it was restarted {resets} times within a day already"
    if await is_in_use(connection, due.station_id):
        return (
            StepOutcome.WAITS,
            "somebody charges at the station, or may be about to: it is not restarted now",
        )
    return StepOutcome.TAKEN, taken


async def is_in_use(db: "Database | Connection", station_id: str) -> bool:
    """Tell whether somebody charges at a station, or may, as far as anybody knows.

    A connector that is occupied or reserved counts: a charge may be about to begin.
    """
    in_use: bool = await db.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM sessions
            WHERE station_id = $1 AND ended_by IS DISTINCT FROM 'station' AND ended_at IS NULL
        ) OR EXISTS (
            SELECT FROM connectors WHERE station_id = $1 AND status IN ('Occupied', 'Reserved')
        )
        """,
        station_id,
    )
    return in_use


# One that waits stands there once, however often it is looked at.
_NOTE = """
    INSERT INTO alert_steps (alert_id, organization_id, station_id, step, outcome, detail, taken_at)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE $5 <> 'waits' OR NOT EXISTS (
        SELECT FROM alert_steps WHERE alert_id = $1 AND step = $4 AND outcome = $5)
    RETURNING step_id::text
"""


async def note_command(db: Database, step_id: str, *, command_id: str | None, detail: str) -> None:
    """Note by which command a step is carried out, or why by none."""
    await db.execute(
        "UPDATE alert_steps SET command_id = $2, detail = $3 WHERE step_id = $1",
        step_id,
        command_id,
        detail,
    )


async def list_of(db: Database, alert_id: str) -> list[AlertStep]:
    """Return the steps of an alert, in the order in which they were taken."""
    records: list[Any] = await db.fetch(
        """
        SELECT step, outcome, detail, command_id::text, taken_at
        FROM alert_steps WHERE alert_id = $1 ORDER BY alert_steps.step_id LIMIT 200
        """,
        alert_id,
    )
    return [
        AlertStep(
            step=HealingStep(record["step"]),
            outcome=StepOutcome(record["outcome"]),
            detail=record["detail"],
            command_id=record["command_id"],
            taken_at=record["taken_at"],
        )
        for record in records
    ]
