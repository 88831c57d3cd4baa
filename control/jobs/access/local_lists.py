"""Keeps stations' local authorization lists in step with the tokens.

Each run takes the lists that have something to do, settles what became of the last command, and
sends at most one next command per station, the way every command goes. What an answer tells is kept
by the gateway before the command ends. If it could not be kept, the same changes are sent once more
under the next version, which does no harm.
"""

from dataclasses import dataclass, field
from typing import Any

import structlog

from control.jobs.periodic import each_by_itself
from control.jobs.settings import WorkerSettings
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.access.local_list_limits import (
    LocalListLimits,
    ToldLimits,
    keys_to_ask,
    read_answer,
)
from shared.domain.access.local_lists import (
    EMPTY_VERSION,
    LocalList,
    LocalListState,
    LocalListUpdate,
    plan_full,
    plan_update,
    retry_delay_s,
)
from shared.domain.commands import (
    Command,
    CommandState,
    GetConfiguration,
    GetLocalListVersion,
    SendLocalList,
)
from shared.domain.errors import NotFoundError, UnavailableError
from shared.store.access import local_list_limits, local_list_steps, local_lists
from shared.store.access.local_list_steps import DueList
from shared.store.access.wanted_lists import WantedLists
from shared.store.commands import commands
from shared.store.pool import Database

log = structlog.get_logger()

_NOBODY_WAITS = ""
# CALLERROR codes of a station that does not know the message, as 1.6 and 2.0.1 spell them.
_NOT_KNOWN = frozenset({"NotImplemented", "NotSupported"})
# Of an update that was not sent, because the station has told other limits than we knew of.
_OVER_LIMITS = "CannotBeSaid"


@dataclass(slots=True)
class _Step:
    """What is to be kept of one step: columns and their values, those that are now, the delay."""

    changes: dict[str, Any] = field(default_factory=dict)
    now: list[str] = field(default_factory=list)
    delay_s: float = 0.0


class LocalListKeeper:
    """Takes one step for each list that has something to do.

    Args:
        db: where lists, tokens and commands are kept.
        registry: knows which pod holds a station.
        sender: writes to the pods' streams.
        settings: how many steps a run takes, and what counts for stations that tell no limits.
    """

    def __init__(
        self,
        db: Database,
        registry: OwnershipRegistry,
        sender: PodRequestSender,
        settings: WorkerSettings,
    ) -> None:
        self._db = db
        self._wanted = WantedLists(db)
        self._registry = registry
        self._sender = sender
        self._settings = settings

    async def run(self) -> int:
        """Take steps; return how many."""
        due = await local_list_steps.claim_due(
            self._db,
            limit=self._settings.local_lists_batch,
            claim_s=self._settings.local_lists_claim_s,
            verify_interval_s=self._settings.local_lists_verify_interval_s,
        )
        if not due:
            return 0
        routes = await self._registry.find_routes([each.local_list.station_id for each in due])
        by_station = {each.local_list.station_id: each for each in due}

        async def step(station_id: str) -> bool:
            route = routes.get(station_id)
            await self._step(by_station[station_id], None if route is None else route.pod_id)
            return True

        return await each_by_itself(self._db, "local_lists", by_station, step)

    async def _step(self, due: DueList, pod_id: str | None) -> None:
        station_id = due.local_list.station_id
        step = _settle(due)
        if pod_id is None:
            step.delay_s = max(step.delay_s, self._settings.local_lists_claim_s)
        command = None if step.delay_s else await self._plan(due, step)
        command_id = None if command is None else await self._queue(station_id, command)
        if command_id is not None:
            step.changes["command_id"] = command_id
        noted = await local_list_steps.note_step(
            self._db, due.local_list, step.changes, now=step.now, delay_s=step.delay_s
        )
        if command_id is not None and not noted:
            await commands.withdraw(self._db, command_id)  # it was planned for what is over
        elif command_id is not None and pod_id is not None:
            await self._send(pod_id, command_id, station_id)

    async def _plan(self, due: DueList, step: _Step) -> Command | None:
        """Return the next command, or None if there is nothing to ask."""
        local_list = due.local_list
        state = step.changes.get("state", local_list.state)
        if due.needs_verifying and "verified_at" not in step.now:
            return GetLocalListVersion()
        if state is LocalListState.NOT_SUPPORTED:
            return None
        if due.needs_limits or "limits_asked_at" in step.changes:
            step.changes.pop("limits_asked_at", None)
            step.now.append("limits_asked_at")
            return GetConfiguration(keys=keys_to_ask(due.ocpp_version))
        told = await local_list_limits.find_told(self._db, local_list.station_id)
        if told.enabled is False:
            # What it tells of a list that is not in use is not what it holds (D02.FR.03).
            step.changes |= {"state": LocalListState.UNVERIFIED, "failures": 0, "last_error": None}
            return None
        if state is LocalListState.UNVERIFIED:
            return GetLocalListVersion()
        return await self._plan_update(due, state, self._limits(local_list, told, step), step)

    async def _plan_update(
        self, due: DueList, state: LocalListState, limits: LocalListLimits, step: _Step
    ) -> SendLocalList | None:
        local_list = due.local_list
        wanted = await self._wanted.read(
            local_list, ocpp_version=due.ocpp_version, max_entries=limits.max_entries
        )
        step.changes |= {"left_out": wanted.left_out, "checked_revision": wanted.revision}
        update: LocalListUpdate | None
        if local_list.accepted_version == EMPTY_VERSION and state is not LocalListState.OUTDATED:
            # It holds none. Not every station takes changes of a list that it does not have.
            update = None
            if wanted.entries:
                update = plan_full(wanted.entries, limits, version=local_list.next_version)
        elif state is LocalListState.OUTDATED:
            update = plan_full(wanted.entries, limits, version=local_list.next_version)
        else:
            held = await local_lists.read_held(self._db, local_list.station_id)
            update = plan_update(held, wanted.entries, limits, version=local_list.next_version)
        if update is None:
            step.changes |= {"state": LocalListState.IN_STEP, "failures": 0, "last_error": None}
            return None
        step.changes["version"] = update.version
        return _to_command(update)

    def _limits(self, local_list: LocalList, told: ToldLimits, step: _Step) -> LocalListLimits:
        """Return what to keep to: what the station has told, else what it answered us, or less."""
        max_entries, per_message = told.max_entries, told.entries_that_fit
        if max_entries is None:
            max_entries = step.changes.get("max_entries", local_list.max_entries)
        if per_message is None:
            per_message = step.changes.get(
                "max_entries_per_message", local_list.max_entries_per_message
            )
        if max_entries is None:
            max_entries = self._settings.local_lists_max_entries
        if per_message is None:
            per_message = self._settings.local_lists_max_entries_per_message
        return LocalListLimits(max_entries=max_entries, max_entries_per_message=max(1, per_message))

    async def _queue(self, station_id: str, command: Command) -> str | None:
        try:
            record, _ = await commands.create(
                self._db,
                station_id=station_id,
                command=command,
                timeout_s=self._settings.local_lists_command_timeout_s,
            )
        except NotFoundError:
            return None  # it was removed meanwhile
        return record.command_id

    async def _send(self, pod_id: str, command_id: str, station_id: str) -> None:
        try:
            await self._sender.send(pod_id, RunCommand(command_id, station_id, _NOBODY_WAITS))
        except UnavailableError as error:
            # It is queued: the sweep of waiting commands routes it when Redis is back.
            log.warning("a local list waits for Redis", station_id=station_id, error=str(error))


def _settle(due: DueList) -> _Step:
    """Return what is to be kept of what became of the last command."""
    local_list, outcome = due.local_list, due.command_state
    if local_list.command_id is None:
        return _Step()
    step = _Step({"command_id": None})
    asked_for_limits = due.command_type == GetConfiguration.__name__
    if outcome in {CommandState.ACCEPTED, CommandState.ANSWERED, CommandState.REJECTED}:
        if asked_for_limits:
            step.changes |= _learned(read_answer(due.command_response or {}))
        else:  # the gateway has kept what it means; who refuses again and again is slowed down
            step.delay_s = retry_delay_s(local_list.failures)
    elif not asked_for_limits and outcome not in {
        CommandState.EXPIRED,
        CommandState.CANCELLED,
        None,
    }:
        if outcome is CommandState.FAILED and due.command_error_code in _NOT_KNOWN:
            step.changes["state"] = LocalListState.NOT_SUPPORTED
            step.now.append("verified_at")
        elif outcome is CommandState.FAILED and due.command_error_code == _OVER_LIMITS:
            step.changes["limits_asked_at"] = None
        else:  # it may have been carried out: the version tells
            step.changes["state"] = LocalListState.UNVERIFIED
        failures = local_list.failures + 1
        step.delay_s = retry_delay_s(failures)
        step.changes |= {
            "failures": failures,
            "last_error": f"{due.command_type}: {due.command_error or outcome}",
        }
    return step


def _learned(told: ToldLimits) -> dict[str, Any]:
    learned = {
        "max_entries": told.max_entries,
        "max_entries_per_message": told.entries_that_fit,
    }
    return {column: limit for column, limit in learned.items() if limit is not None}


def _to_command(update: LocalListUpdate) -> SendLocalList:
    return SendLocalList(
        version=update.version,
        update_type=update.update_type,
        entries=tuple(entry.to_params() for entry in update.entries),
    )
