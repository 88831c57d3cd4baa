"""What there is once in a run: registration before, the orderly end, and the verdict."""

import logging
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import msgspec
from locust.env import Environment
from locust.exception import StopTest
from locust.rpc.protocol import Message
from locust.runners import LocalRunner, MasterRunner

from loadtest.locust import ledger
from loadtest.locust.api import Api, ApiError
from loadtest.locust.generator import REGISTER, REGISTERED, SETTLE, SETTLED
from loadtest.locust.identities import expected_station_ids
from loadtest.locust.profiles import RunPlan, wave_times_s
from loadtest.locust.resources import ResourceWatch
from loadtest.locust.settings import Settings, SettingsError, make_password, plan_of, settings_of
from loadtest.locust.thresholds import Measured
from loadtest.locust.verdict import Outcome, Verdict, look_up

log = logging.getLogger(__name__)

_FAILED = 2
#: Beyond the time that stations have: for commands on their way, and for the way there and back.
_SETTLE_GRACE_S = 10.0
_SETTLE_LOOK_S = 0.05


class _Stage(Enum):
    PREPARING = auto()
    LOADING = auto()
    SETTLING = auto()


@dataclass(slots=True, eq=False)
class Run:
    """One run, as a whole.

    Attributes:
        settings: The options.
        plan: What the workers are told.
        ledger: What was acknowledged, as far as it was reported.
        stage: How far it is.
        workers: Processes that have run stations.
        settled: Those of them that have nothing to deliver any more.
        undelivered: Messages that were not confirmed in the end.
        load_began_at: When the stations were registered, by the monotonic clock.
        loaded_s: How long the load was on, once it has ended.
        ended: Set when there is nothing more to do.
        watch: Of the processes under load, while it is on.
        watching: The thread of that.
    """

    settings: Settings
    plan: RunPlan
    ledger: ledger.Ledger
    stage: _Stage = _Stage.PREPARING
    workers: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    undelivered: int = 0
    load_began_at: float = 0.0
    loaded_s: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)
    watch: ResourceWatch = field(init=False)
    watching: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.watch = ResourceWatch(self.settings.metrics_urls, run_time_s=self.plan.run_time_s)
        self.watching = threading.Thread(
            target=self.watch.run, args=(self.ended,), name="resources", daemon=True
        )

    @property
    def loading(self) -> bool:
        """Whether the load is on: neither before nor after."""
        return self.stage is _Stage.LOADING

    @property
    def over(self) -> bool:
        """Whether the load has been on for long enough."""
        return self.loading and time.monotonic() - self.load_began_at >= self.plan.run_time_s


class Conductor:
    """Leads runs, one after another; lives in the master, or in the only process.

    Attributes:
        current: The run that is prepared or goes on.
        verdict: On the last run; None before the first one has ended.
    """

    def __init__(self, environment: Environment, runner: LocalRunner | MasterRunner) -> None:
        self._environment = environment
        self._runner = runner
        self.current: Run | None = None
        self.verdict: Verdict | None = None
        self._failure_text = "The load test was stopped before its load began."
        events = environment.events
        events.test_start.add_listener(self.on_test_start)
        events.worker_report.add_listener(self.on_worker_report)
        events.test_stopping.add_listener(self.on_test_stopping)
        events.test_stop.add_listener(self.on_test_stop)
        events.quitting.add_listener(self.on_quitting)
        events.quit.add_listener(self.on_quit)
        runner.register_message(SETTLED, self.on_settled)
        if isinstance(runner, MasterRunner):
            runner.register_message(REGISTER, self.on_register, concurrent=True)

    # Before

    def prepare(self) -> Run:
        """Make a run of the options as they are now.

        Raises:
            StopTest: They cannot be used, or there is nobody to run the stations.
        """
        options = self._options
        processes = self._processes()
        if not processes:
            raise self._failure("No worker is connected: start some with --worker.")
        if not options.station_password and not options.skip_registration:
            options.station_password = make_password()
        try:
            settings = settings_of(options)
        except SettingsError as error:
            raise self._failure(str(error)) from None
        plan = plan_of(options, processes=processes)
        self.current = Run(settings, plan, ledger.Ledger(began_ms=round(time.time() * 1000)))
        self.verdict = None
        # Until there is a verdict: a run that is cut short has proved nothing.
        self._environment.process_exit_code = _FAILED
        # Locust hands options that are not its own to the workers, with each order to spawn.
        options.run_plan = msgspec.to_builtins(plan)
        return self.current

    def on_test_start(self, **_: object) -> None:
        """Register the stations, then let the load begin.

        Raises:
            StopTest: They could not be registered.
        """
        run = self._required
        if not run.settings.skip_registration:
            began = time.monotonic()
            station_ids = expected_station_ids(
                run.settings.station_prefix, run.plan.processes, run.plan.users
            )
            try:
                self._register(run.settings, station_ids)
            except ApiError as error:
                raise self._failure(f"The stations cannot be registered: {error}.") from None
            log.info(
                "%d stations are registered, in %.1f s", len(station_ids), time.monotonic() - began
            )
        run.stage, run.load_began_at = _Stage.LOADING, time.monotonic()
        run.watching.start()
        if run.settings.restart_command is not None:
            threading.Thread(target=self._restart, args=(run,), daemon=True).start()

    def on_register(self, environment: Environment, msg: Message) -> None:
        """Register a station that some worker has beyond its even share."""
        del environment
        run = self.current
        if run is None:
            return
        station_id = msg.data["station_id"]
        try:
            self._register(run.settings, [station_id])
        except ApiError as error:
            log.error("%s cannot be registered: %s.", station_id, error)  # noqa: TRY400 - said all
            return
        self._runner.send_message(
            REGISTERED, {"station_id": station_id}, client_id=msg.data["client_id"]
        )

    @staticmethod
    def _register(settings: Settings, station_ids: list[str]) -> None:
        with Api(settings.api_url, settings.api_key or "") as api:
            api.register(
                station_ids, password=settings.station_password, id_token=settings.id_token
            )

    def _restart(self, run: Run) -> None:
        """Run the restart command at each wave."""
        command = run.settings.restart_command or ""
        began = time.monotonic()
        waves = msgspec.structs.replace(run.plan, waves=self._options.waves)
        for wave, at_s in enumerate(wave_times_s(waves)):
            if run.ended.wait(max(0.0, began + at_s - time.monotonic())):
                return
            log.info("Wave %d: %s", wave, command)
            environment = {**os.environ, "VOLTARO_LOAD_WAVE": str(wave)}
            # The command is the user's own, given to be run by a shell.
            code = subprocess.run(command, shell=True, env=environment, check=False).returncode  # noqa: S602
            if code:
                log.error("The restart command ended with exit code %d in wave %d.", code, wave)

    # Meanwhile

    def on_worker_report(self, client_id: str, data: dict[str, Any]) -> None:
        """Take what a worker's stations were acknowledged."""
        if (encoded := data.get("ledger")) and self.current is not None:
            self.current.workers.add(client_id)
            self.current.ledger.merge(ledger.read(encoded))

    # After

    def on_test_stopping(self, **_: object) -> None:
        """Let all stations deliver what they have before locust kills them."""
        run = self.current
        if run is None or not run.loading:
            return
        run.stage = _Stage.SETTLING
        run.loaded_s = time.monotonic() - run.load_began_at
        run.ended.set()
        # Before the stations leave: what they have held is given back then.
        run.watching.join()
        here = self._client_ids()
        run.workers |= here
        log.info("The load ends; stations deliver what they have.")
        self._runner.send_message(SETTLE, {})
        deadline = time.monotonic() + run.settings.settle_timeout_s + _SETTLE_GRACE_S
        while here - run.settled and time.monotonic() < deadline:
            time.sleep(_SETTLE_LOOK_S)

    def on_settled(self, environment: Environment, msg: Message) -> None:
        """Take note that a worker's stations have ended."""
        del environment
        run = self.current
        if run is not None:
            if encoded := msg.data["ledger"]:
                run.ledger.merge(ledger.read(encoded))
            run.undelivered += msg.data["undelivered"]
            run.settled.add(msg.data["client_id"])

    def on_test_stop(self, **_: object) -> None:
        """Look up what was acknowledged, and judge."""
        run, self.current = self.current, None
        if run is None or run.stage is not _Stage.SETTLING:
            return
        measured: dict[str, Measured] = {}
        for (_name, kind), entry in self._environment.stats.entries.items():
            measured.setdefault(kind, Measured()).add(
                entry.num_requests, entry.num_failures, entry.response_times
            )
        self.verdict = Verdict.of(
            run.plan,
            run.settings,
            measured,
            Outcome(
                acknowledged=run.ledger,
                loaded_s=run.loaded_s,
                undelivered=run.undelivered,
                silent_workers=len(run.workers - run.settled),
                generator_errors=sum(each["count"] for each in self._runner.exceptions.values()),
                finding=look_up(run.ledger, run.settings),
                growths=run.watch.growths(),
            ),
        )
        self._environment.process_exit_code = self.verdict.exit_code
        if not self._options.headless:
            print(self.verdict.text, flush=True)

    def on_quitting(self, **_: object) -> None:
        """Bring a run that goes on to its end: the process was told to stop."""
        if self.current is not None:
            self._runner.quit()

    def on_quit(self, **_: object) -> None:
        """Print the verdict below locust's own tables."""
        if self._options.headless:
            print(self.verdict.text if self.verdict else self._failure_text, flush=True)

    # What locust is asked

    @property
    def _options(self) -> Any:  # noqa: ANN401 - of argparse
        return self._environment.parsed_options

    @property
    def _required(self) -> Run:
        return self.current or self.prepare()

    def _processes(self) -> list[int]:
        """Return the indexes of the processes that run stations."""
        runner = self._runner
        if isinstance(runner, MasterRunner):
            return sorted(runner.get_worker_index(each) for each in self._client_ids())
        return [runner.worker_index]

    def _client_ids(self) -> set[str]:
        runner = self._runner
        if isinstance(runner, MasterRunner):
            clients = runner.clients
            return {each.id for each in clients.ready + clients.spawning + clients.running}
        return {runner.client_id}

    def _failure(self, sentence: str) -> StopTest:
        """Return what stops locust, and note that the run has failed."""
        self.current = None
        self._environment.process_exit_code = _FAILED
        self._failure_text = f"The load test failed. {sentence}"
        return StopTest(sentence)
