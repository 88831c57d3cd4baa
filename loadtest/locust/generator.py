"""A process that runs stations: theirs, their operators', and what it tells the master."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from locust.env import Environment
from locust.rpc.protocol import Message
from locust.runners import LocalRunner, WorkerRunner

from loadtest.locust import ledger
from loadtest.locust.api import Api
from loadtest.locust.behaviour import Behaviour, demand_of, losses_of
from loadtest.locust.calls import TimedCall
from loadtest.locust.commands import Operators
from loadtest.locust.driver import StationDriver, WebSocketSettings
from loadtest.locust.identities import Shard, share_of
from loadtest.locust.lag import LagMeter
from loadtest.locust.open_files import TOO_FEW_FILES, make_room
from loadtest.locust.profiles import RunPlan
from loadtest.locust.settings import Settings, settings_of
from loadtest.locust.thresholds import KINDS, Kind
from simulator.events import Acknowledged, Event
from simulator.profile import Scenario, StationProfile
from simulator.station import Station
from simulator.versions import DIALECTS

log = logging.getLogger(__name__)

#: Messages between master and workers.
SETTLE, SETTLED = "voltaro_settle", "voltaro_settled"
REGISTER, REGISTERED = "voltaro_register", "voltaro_registered"

_REGISTRATION_TIMEOUT_S = 30.0
_SETTLE_LOOK_S = 0.05
#: For commands on their way: a station that has hung up cannot answer them.
_COMMANDS_GRACE_S = 3.0


class Generator:
    """The stations of this process, of one run after another.

    Args:
        environment: Locust's.
        runner: What starts and stops users here.
    """

    def __init__(self, environment: Environment, runner: LocalRunner | WorkerRunner) -> None:
        self._environment = environment
        self._runner = runner
        self._run: Run | None = None
        events = environment.events
        events.test_start.add_listener(self.on_test_start)
        events.test_stop.add_listener(self.on_test_stop)
        events.report_to_master.add_listener(self.on_report_to_master)
        runner.register_message(SETTLE, self.on_settle, concurrent=True)
        if isinstance(runner, WorkerRunner):
            runner.register_message(REGISTERED, self.on_registered)

    @property
    def run(self) -> "Run | None":
        """The run that goes on."""
        return self._run

    def on_test_start(self, environment: Environment, **_: object) -> None:
        """Begin a run; the options are those of the master by now."""
        options = environment.parsed_options
        assert options is not None  # noqa: S101 - locust's command line always makes them
        plan = msgspec.convert(options.run_plan, RunPlan)
        self._run = Run(self._environment, self._runner, settings_of(options), plan)

    def on_test_stop(self, **_: object) -> None:
        """End a run, however it went."""
        if self._run is not None:
            self._run.stop()
            self._run = None

    def on_report_to_master(self, client_id: str, data: dict[str, Any]) -> None:
        """Hand over what has been acknowledged since the last report."""
        del client_id
        if self._run is not None:
            data["ledger"] = self._run.ledger.take()

    def on_settle(self, environment: Environment, msg: Message) -> None:
        """Let the stations end in order, and tell the master when they have."""
        del msg
        run, runner = self._run, self._runner
        undelivered = 0
        if run is not None:
            undelivered = run.settle()
            if isinstance(runner, WorkerRunner):
                # Not later, as the master waits half a second for last reports when it quits.
                data: dict[str, Any] = {}
                environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
                runner.send_message("stats", data)
        runner.send_message(
            SETTLED,
            {
                "client_id": runner.client_id,
                "ledger": b"" if run is None else run.ledger.take(),
                "undelivered": undelivered,
            },
        )

    def on_registered(self, environment: Environment, msg: Message) -> None:
        """Let a station begin that the master has registered meanwhile."""
        del environment
        if self._run is not None:
            self._run.registered(msg.data["station_id"])


class Run:
    """The stations of this process in one run.

    Attributes:
        ledger: What they were acknowledged, and the master has not been told.
    """

    def __init__(
        self,
        environment: Environment,
        runner: LocalRunner | WorkerRunner,
        settings: Settings,
        plan: RunPlan,
    ) -> None:
        self._environment = environment
        self._runner = runner
        self._settings = settings
        self._plan = plan
        self._began_at = time.time()
        self._demand = demand_of(plan, settings.session_s)
        self._shard = Shard(settings.station_prefix, runner.worker_index)
        here_from_the_beginning = runner.worker_index in plan.processes
        self._registered = (
            share_of(plan.users, len(plan.processes)) if here_from_the_beginning else 0
        )
        self._drivers: dict[int, StationDriver] = {}
        self._registrations: dict[str, threading.Event] = {}
        if not make_room(share_of(plan.users, len(plan.processes))):
            log.error("%s", TOO_FEW_FILES)
        self._settling = False
        self._load_ended, self._ended = threading.Event(), threading.Event()
        self.ledger = ledger.Ledger(began_ms=round(self._began_at * 1000))
        self._api: Api | None = None
        self._operators: Operators | None = None
        self._start("lag", LagMeter(self._late).run, self._ended)
        if settings.api_key and settings.commands_per_minute:
            self._api = Api(settings.api_url, settings.api_key)
            self._operators = Operators(
                self._api,
                lambda: [driver.station for driver in self._drivers.values()],
                id_token=settings.id_token,
                per_minute=settings.commands_per_minute / len(plan.processes),
                report=self._commanded,
            )
            self._start("operators", self._operators.run, self._load_ended)

    @property
    def settling(self) -> bool:
        """Whether no station is to begin any more."""
        return self._settling

    @contextmanager
    def station(self) -> Iterator[StationDriver]:
        """Lend a station that nobody else is, for as long as the block lasts."""
        number = self._shard.take()
        try:
            station_id = self._shard.station_id(number)
            if number >= self._registered:
                self._ask_for_registration(station_id)
            driver = self._make_driver(station_id, number)
            self._drivers[number] = driver
            yield driver
        finally:
            self._drivers.pop(number, None)
            self._shard.give_back(number)

    def settle(self) -> int:
        """End the load, and wait until all stations have delivered what they have to.

        Returns:
            How many messages were not confirmed in time.
        """
        self._settling = True
        self._load_ended.set()
        self._wait(lambda: self._operators is None or self._operators.idle, _COMMANDS_GRACE_S)
        for driver in list(self._drivers.values()):
            threading.Thread(target=driver.settle, daemon=True).start()
        self._wait(lambda: not self._drivers, self._settings.settle_timeout_s)
        self._ended.set()
        return sum(driver.station.link.undelivered for driver in self._drivers.values())

    def stop(self) -> None:
        """End what this run has begun besides its stations."""
        self._settling = True
        self._load_ended.set()
        self._ended.set()
        if self._api is not None:
            self._api.close()

    @staticmethod
    def _wait(holds: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds() and time.monotonic() < deadline:
            time.sleep(_SETTLE_LOOK_S)

    def registered(self, station_id: str) -> None:
        """Let a station begin that was not among those registered beforehand."""
        if event := self._registrations.pop(station_id, None):
            event.set()

    def _ask_for_registration(self, station_id: str) -> None:
        """Wait for the master to register a station that was not foreseen.

        That is when workers were lost, or came late, and locust has spread the users anew.
        """
        if self._settings.skip_registration:
            return
        event = self._registrations[station_id] = threading.Event()
        self._runner.send_message(
            REGISTER, {"client_id": self._runner.client_id, "station_id": station_id}
        )
        if not event.wait(_REGISTRATION_TIMEOUT_S):
            log.warning("%s was not registered in time; it will be refused.", station_id)

    def _make_driver(self, station_id: str, number: int) -> StationDriver:
        settings = self._settings
        version = settings.ocpp_versions[number % len(settings.ocpp_versions)]
        rng = random.Random()  # noqa: S311 - noise of meters, no secret
        now = time.time()
        station = Station(
            StationProfile(
                station_id=station_id,
                version=version,
                model="Load test",
                connectors=settings.connectors,
                meter_interval_s=settings.meter_interval_s,
                scenario=Scenario(id_tokens=(settings.id_token,), energy_wh=settings.energy_wh),
            ),
            make_dialect=DIALECTS[version],
            rng=rng,
            now=now,
            password=settings.station_password.encode(),
        )
        behaviour = Behaviour(
            self._demand,
            connectors=list(station.connectors),
            losses=losses_of(self._plan, number, run_began_at=self._began_at),
            run_began_at=self._began_at,
            now=now,
            id_token=settings.id_token,
            rng=rng,
        )
        return StationDriver(
            station,
            behaviour,
            url=settings.url,
            listener=_StationReport(self, KINDS[version]),
            settings=WebSocketSettings(),
        )

    @staticmethod
    def _start(name: str, run: Callable[[threading.Event], None], stop: threading.Event) -> None:
        threading.Thread(target=run, args=(stop,), name=name, daemon=True).start()

    # What the statistics are told

    def report(
        self, kind: Kind, name: str, latency_s: float | None, problem: str | None = None
    ) -> None:
        """Add one request to locust's statistics.

        Args:
            kind: What it was.
            name: Which one.
            latency_s: How long it took; None if that says nothing.
            problem: Why it failed, None if it did not.
        """
        self._environment.events.request.fire(
            request_type=kind.value,
            name=name,
            response_time=None if latency_s is None else latency_s * 1000,
            response_length=0,
            exception=problem,
            context={},
        )

    def _late(self, lateness_s: float) -> None:
        self.report(Kind.GENERATOR, "lag", lateness_s)

    def _commanded(self, type_: str, latency_s: float, problem: str | None) -> None:
        self.report(Kind.COMMAND, f"command:{type_}", latency_s, problem)


class _StationReport:
    """Tells locust what one station meets."""

    __slots__ = ("_kind", "_run")

    def __init__(self, run: Run, kind: Kind) -> None:
        self._run = run
        self._kind = kind

    def connected(self, latency_s: float) -> None:
        """Report a handshake."""
        self._run.report(Kind.CONNECT, "handshake", latency_s)

    def not_connected(self, latency_s: float, problem: str) -> None:
        """Report a handshake that failed."""
        self._run.report(Kind.CONNECT, "handshake", latency_s, problem)

    def put_off(self, *, again: bool) -> None:
        """Report a handshake that is to be tried later; not to be let in then is a failure."""
        problem = "not for the first time" if again else None
        self._run.report(Kind.PUT_OFF, "handshake put off", None, problem)

    def disconnected(self, reason: str, *, orderly: bool) -> None:
        """Report a lost connection; one that the CSMS ended in order is no failure."""
        name = "closed by the CSMS" if orderly else "connection lost"
        self._run.report(Kind.LOSS, name, None, None if orderly else reason)

    def called(self, call: TimedCall, problem: str | None) -> None:
        """Report a CALL."""
        self._run.report(self._kind, call.action, call.latency_s, problem)

    def happened(self, event: Event) -> None:
        """Take down what was acknowledged."""
        if isinstance(event, Acknowledged):
            self._run.ledger.note(event)
