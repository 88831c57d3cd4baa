"""`voltaro gateway`: one pod that stations connect to."""

import uvloop

from gateway.app import run
from gateway.settings import GatewaySettings
from shared.domain.errors import UnavailableError
from shared.domain.secret_names import hide_also
from shared.telemetry.logging import configure_logging


def main() -> None:
    """Run a pod until it is told to stop.

    Raises:
        SystemExit: it could not start; the exit's message says why.
    """
    settings = GatewaySettings()  # type: ignore[call-arg]  # the environment gives the rest
    configure_logging(settings, service="gateway")
    hide_also(settings.secret_names)
    try:
        uvloop.run(run(settings))
    except UnavailableError as error:
        raise SystemExit(f"voltaro gateway: {error}") from None


if __name__ == "__main__":
    main()
