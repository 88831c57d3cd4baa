"""Runs the background jobs (`voltaro worker`)."""

from functools import partial

from control.jobs.app import run
from control.jobs.settings import WorkerSettings
from control.serving import run_process
from shared.domain.secret_names import hide_also
from shared.telemetry.logging import configure_logging


def main() -> None:
    """Run the jobs until SIGTERM or SIGINT."""
    # The values come from the environment, which mypy cannot know.
    settings = WorkerSettings()  # type: ignore[call-arg]
    configure_logging(settings, service="worker")
    hide_also(settings.secret_names)
    run_process(partial(run, settings))


if __name__ == "__main__":
    main()
