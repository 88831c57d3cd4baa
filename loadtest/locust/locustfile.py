"""What locust loads: `locust -f loadtest/locust/locustfile.py`."""

import logging
import signal
import sys
from argparse import Namespace

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtest.locust.conductor import Conductor
from loadtest.locust.generator import Generator
from loadtest.locust.settings import SettingsError, add_options, settings_of
from loadtest.locust.shape import FleetShape
from loadtest.locust.station_user import StationUser

__all__ = ["FleetShape", "StationUser"]

_WRONG_OPTION = 2


def _add_options(parser: LocustArgumentParser, **_: object) -> None:
    add_options(parser)


def _attach(environment: Environment, **_: object) -> None:
    """Give this process its part: to lead the run, to run stations, or both."""
    # A line per request of ours would bury what locust says.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # What stops a run says so in a sentence; a traceback adds nothing.
    gevent.get_hub().NOT_ERROR += (StopTest,)
    runner = environment.runner
    if isinstance(runner, LocalRunner | MasterRunner):
        _check(environment.parsed_options)
        # Locust heeds SIGTERM only after a headless run; until then let it be what Ctrl-C is.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        FleetShape.conductor = Conductor(environment, runner)
    if isinstance(runner, LocalRunner | WorkerRunner):
        StationUser.generator = Generator(environment, runner)
    if isinstance(runner, WorkerRunner):
        environment.events.quitting.add_listener(_end_well)


def _check(options: Namespace | None) -> None:
    """End at once if the options cannot be used, unless the web page may still mend them."""
    if options is None or not options.headless:
        return
    try:
        settings_of(options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(_WRONG_OPTION)


def _end_well(environment: Environment, **_: object) -> None:
    """End a worker with 0: what went wrong with requests is for the master to judge."""
    if not environment.runner or not environment.runner.exceptions:
        environment.process_exit_code = 0


events.init_command_line_parser.add_listener(_add_options)
events.init.add_listener(_attach)
