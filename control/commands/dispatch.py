"""Sends commands to the pods that hold the stations, and awaits what becomes of them."""

import asyncio
import random
from copy import copy

from control.commands.outcomes import Outcomes
from control.passwords import StationPasswords
from shared.bus.ownership import OwnershipRegistry, Route
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.commands import Command, CommandRecord
from shared.domain.errors import StationOfflineError, UnavailableError
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.stations import stations

_ROUTE_POLL_INTERVAL_S = 0.2


class Dispatcher:
    """Puts commands on their way.

    Args:
        db: where commands are kept.
        registry: knows which pod holds a station.
        sender: writes to the pods' streams.
        outcomes: wakes us when a command has ended.
        passwords: hashes those that commands give stations.
        control_id: this process, to whom pods announce outcomes.
        reconnect_wait_s: how long a command waits for a station that was there a moment ago.
        max_queued: how many commands may wait for one station.
    """

    def __init__(
        self,
        *,
        db: Database,
        registry: OwnershipRegistry,
        sender: PodRequestSender,
        outcomes: Outcomes,
        passwords: StationPasswords,
        control_id: str,
        reconnect_wait_s: float,
        max_queued: int,
    ) -> None:
        self._db = db
        self._registry = registry
        self._sender = sender
        self._outcomes = outcomes
        self._passwords = passwords
        self._control_id = control_id
        self._reconnect_wait_s = reconnect_wait_s
        self._max_queued = max_queued

    def on(self, db: Database) -> "Dispatcher":
        """Return the same on the database of one request: it commands whom that one sees."""
        other = copy(self)
        other._db = db  # noqa: SLF001 - its own
        return other

    async def send(
        self,
        station_id: str,
        command: Command,
        *,
        timeout_s: float,
        idempotency_key: str | None = None,
        wait_for_station: bool = False,
    ) -> CommandRecord:
        """Keep a command and hand it to the pod that holds the station.

        Args:
            station_id: whom it is for.
            command: what to ask.
            timeout_s: it is not sent to the station later than this.
            idempotency_key: the caller's own; the same key again gives the first command back,
                whatever has become of it and of the station since.
            wait_for_station: keep it also where no pod holds the station, or nobody can tell: it is
                parked as those of batches are, and goes on its way when the station is back.

        Raises:
            NotFoundError: there is no such station.
            StationOfflineError: no pod holds its connection; nothing was kept.
            ConflictError: the key was used for another command.
            CommandQueueFullError: too many commands wait for the station.
            UnavailableError: Redis does not answer; nothing was kept.
        """
        if idempotency_key is not None:
            first = await commands.find_repeated(
                self._db,
                station_id=station_id,
                command=command,
                idempotency_key=idempotency_key,
            )
            if first is not None:
                return first
        route = await self._route_of(
            station_id,
            wait_s=min(self._reconnect_wait_s, timeout_s),
            wait_for_station=wait_for_station,
        )
        if route is None and not wait_for_station:
            raise StationOfflineError(
                f"station {station_id!r} is offline: no gateway holds its connection; "
                "try again when it is online"
            )
        record, new = await commands.create(
            self._db,
            station_id=station_id,
            command=command,
            timeout_s=timeout_s,
            idempotency_key=idempotency_key,
            max_queued=self._max_queued,
            password_hash=await self._passwords.hash_of(command),
        )
        if new and route is not None:
            request = RunCommand(record.command_id, station_id, self._control_id)
            try:
                await self._sender.send(route.pod_id, request)
            except UnavailableError:
                # Otherwise the worker would send later what the caller believes refused. If the
                # request has arrived all the same, the command is under way and stays.
                # One that may wait is routed by the worker, which knows no difference.
                if not wait_for_station and await commands.withdraw(self._db, record.command_id):
                    raise
        return record

    async def _route_of(
        self, station_id: str, *, wait_s: float, wait_for_station: bool
    ) -> Route | None:
        """Return where a command goes; None if it waits, or if the station is offline."""
        if not wait_for_station:
            return await self._find_route(station_id, wait_s=wait_s)
        try:
            return (await self._registry.find_routes([station_id])).get(station_id)
        except UnavailableError:
            return None

    async def _find_route(self, station_id: str, *, wait_s: float) -> Route | None:
        """Return where a station's commands go, or None if it is offline.

        Raises:
            UnavailableError: nobody can tell, as Redis does not answer or takes no writes.

        When a pod stops, its stations are at another one within a second or two. What is asked of
        one meanwhile waits for it.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + wait_s
        while True:
            route = (await self._registry.find_routes([station_id])).get(station_id)
            if route is None:
                # One that takes no writes lets leases run out: that tells nothing of stations.
                await self._sender.require_writable(station_id)
            if (
                route is not None
                or not await stations.was_online(self._db, station_id, within_s=wait_s)
                or loop.time() >= give_up_at
            ):
                return route
            await asyncio.sleep(_ROUTE_POLL_INTERVAL_S * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def wait(self, command_id: str, *, wait_s: float) -> CommandRecord:
        """Return the command when it has ended, or as it stands after `wait_s`.

        It comes back at once if too many wait already, or when the process is about to end.

        Raises:
            NotFoundError: there is no such command.
        """
        if wait_s <= 0 or self._outcomes.full:
            return await commands.get(self._db, command_id)
        deadline = asyncio.get_running_loop().time() + wait_s
        with self._outcomes.expect(command_id) as may_have_ended:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        await may_have_ended.wait()
                except TimeoutError:
                    return await commands.get(self._db, command_id)
                may_have_ended.clear()
                record = await commands.get(self._db, command_id)
                if record.state.final or self._outcomes.stopped:
                    return record
