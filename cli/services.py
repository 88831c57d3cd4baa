"""The processes of a deployment, as sub-commands. Their settings come from the environment."""

import sys

import typer

from cli.settings_errors import explained_settings_errors


def gateway() -> None:
    """Hold the WebSocket connections of charging stations (one pod)."""
    with explained_settings_errors():
        from gateway.__main__ import main

        main()


def control() -> None:
    """Serve the REST API and the dashboard."""
    with explained_settings_errors():
        from control.__main__ import main

        main()


def worker() -> None:
    """Run the background jobs: webhooks, invoices, alerts, sweepers."""
    with explained_settings_errors():
        from control.jobs.__main__ import main

        main()


def migrate() -> None:
    """Bring the database's schema up to date; changes nothing when it is."""
    import asyncio

    from shared.settings import DatabaseSettings
    from shared.store.migrate import migrate as bring_up_to_date

    with explained_settings_errors():
        # The values come from the environment, which mypy cannot know.
        settings = DatabaseSettings()  # type: ignore[call-arg]
    try:
        asyncio.run(
            bring_up_to_date(
                settings.database_url, connect_timeout_s=settings.database_connect_timeout_s
            )
        )
    except OSError as error:
        # Refused, unknown host, or TimeoutError: the server was never reached.
        reason = str(error) or "no answer in time"
        print(
            f"Postgres cannot be reached at VOLTARO_DATABASE_URL: {reason}. "
            "Start it, or correct the URL.",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None
    print("The schema is current.", file=sys.stderr)
