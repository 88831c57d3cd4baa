"""`voltaro sim`: simulated charging stations on the command line, thin over `simulator`."""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from ssl import SSLError, create_default_context
from typing import Annotated, Protocol

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from simulator.driver import ConnectionSettings
from simulator.events import (
    AuthorizationRefused,
    CallFailed,
    ChargeEnded,
    ChargeStarted,
    CommandAnswered,
    Connected,
    ConnectionRefused,
    Discarded,
    Disconnected,
    Event,
    FirmwareProgressed,
    LogProgressed,
    PowerLimited,
    Rebooting,
    Registered,
    SecurityEventHappened,
    encode_event,
)
from simulator.fleet import Fleet, FleetStatistics
from simulator.misbehaviour import MisbehaviourName
from simulator.profile import OcppVersion, Scenario, ScenarioMode, StationProfile

#: With more stations than this, people read the statistics and not every event.
_TOLD_ONE_BY_ONE = 10

_REFUSAL_HINTS = {
    None: " (does the CSMS run, and is --url right?)",
    401: " (is the station registered, and VOLTARO_SIM_PASSWORD its password?)",
    404: " (is the path of --url right?)",
}

_NUMBERS_FOR_PEOPLE = ("online", "charging", "started", "ended", "acknowledged", "failures")


def sim(  # every option of the command is a parameter
    *,
    url: Annotated[
        str,
        typer.Option(
            help="OCPP-J endpoint of the CSMS, without the station id.", envvar="VOLTARO_SIM_URL"
        ),
    ] = "ws://127.0.0.1:9000/ocpp",
    station: Annotated[
        str | None,
        typer.Option(help="Id of a single station.", envvar="VOLTARO_SIM_STATION"),
    ] = None,
    stations: Annotated[
        int, typer.Option(help="How many stations, named PREFIX1, PREFIX2 ...", min=1)
    ] = 1,
    prefix: Annotated[str, typer.Option(help="Prefix of the stations' ids.")] = "SIM-",
    first: Annotated[int, typer.Option(help="Number of the first station.", min=0)] = 1,
    version: Annotated[
        list[OcppVersion] | None,
        typer.Option(
            help="Version of OCPP, by default 1.6; repeat for several: the stations take turns."
        ),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            help="Password for HTTP Basic authentication, of every station.",
            envvar="VOLTARO_SIM_PASSWORD",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="Certificates to trust with wss:// and https://, PEM; by default the system's.",
            envvar="VOLTARO_SIM_CA_FILE",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    id_tag: Annotated[
        list[str] | None,
        typer.Option(
            help="Id token drivers present; repeat for several.", envvar="VOLTARO_SIM_ID_TAG"
        ),
    ] = None,
    connectors: Annotated[int, typer.Option(help="Connectors per station.", min=1)] = 1,
    power_w: Annotated[float, typer.Option(help="Power of one connector, in W.", min=1)] = 22_000,
    phases: Annotated[int, typer.Option(help="1 to 3, or 0 for direct current.", min=0, max=3)] = 3,
    energy_wh: Annotated[
        float | None,
        typer.Option(help="A session ends after so much energy, in Wh.", min=1),
    ] = None,
    meter_interval_s: Annotated[
        int, typer.Option(help="Between meter values, in s; the CSMS may change it.", min=0)
    ] = 5,
    clock_aligned_s: Annotated[
        int,
        typer.Option(
            help="Between readings aligned to the clock, in s; 0 for none. The CSMS may change it.",
            min=0,
        ),
    ] = 0,
    session_s: Annotated[
        tuple[float, float], typer.Option(help="Shortest and longest session, in s.")
    ] = (60, 180),
    pause_s: Annotated[
        tuple[float, float], typer.Option(help="Shortest and longest pause between them, in s.")
    ] = (5, 20),
    time_lapse: Annotated[
        float,
        typer.Option(
            help="Seconds of electricity per second: 60 delivers in a minute what takes an "
            "hour. Timestamps stay real, so the register outruns the reported power.",
            min=0.001,
        ),
    ] = 1.0,
    scenario: Annotated[
        ScenarioMode,
        typer.Option(help="Session after session, one per connector, or none by itself."),
    ] = ScenarioMode.LOOP,
    misbehave: Annotated[
        list[MisbehaviourName] | None,
        typer.Option(help="Do something wrong on purpose; repeat for several."),
    ] = None,
    transaction_data: Annotated[
        bool,
        typer.Option("--transaction-data", help="Send readings with the end of a charge too."),
    ] = False,
    starts_per_s: Annotated[
        float, typer.Option(help="Stations switched on per second.", min=0.01)
    ] = 20.0,
    seed: Annotated[
        int | None, typer.Option(help="Repeat the same run.", envvar="VOLTARO_SIM_SEED")
    ] = None,
    duration_s: Annotated[
        float | None, typer.Option(help="Stop after so many seconds.", min=0)
    ] = None,
    statistics_s: Annotated[
        float, typer.Option(help="Between lines of statistics, in s; 0 for none.", min=0)
    ] = 30.0,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, on stdout.")
    ] = False,
) -> None:
    """Run simulated charging stations (OCPP 1.6J and 2.0.1) against a CSMS.

    They boot, charge by themselves, answer commands, and come back when the connection is lost.
    Ctrl-C or SIGTERM stops them: connections are closed, running charges are left as they are.
    """
    ids = [station] if station else [f"{prefix}{first + number}" for number in range(stations)]
    try:
        profiles = [
            StationProfile(
                station_id=each,
                version=spoken,
                connectors=connectors,
                power_w=power_w,
                phases=phases,
                time_lapse=time_lapse,
                meter_interval_s=meter_interval_s,
                clock_aligned_interval_s=clock_aligned_s,
                transaction_data=transaction_data,
                misbehaviours=frozenset(misbehave or ()),
                scenario=Scenario(
                    mode=scenario,
                    id_tokens=tuple(id_tag or Scenario().id_tokens),
                    energy_wh=energy_wh,
                    session_s=session_s,
                    pause_s=pause_s,
                ),
            )
            for each, spoken in zip(ids, cycle(version or [OcppVersion.V1_6]), strict=False)
        ]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not url.startswith(("ws://", "wss://")):
        raise typer.BadParameter(f"--url must begin with ws:// or wss://, got {url}")
    try:
        trust = None if ca_file is None else create_default_context(cafile=ca_file)
    except SSLError as error:
        raise typer.BadParameter(f"--ca-file {ca_file} holds no certificates: {error}") from None
    teller = _JsonTeller() if json_lines else _PeopleTeller(one_by_one=len(ids) <= _TOLD_ONE_BY_ONE)
    fleet = Fleet(
        profiles,
        url=url,
        password=password,
        seed=seed,
        starts_per_s=starts_per_s,
        on_event=teller.tell,
        connection=ConnectionSettings(ssl=trust),
    )
    asyncio.run(_run(fleet, teller, statistics_s=statistics_s, duration_s=duration_s))


async def _run(
    fleet: Fleet, teller: "_Teller", *, statistics_s: float, duration_s: float | None
) -> None:
    """Run until a signal comes or the time is over."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(
        fleet.run(report=teller.summarize, report_interval_s=statistics_s)
        if statistics_s > 0
        else fleet.run()
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(
            {running, stopping}, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in (running, stopping):
            task.cancel()
        await asyncio.wait({running, stopping})
    teller.summarize(fleet.statistics)
    if not running.cancelled():
        running.result()  # A fleet ends by itself only through an error: show it.


class _Teller(Protocol):
    """Prints what happens."""

    def tell(self, event: Event) -> None:
        """Print one event."""

    def summarize(self, statistics: FleetStatistics) -> None:
        """Print one line of statistics."""


class _JsonTeller:
    """One JSON object per line on stdout; the field `event` names its kind."""

    def tell(self, event: Event) -> None:
        """Print one event, whatever it is."""
        self._print(encode_event(event))

    def summarize(self, statistics: FleetStatistics) -> None:
        """Print the statistics as an event of their own."""
        self._print(msgspec.json.encode({"event": "statistics", **statistics.summary()}))

    @staticmethod
    def _print(line: bytes) -> None:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


class _PeopleTeller:
    """Short coloured lines.

    Args:
        one_by_one: Tell every event; of a large fleet only the statistics are told.
    """

    def __init__(self, *, one_by_one: bool) -> None:
        self._console = Console(highlight=False)
        self._one_by_one = one_by_one

    def tell(self, event: Event) -> None:
        """Print one event if it is of interest to people."""
        if self._one_by_one and (sentence := _sentence(event)):
            clock = datetime.fromtimestamp(event.at, UTC).astimezone().strftime("%H:%M:%S")
            self._console.print(
                f"[dim]{clock}[/dim] [bold]{escape(event.station_id)}[/bold] {sentence}",
                soft_wrap=True,
            )

    def summarize(self, statistics: FleetStatistics) -> None:
        """Print the statistics in one line."""
        numbers = statistics.summary()
        told = "  ".join(f"{name} [bold]{numbers[name]}[/bold]" for name in _NUMBERS_FOR_PEOPLE)
        energy = f"energy [bold]{statistics.energy_wh / 1000:.2f} kWh[/bold]"
        self._console.print(f"{told}  {energy}", soft_wrap=True)


def _sentence(event: Event) -> str | None:
    return (
        _connection_sentence(event)
        or _charging_sentence(event)
        or _maintenance_sentence(event)
        or _trouble_sentence(event)
    )


def _connection_sentence(event: Event) -> str | None:
    match event:
        case Connected():
            return "connected"
        case Disconnected():
            again = "" if event.retry_in_s is None else f", again in {event.retry_in_s:.1f} s"
            return f"[yellow]disconnected[/yellow] ({escape(event.reason)}){again}"
        case ConnectionRefused():
            what = f"HTTP {event.status} " if event.status else ""
            hint = _REFUSAL_HINTS.get(event.status, "")
            return (
                f"[red]no connection[/red]: {what}{escape(event.reason)}{hint}, "
                f"again in {event.retry_in_s:.1f} s"
            )
        case Registered(status="Accepted"):
            return f"[green]accepted[/green], heartbeat every {event.interval_s:g} s"
        case Registered():
            return f"[yellow]{escape(event.status)}[/yellow], asks again in {event.interval_s:g} s"
    return None


def _charging_sentence(event: Event) -> str | None:
    match event:
        case ChargeStarted():
            offline = ", offline" if event.offline else ""
            return (
                f"[cyan]charging[/cyan] on connector {event.connector_id} with "
                f"{escape(event.id_token)}{offline}"
            )
        case ChargeEnded():
            return (
                f"[cyan]charged[/cyan] {event.energy_wh / 1000:.2f} kWh in "
                f"{event.duration_s:.0f} s on connector {event.connector_id} ({event.reason})"
            )
        case AuthorizationRefused():
            return (
                f"[red]refused[/red]: {escape(event.id_token)} may not charge; "
                "add the id token to the CSMS or pass another --id-tag"
            )
        case PowerLimited():
            limit = "no limit" if event.limit_w is None else f"{event.limit_w / 1000:.2f} kW"
            return f"[cyan]charging profiles[/cyan] allow {limit} on connector {event.connector_id}"
    return None


def _maintenance_sentence(event: Event) -> str | None:
    match event:
        case FirmwareProgressed():
            return f"[magenta]firmware {escape(event.version)}[/magenta]: {escape(event.status)}"
        case LogProgressed():
            return f"[magenta]{escape(event.file_name)}[/magenta]: {escape(event.status)}"
        case SecurityEventHappened():
            return f"[yellow]{escape(event.type)}[/yellow]: {escape(event.info)}"
    return None


def _trouble_sentence(event: Event) -> str | None:
    match event:
        case Rebooting():
            return f"[yellow]restarts[/yellow] ({escape(event.reason)})"
        case CommandAnswered():
            answer = event.error or (event.response or {}).get("status", "answered")
            return f"[magenta]{escape(event.action)}[/magenta]: {escape(str(answer))}"
        case CallFailed():
            return f"[red]{escape(event.action)}[/red] {event.failure}: {escape(event.detail)}"
        case Discarded():
            return f"[red]{escape(event.action)} given up[/red] after {event.attempts} attempts"
    return None
