"""Does about alerts what their rules say, without anybody: asks, restarts, opens a ticket."""

import structlog

from control.jobs.notices.alerts import Clock, utc_now
from control.jobs.periodic import each_by_itself
from control.jobs.settings import WorkerSettings
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.commands import Command, MessageTrigger, Reset, ResetType, TriggerMessage
from shared.domain.errors import NotFoundError, UnavailableError
from shared.domain.notices.alerts import HealingStep, SelfHealing
from shared.store.commands import commands
from shared.store.notices import alert_steps
from shared.store.notices.alert_steps import DueStep
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()

_JOB = "alert_steps"
_NOBODY_WAITS = ""
_AT_ONCE = 50
_LEASE_S = 30.0


class AlertHealer:
    """Takes the next step about each alert where one is due.

    Args:
        db: where alerts and commands are kept.
        registry: knows which pod holds a station.
        sender: writes to the pods' streams.
        settings: how long a command counts.
        clock: tells the time.
    """

    def __init__(
        self,
        db: Database,
        registry: OwnershipRegistry,
        sender: PodRequestSender,
        settings: WorkerSettings,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._registry = registry
        self._sender = sender
        self._settings = settings
        self._clock = clock

    async def run(self) -> int:
        """Take the steps that are due; return how many were carried out."""
        due = await alert_steps.claim_due(
            self._db, now=self._clock(), limit=_AT_ONCE, lease_s=_LEASE_S
        )
        if not due:
            return 0
        routes = await self._registry.find_routes(sorted({each.station_id for each in due}))
        pods = {station_id: route.pod_id for station_id, route in routes.items()}

        async def step(each: DueStep) -> bool:
            return await self._step(each, pods.get(each.station_id))

        return await each_by_itself(self._db, _JOB, due, step)

    async def _step(self, due: DueStep, pod_id: str | None) -> bool:
        healing = None if due.rule is None else due.rule.self_healing
        if healing is None or due.healed_steps >= len(healing.steps):
            await alert_steps.end(self._db, due.alert_id)
            return False
        step = healing.steps[due.healed_steps]
        refusal = "the station is offline" if pod_id is None else None
        step_id = await alert_steps.take(self._db, due, healing, refusal=refusal, now=self._clock())
        metrics.alert_steps.labels(step, "taken" if step_id is not None else "not_taken").inc()
        if step_id is None:
            return False
        log.info("a step is taken about an alert", alert_id=due.alert_id, step=step)
        command = _command_of(due, healing)
        if command is not None and pod_id is not None:
            await self._ask(due, step_id, command, pod_id)
        return True

    async def _ask(self, due: DueStep, step_id: str, command: Command, pod_id: str) -> None:
        try:
            record, _ = await commands.create(
                self._db,
                station_id=due.station_id,
                command=command,
                timeout_s=self._settings.alert_healing_command_timeout_s,
                idempotency_key=f"alert-step-{step_id}",
            )
        except NotFoundError:  # it was removed meanwhile
            await alert_steps.note_command(
                self._db, step_id, command_id=None, detail="there is no such station any more"
            )
            return
        await alert_steps.note_command(
            self._db,
            step_id,
            command_id=record.command_id,
            detail="it was asked of the station: see the command",
        )
        try:
            await self._sender.send(
                pod_id, RunCommand(record.command_id, due.station_id, _NOBODY_WAITS)
            )
        except UnavailableError as error:
            # It is queued: the sweep of waiting commands routes it, if Redis is back in time.
            log.warning("a step waits for Redis", station_id=due.station_id, error=str(error))


def _command_of(due: DueStep, healing: SelfHealing) -> Command | None:
    match healing.steps[due.healed_steps]:
        case HealingStep.TRIGGER_STATUS:
            return TriggerMessage(
                requested_message=MessageTrigger.STATUS_NOTIFICATION, evse_id=due.evse_id or None
            )
        case HealingStep.RESET_WHEN_IDLE:
            return Reset(reset_type=ResetType.ON_IDLE)
        case HealingStep.OPEN_TICKET:
            return None
