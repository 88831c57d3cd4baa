"""The options of the load test, parsed without locust."""

import shlex
from argparse import Namespace
from typing import Any

import configargparse

from loadtest.locust.settings import add_options


class Parser(configargparse.ArgumentParser):  # type: ignore[misc]  # the package has no types
    """Locust's parser without locust, which would replace the sockets of this process."""

    def add_argument(self, *names: str, **arguments: Any) -> Any:
        arguments.pop("include_in_web_ui", None)
        return super().add_argument(*names, **arguments)


def options(line: str = "", environment: dict[str, str] | None = None) -> Namespace:
    parser = Parser()
    for option in ("--host", "--profile"):
        parser.add_argument(option)
    parser.add_argument("--users", dest="num_users", type=int)
    parser.add_argument("--spawn-rate", type=float)
    parser.add_argument("--run-time", type=int)
    add_options(parser)
    return parser.parse_args(shlex.split(line), env_vars=environment or {})  # type: ignore[no-any-return]
