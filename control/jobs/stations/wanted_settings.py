"""Sets stations to what is wanted of them, after each boot and when that changes.

Each run takes the settings that have something to do, settles what became of the last command of
each, and sends at most one next command for it: first a question, since a station that is set so
already is left alone and what it was set to before is what it is set back to, then the new value.
"""

from typing import Any

import structlog

from control.jobs.periodic import each_by_itself
from control.jobs.settings import WorkerSettings
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.commands import ChangeConfiguration, Command, CommandState, GetConfiguration
from shared.domain.errors import NotFoundError, UnavailableError
from shared.domain.stations.wanted_settings import (
    OF_FREE_LOCATIONS,
    WantedSettingState,
    after_reading,
    after_setting,
    read_status,
    read_told,
    retry_delay_s,
)
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.stations import wanted_settings
from shared.store.stations.wanted_settings import DueSetting

log = structlog.get_logger()

_NOBODY_WAITS = ""
_ANSWERED = frozenset({CommandState.ACCEPTED, CommandState.ANSWERED, CommandState.REJECTED})
_NEVER_SENT = frozenset({CommandState.EXPIRED, CommandState.CANCELLED, None})


class SettingKeeper:
    """Takes one step for each setting that has something to do.

    Args:
        db: where settings and commands are kept.
        registry: knows which pod holds a station.
        sender: writes to the pods' streams.
        settings: how many steps a run takes.
    """

    def __init__(
        self,
        db: Database,
        registry: OwnershipRegistry,
        sender: PodRequestSender,
        settings: WorkerSettings,
    ) -> None:
        self._db = db
        self._registry = registry
        self._sender = sender
        self._settings = settings

    async def run(self) -> int:
        """Find out what is wanted, and take steps; return how many."""
        await wanted_settings.synchronize(self._db)
        due = await wanted_settings.claim_due(
            self._db,
            limit=self._settings.wanted_settings_batch,
            claim_s=self._settings.wanted_settings_claim_s,
        )
        if not due:
            return 0
        routes = await self._registry.find_routes(sorted({each.setting.station_id for each in due}))
        by_name = {(each.setting.station_id, each.setting.name): each for each in due}

        async def step(key: tuple[str, str]) -> bool:
            route = routes.get(key[0])
            await self._step(by_name[key], None if route is None else route.pod_id)
            return True

        return await each_by_itself(self._db, "wanted_settings", by_name, step)

    async def _step(self, due: DueSetting, pod_id: str | None) -> None:
        setting = due.setting
        changes, read = _settle(due)
        found = changes.get("found_value", setting.found_value)
        # One that speaks another version since has other settings.
        known = setting.name in OF_FREE_LOCATIONS.get(due.ocpp_version, {})
        if not setting.wanted and (found is None or not known):
            await wanted_settings.forget(self._db, setting)
            return
        delay_s = retry_delay_s(changes.get("failures", 0))
        if pod_id is None:
            delay_s = max(delay_s, self._settings.wanted_settings_claim_s)
        command = None if delay_s else _plan(due, changes, read=read)
        command_id = None if command is None else await self._queue(setting.station_id, command)
        if command_id is not None:
            changes["command_id"] = command_id
        noted = await wanted_settings.note_step(
            self._db, setting, changes, read=read, delay_s=delay_s
        )
        if command_id is not None and not noted:
            await commands.withdraw(self._db, command_id)  # it was planned for what is over
        elif command_id is not None and pod_id is not None:
            await self._send(pod_id, command_id, setting.station_id)

    async def _queue(self, station_id: str, command: Command) -> str | None:
        try:
            record, _ = await commands.create(
                self._db,
                station_id=station_id,
                command=command,
                timeout_s=self._settings.wanted_settings_command_timeout_s,
            )
        except NotFoundError:
            return None  # it was removed meanwhile
        return record.command_id

    async def _send(self, pod_id: str, command_id: str, station_id: str) -> None:
        try:
            await self._sender.send(pod_id, RunCommand(command_id, station_id, _NOBODY_WAITS))
        except UnavailableError as error:
            # It is queued: the sweep of waiting commands routes it when Redis is back.
            log.warning("a setting waits for Redis", station_id=station_id, error=str(error))


def _settle(due: DueSetting) -> tuple[dict[str, Any], bool]:
    """Return what changes by what became of the last command, and whether it told the value."""
    setting = due.setting
    if setting.command_id is None:
        return {}, False
    changes: dict[str, Any] = {"command_id": None}
    asked = due.command_type == GetConfiguration.__name__
    if due.command_state in _ANSWERED:
        answer = due.command_response or {}
        if asked:
            return changes | after_reading(setting, read_told(answer)), True
        return changes | after_setting(setting, read_status(answer)), False
    if due.command_state not in _NEVER_SENT:
        # Setting may have been done all the same: what came of it is asked.
        changes |= {
            "failures": setting.failures + 1,
            "last_error": f"{due.command_type}: {due.command_error or due.command_state}",
        }
        if not asked:
            changes["state"] = WantedSettingState.UNREAD
    return changes, False


def _plan(due: DueSetting, changes: dict[str, Any], *, read: bool) -> Command | None:
    """Return the next command for a setting, or None if there is nothing to say."""
    setting = due.setting
    state = changes.get("state", setting.state)
    found: str | None = changes.get("found_value", setting.found_value)
    if not setting.wanted:
        return None if found is None else ChangeConfiguration(key=setting.name, value=found)
    if state is WantedSettingState.UNREAD or (due.booted_since_read and not read):
        return GetConfiguration(keys=(setting.name,))
    if state is WantedSettingState.TO_SET:
        return ChangeConfiguration(key=setting.name, value=setting.value)
    return None
