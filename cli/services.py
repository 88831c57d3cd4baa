"""The processes of a deployment, as sub-commands. Their settings come from the environment."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cli.settings_errors import explained_settings_errors

if TYPE_CHECKING:
    from shared.settings import MigrateSettings


def gateway() -> None:
    """Hold the WebSocket connections of charging stations (one pod)."""
    with _loading():
        from gateway.__main__ import main

    with explained_settings_errors():
        main()


def control() -> None:
    """Serve the REST API and the dashboard."""
    with _loading():
        from control.__main__ import main

    with explained_settings_errors():
        main()


def worker() -> None:
    """Run the background jobs: webhooks, invoices, alerts, sweepers."""
    with _loading():
        from control.jobs.__main__ import main

    with explained_settings_errors():
        main()


def migrate() -> None:
    """Bring the database's schema up to date; changes nothing when it is."""
    with _loading():
        import asyncio

        from shared.domain.errors import UnavailableError
        from shared.settings import MigrateSettings

    with explained_settings_errors():
        # The values come from the environment, which mypy cannot know.
        settings = MigrateSettings()  # type: ignore[call-arg]
    try:
        asyncio.run(_migrate(settings))
    except UnavailableError as error:
        print(f"voltaro migrate: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print("The schema is current.", file=sys.stderr)


async def _migrate(settings: "MigrateSettings") -> None:
    with _loading():
        from shared.store import schema
        from shared.store.pool import open_database

    # Tells a server that is away or refuses us from a migration that fails.
    async with open_database(settings) as db:
        if await schema.is_current(db):
            return
        with _loading():
            from shared.store.migrate import migrate as bring_up_to_date

        await bring_up_to_date(
            settings.database_url,
            connect_timeout_s=settings.database_connect_timeout_s,
            lock_wait_s=settings.migrate_lock_wait_s,
        )


@contextmanager
def _loading() -> Iterator[None]:
    """Have nobody look for garbage while modules are loaded, nor in them afterwards.

    They make none and stay for as long as the process does, and to look is a fifth of the
    processor time that a pod starts in.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
