"""Serves the REST API (`voltaro control`)."""

from functools import partial

from control.app import run
from control.serving import run_process
from control.settings import ControlSettings
from shared.domain.secret_names import hide_also
from shared.telemetry.logging import configure_logging


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    # The values come from the environment, which mypy cannot know.
    settings = ControlSettings()  # type: ignore[call-arg]
    configure_logging(settings, service="control")
    hide_also(settings.secret_names)
    run_process(partial(run, settings))


if __name__ == "__main__":
    main()
