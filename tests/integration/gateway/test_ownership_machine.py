"""Who may speak for a station, in whatever order pods connect, stall, die, and come too late.

The model knows one thing: the connection that came last speaks. Against it stand the real Postgres
and Redis, with everything a pod, the API and the worker do to them, in any order.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry, Route
from shared.domain.commands import CommandState, DataTransfer, Outcome
from shared.domain.stations.availability import Disconnection, DisconnectReason
from shared.domain.stations.stations import (
    Connection,
    Connector,
    ConnectorStatus,
    ConnectorStatusReported,
    Ownership,
    Station,
)
from shared.settings import DatabaseSettings, ServiceSettings
from shared.store import epochs, facts, pods
from shared.store.commands import commands
from shared.store.pool import Database, open_database
from shared.store.stations import connections, stations
from tests.faults.table import scaled
from tests.support.stations import register

_STATIONS, _PODS = ("X", "Y"), ("a", "b", "c")
_LONG_S = 3600.0
_BEHIND = st.integers(0, 2)
_runs = count()

Value = TypeVar("Value")


@dataclass
class Model:
    """What has to be true of one station."""

    epoch: int = 0
    online: bool = False
    status: str | None = None
    route: Ownership | None = None


class Pods(RuleBasedStateMachine):
    """Does to two stations what three pods, the API and the worker may do."""

    loop: ClassVar[asyncio.Runner]
    db: ClassVar[Database]
    redis: ClassVar[Redis]

    asked = Bundle("asked")

    def wait_for(self, action: Awaitable[Value]) -> Value:
        """Wait for a server; rules cannot, so that they have an event loop of their own."""

        async def wait() -> Value:
            return await action

        return self.loop.run(wait())

    @initialize()
    def begin(self) -> None:
        self.run_id = next(_runs)
        self.registry = OwnershipRegistry(self.redis)
        self.models = {f"{name}-{self.run_id}": Model() for name in _STATIONS}
        self.known: dict[str, list[Ownership]] = {station_id: [] for station_id in self.models}
        self.leases = dict.fromkeys((f"{name}-{self.run_id}" for name in _PODS), False)
        self.redis_leases = dict(self.leases)
        self.held: dict[str, list[Ownership]] = {pod_id: [] for pod_id in self.leases}
        self.command_states: dict[str, CommandState] = {}
        self.command_pods: dict[str, str] = {}
        self.wait_for(self.redis.flushall())
        for station_id in self.models:
            self.wait_for(register(self.db, station_id))
        for name in _STATIONS:  # so that there is somebody to displace, and somebody to come late
            self._connect(name, ["a"])
            self._connect(name, ["b"])

    @rule(
        name=st.sampled_from(_STATIONS),
        first=st.sampled_from(_PODS),
        second=st.none() | st.sampled_from(_PODS),
    )
    def connect(self, name: str, first: str, second: str | None) -> None:
        """A station connects, or two boxes do at the same time."""
        self._connect(name, [first] if second is None else [first, second])

    def _connect(self, name: str, names: list[str]) -> None:
        station_id = f"{name}-{self.run_id}"
        model = self.models[station_id]
        claimed = self.wait_for(
            connections.claim(
                self.db,
                [
                    Connection(
                        station_id=station_id,
                        connection_id=f"{len(self.known[station_id]) + number}",
                        pod_id=f"{pod}-{self.run_id}",
                        ocpp_version="1.6",
                    )
                    for number, pod in enumerate(names, start=1)
                ],
            )
        )
        ownerships = [each for each in claimed if each is not None]
        for ownership in ownerships:
            assert ownership.epoch > model.epoch
            model.epoch = ownership.epoch
            self.held[ownership.pod_id].append(ownership)
            self.known[station_id].append(ownership)
        model.online = True

    def _find(self, name: str, behind: int) -> Ownership | None:
        """Return a station's newest connection, or one that is older by so many."""
        known = self.known[f"{name}-{self.run_id}"]
        return known[-1 - behind] if behind < len(known) else None

    @rule(name=st.sampled_from(_STATIONS), behind=_BEHIND)
    def announce(self, name: str, behind: int) -> None:
        """A connection is announced, at last or again."""
        ownership = self._find(name, behind)
        if ownership is None:
            return
        model = self.models[ownership.station_id]
        (claim,) = self.wait_for(self.registry.claim([ownership]))
        before = model.route
        assert claim.claimed == (before is None or before.epoch <= ownership.epoch)
        assert claim.other_pod_id == (None if before is None else before.pod_id)
        if before is not None and not claim.claimed:
            # Postgres has not fallen back, so it knows of the newer one too.
            rising = epochs.rise(self.db, [(ownership, before.epoch)])
            assert self.wait_for(rising) == [None]
            return
        model.route = ownership

    @rule(name=st.sampled_from(_STATIONS), behind=_BEHIND)
    def end(self, name: str, behind: int) -> None:
        """A connection has ended, perhaps long ago, and is released."""
        ownership = self._find(name, behind)
        if ownership is None:
            return
        model = self.models[ownership.station_id]
        ended = Disconnection(
            ownership=ownership,
            reason=DisconnectReason.CONNECTION_LOST,
            close_code=None,
            close_reason=None,
            last_heard_at=datetime.now(UTC),
        )
        self.wait_for(connections.release(self.db, [ended]))
        (withdrawn,) = self.wait_for(self.registry.release([ownership]))
        assert withdrawn == (model.route == ownership)
        if withdrawn:
            model.route = None
        if ownership.epoch == model.epoch:
            model.online = False
        if ownership in self.held[ownership.pod_id]:
            self.held[ownership.pod_id].remove(ownership)

    @rule(name=st.sampled_from(_PODS))
    def renew(self, name: str) -> None:
        """A pod renews its leases, and tells again what it holds if one was lost."""
        pod_id = f"{name}-{self.run_id}"
        held = self.wait_for(
            pods.renew_lease(self.db, pod_id=pod_id, pod_name=name, lease_s=_LONG_S)
        )
        assert held == self.leases[pod_id]
        self.leases[pod_id] = True
        in_redis = self.wait_for(self.registry.renew_lease(pod_id, lease_s=_LONG_S))
        assert in_redis == self.redis_leases[pod_id]
        self.redis_leases[pod_id] = True
        if not held:
            self._reassert(pod_id)

    def _reassert(self, pod_id: str) -> None:
        ownerships = self.held[pod_id]
        ours = self.wait_for(connections.reassert(self.db, ownerships))
        still = [each for each in ownerships if each.epoch == self.models[each.station_id].epoch]
        assert ours == {each.station_id for each in still}
        self.held[pod_id] = still
        for ownership in still:
            self.models[ownership.station_id].online = True

    @rule(name=st.sampled_from(_PODS))
    def stall(self, name: str) -> None:
        """A pod stands still until its leases have run out."""
        pod_id = f"{name}-{self.run_id}"
        self.wait_for(
            self.db.execute(
                "UPDATE pods SET lease_expires_at = now() - interval '1 s' WHERE pod_id = $1",
                pod_id,
            )
        )
        self.wait_for(self.registry.end_lease(pod_id))
        self.leases[pod_id] = self.redis_leases[pod_id] = False

    @rule()
    def sweep(self) -> None:
        """The worker puts dead pods' stations offline and ends the commands they had sent."""
        known = self.wait_for(
            self.db.fetch("SELECT pod_id FROM pods WHERE lease_expires_at < now()")
        )
        dead = {record["pod_id"] for record in known}
        owners = self.wait_for(
            self.db.fetch("SELECT station_id, pod_id FROM stations WHERE pod_id = ANY($1)", dead)
        )
        self.wait_for(pods.sweep_dead(self.db))
        for record in owners:
            if record["station_id"] in self.models:
                self.models[record["station_id"]].online = False
        self.wait_for(commands.sweep_unanswered(self.db, grace_s=_LONG_S))
        living = self.wait_for(self.db.fetch("SELECT pod_id FROM pods"))
        for command_id, pod_id in self.command_pods.items():
            sent = self.command_states[command_id] is CommandState.SENT
            if sent and pod_id not in {record["pod_id"] for record in living}:
                self.command_states[command_id] = CommandState.UNKNOWN

    @rule(really=st.integers(0, 4))
    def empty_redis(self, really: int) -> None:
        """Redis loses everything, more seldom than other things happen."""
        if really:
            return
        self.wait_for(self.redis.flushall())
        self.redis_leases = dict.fromkeys(self.redis_leases, False)
        for model in self.models.values():
            model.route = None

    @rule(
        target=asked,
        name=st.sampled_from(_STATIONS),
        readers=st.lists(_BEHIND, max_size=3),
        answered=st.booleans(),
    )
    def ask(self, name: str, readers: list[int], *, answered: bool) -> tuple[str, str]:
        """An operator asks for something, and some connections read it."""
        station_id = f"{name}-{self.run_id}"
        record, _ = self.wait_for(
            commands.create(
                self.db,
                station_id=station_id,
                command=DataTransfer(vendor_id="V"),
                timeout_s=_LONG_S,
            )
        )
        self.command_states[record.command_id] = CommandState.QUEUED
        command = (record.command_id, station_id)
        for behind in readers:
            self._send(command, behind)
        if answered:
            self._answer(command)
        return command

    @rule(command=asked, behind=_BEHIND)
    def send(self, command: tuple[str, str], behind: int) -> None:
        """A connection is about to send a command that it read long ago, or again."""
        self._send(command, behind)

    def _send(self, command: tuple[str, str], behind: int) -> None:
        command_id, station_id = command
        ownership = self._find(station_id[0], behind)
        if ownership is None:
            return
        taken = self.wait_for(
            commands.take_for_sending(
                self.db,
                command_id,
                connection_id=self._connection_id(ownership),
                pod_id=ownership.pod_id,
            )
        )
        speaks = ownership.epoch == self.models[station_id].epoch
        queued = self.command_states[command_id] is CommandState.QUEUED
        assert (taken is not None) == (speaks and queued)
        if taken is not None:
            self.command_states[command_id] = CommandState.SENT
            self.command_pods[command_id] = ownership.pod_id

    def _connection_id(self, ownership: Ownership) -> str:
        return ownership.connection_id

    @rule(command=asked)
    def answer(self, command: tuple[str, str]) -> None:
        """The station's answer comes, perhaps after the worker has given the command up."""
        self._answer(command)

    def _answer(self, command: tuple[str, str]) -> None:
        command_id, _ = command
        finished = self.wait_for(
            commands.finish(self.db, command_id, Outcome(state=CommandState.ACCEPTED))
        )
        assert finished == (self.command_states[command_id] is CommandState.SENT)
        if finished:
            self.command_states[command_id] = CommandState.ACCEPTED

    @rule(
        name=st.sampled_from(_STATIONS),
        behind=_BEHIND,
        word=st.sampled_from(["Available", "Occupied", "Faulted"]),
    )
    def report(self, name: str, behind: int, word: str) -> None:
        """A connection tells a status, perhaps one that waited in the socket of a stalled pod."""
        ownership = self._find(name, behind)
        if ownership is None:
            return
        model = self.models[ownership.station_id]
        fact = ConnectorStatusReported(
            station_id=ownership.station_id,
            epoch=ownership.epoch,
            evse_id=1,
            connector_id=1,
            status=ConnectorStatus(word),
            reported_status=word,
            error_code=None,
            info=None,
            vendor_id=None,
            vendor_error_code=None,
            reported_at=datetime.now(UTC),
        )
        self.wait_for(facts.write(self.db, [fact]))
        if ownership.epoch == model.epoch:
            model.status = word

    @invariant()
    def agrees(self) -> None:
        """Everybody who looks sees what the model says."""
        routes, connectors, found_stations = self.wait_for(self._look())
        statuses = {each.station_id: each.status for each in connectors}
        for station in found_stations:
            station_id = station.station_id
            model = self.models[station_id]
            assert (station.epoch, station.online) == (model.epoch, model.online)
            assert statuses.get(station_id) == model.status
            route = model.route
            if route is not None and not self.redis_leases[route.pod_id]:
                route = None
            found = routes.get(station_id)
            assert (found and (found.pod_id, found.epoch)) == (
                route and (route.pod_id, route.epoch)
            )

    async def _look(self) -> tuple[dict[str, Route], list[Connector], list[Station]]:
        station_ids = list(self.models)
        return (
            await self.registry.find_routes(station_ids),
            await stations.list_connectors(self.db, station_ids),
            [await stations.get(self.db, station_id) for station_id in station_ids],
        )


class CarelessPods(Pods):
    """Sends without looking whether the connection still speaks for the station."""

    def _connection_id(self, ownership: Ownership) -> str:
        return self.known[ownership.station_id][-1].connection_id


def play(machine: type[Pods], *, runs: int, database_url: str, redis_url: str) -> None:
    """Run the machine on servers of its own."""
    with asyncio.Runner() as runner:

        async def connect() -> None:
            Pods.db = await database.__aenter__()
            Pods.redis = await redis.__aenter__()

        async def disconnect() -> None:
            await database.__aexit__(None, None, None)
            await redis.__aexit__(None, None, None)

        database = open_database(DatabaseSettings(database_url=database_url))
        redis = open_redis(ServiceSettings(database_url="", redis_url=redis_url))
        runner.run(connect())
        Pods.loop = runner
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=runs,
                    stateful_step_count=40,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(disconnect())


def test_only_the_newest_connection_speaks_for_a_station(database_url: str, redis_url: str) -> None:
    play(Pods, runs=scaled(80, 2000), database_url=database_url, redis_url=redis_url)


def test_a_connection_that_speaks_after_its_time_is_noticed(
    database_url: str, redis_url: str
) -> None:
    with pytest.raises(AssertionError):
        play(CarelessPods, runs=300, database_url=database_url, redis_url=redis_url)
