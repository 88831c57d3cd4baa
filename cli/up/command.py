"""The options of `voltaro up`. Loads nothing but typer, as `voltaro --help` loads it too."""

from pathlib import Path
from typing import Annotated

import typer

_MAX_PORT = 65_535


def up(
    *,
    gateways: Annotated[int, typer.Option(min=1, max=64, help="Gateway processes.")] = 2,
    stations: Annotated[
        int, typer.Option(min=0, max=10_000, help="Simulated stations that charge.")
    ] = 5,
    host: Annotated[
        str, typer.Option(help="Address for stations and API clients; 0.0.0.0 opens both ports.")
    ] = "127.0.0.1",
    ocpp_port: Annotated[
        int, typer.Option(min=0, max=_MAX_PORT, help="Port for stations; 0 picks a free one.")
    ] = 9000,
    http_port: Annotated[
        int, typer.Option(min=0, max=_MAX_PORT, help="Port for the API; 0 picks a free one.")
    ] = 8000,
    data: Annotated[
        Path, typer.Option(help="Directory of everything that is kept: made if missing.")
    ] = Path(".voltaro"),
    reset: Annotated[bool, typer.Option("--reset", help="Remove all kept data first.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON when ready, and nothing else.")
    ] = False,
) -> None:
    """Run a whole cluster on this machine: Postgres, Redis, HAProxy, gateways, API, stations."""
    from cli.up.app import run
    from cli.up.cluster import Options

    options = Options(
        gateways=gateways,
        stations=stations,
        host=host,
        ocpp_port=ocpp_port,
        http_port=http_port,
        data=data,
        reset=reset,
        json=json,
    )
    raise typer.Exit(run(options))
