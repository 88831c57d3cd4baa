"""Options of the load test, beside those of locust itself."""

import ipaddress
import secrets
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol
from urllib.parse import urlsplit

from loadtest.locust.identities import STATION_ID_MAX_LENGTH, station_id
from loadtest.locust.profiles import MAX_RUN_TIME_S, MAX_USERS, PROFILES, RunPlan
from loadtest.locust.thresholds import Thresholds
from simulator.profile import OcppVersion

_ENVIRONMENT_PREFIX = "VOLTARO_LOAD_"
_PASSWORD_MIN_LENGTH = 16  # OCPP 2.0.1 A00.FR.205
_DEFAULT_USERS = 50
_DEFAULT_SPAWN_RATE = 20.0


class Parser(Protocol):
    """Locust's parser, as far as it is used here; its own module would load gevent."""

    epilog: str | None

    def set_defaults(self, **defaults: Any) -> None:  # noqa: ANN401 - of argparse
        """Change the defaults of options."""

    def add_argument(self, *names: str, **arguments: Any) -> Any:  # noqa: ANN401 - of argparse
        """Add an option."""


class SettingsError(ValueError):
    """The options cannot be used; the message holds a sentence for each problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options, checked.

    Attributes:
        url: OCPP-J endpoint of the CSMS, without the station id.
        api_url: Of the control plane.
        api_key: One of its keys; None sends no command and registers nothing.
        station_prefix: Begins the id of every station.
        station_password: Of every station.
        id_token: What drivers present.
        ocpp_versions: What stations speak, in turn.
        connectors: Per station.
        meter_interval_s: Between meter values while charging.
        energy_wh: A charge ends when so much was delivered, if not before; None for no such end.
        session_s: Mean length of a charge.
        commands_per_minute: Remote commands to the whole fleet.
        restart_command: Run by a shell at each wave of a rolling restart.
        settle_timeout_s: How long stations may take to deliver what they have, at the end.
        check_timeout_s: How long looking everything up may take, at the end.
        ledger_file: Where what was acknowledged is kept; None for nowhere.
        metrics_urls: Management ports of processes whose memory is watched.
        skip_registration: The stations are known already.
        skip_storage_check: Do not look up what was acknowledged.
        thresholds: What is asked of the run.
    """

    url: str
    api_url: str
    api_key: str | None
    station_prefix: str
    station_password: str
    id_token: str
    ocpp_versions: tuple[OcppVersion, ...]
    connectors: int
    meter_interval_s: int
    energy_wh: float | None
    session_s: float
    commands_per_minute: float
    restart_command: str | None
    settle_timeout_s: float
    check_timeout_s: float
    ledger_file: str | None
    metrics_urls: tuple[str, ...]
    skip_registration: bool
    skip_storage_check: bool
    thresholds: Thresholds


def add_options(parser: Parser) -> None:
    """Add our options to locust's, and give some of its own a meaning or a default."""
    # Locust's own option `--profile` only labels a run; here it says what kind of run it is.
    parser.set_defaults(
        host="ws://127.0.0.1:9000/ocpp",
        num_users=_DEFAULT_USERS,
        spawn_rate=_DEFAULT_SPAWN_RATE,
        profile="steady",
    )
    kinds = "\n".join(f"    {name:<16} {each.summary}" for name, each in PROFILES.items())
    parser.epilog = f"What --profile can be:\n\n{kinds}\n"

    def add(name: str, **arguments: Any) -> None:  # noqa: ANN401 - of argparse
        variable = _ENVIRONMENT_PREFIX + name.removeprefix("--").replace("-", "_").upper()
        parser.add_argument(name, env_var=variable, **arguments)

    _add_traffic(add)
    _add_verdict(add)


def _add_traffic(add: Callable[..., None]) -> None:
    add("--api-url", default="http://127.0.0.1:8000", help="The control plane.")
    add("--api-key", default="", include_in_web_ui=False, help="One of its keys.")
    add("--station-prefix", default="LOAD", help="Begins the id of every station.")
    add(
        "--station-password",
        default="",
        include_in_web_ui=False,
        help="Of every station; made anew for each run if left out.",
    )
    add("--id-token", default="LOADTEST", help="What drivers present.")
    add(
        "--ocpp-version",
        action="append",
        choices=[version.value for version in OcppVersion],
        include_in_web_ui=False,
        help="What stations speak; repeat it for a mixed fleet. Default: 1.6",
    )
    add("--connectors", type=int, default=1, help="Per station.")
    add("--meter-interval", type=int, default=10, help="Seconds between meter values.")
    add("--energy-wh", type=float, default=0.0, help="A charge ends with it, too; 0: it does not.")
    add("--session", type=float, default=60.0, help="Mean length of a charge, in seconds.")
    add("--commands-per-minute", type=float, default=60.0, help="To the whole fleet; 0 for none.")
    add("--waves", type=int, default=4, help="In profile rolling-restart.")
    add(
        "--restart-command",
        default="",
        include_in_web_ui=False,
        help="Run by a shell at each wave instead of dropping connections; it finds the number of "
        "the wave, from 0, in VOLTARO_LOAD_WAVE. The master runs it.",
    )
    add("--skip-registration", action="store_true", help="The stations are known already.")
    add(
        "--allow-remote-target",
        action="store_true",
        include_in_web_ui=False,
        help="Allow hosts other than this machine. Without it a slip in an address cannot make "
        "this an attack on somebody's charging network.",
    )


def _add_verdict(add: Callable[..., None]) -> None:
    """Add what the exit code depends on: 0 if all was met, 1 if not, 2 if the run failed."""
    add("--max-failure-ratio", type=float, default=0.01, help="Of all requests; below 0: any.")
    add("--max-p95-ms", type=float, default=1000.0, help="Calls of stations; 0: any.")
    add("--max-connect-p95-ms", type=float, default=0.0, help="Handshakes; 0: any.")
    add("--max-command-p95-ms", type=float, default=0.0, help="Remote commands; 0: any.")
    add("--max-lag-ms", type=float, default=250.0, help="The generator's own; 0: any.")
    add("--settle-timeout", type=float, default=20.0, help="Seconds to deliver what is left.")
    add("--check-timeout", type=float, default=300.0, help="Seconds to look everything up.")
    add(
        "--max-memory-growth",
        type=float,
        default=0.0,
        help="Of each process behind --metrics-url, in MiB per hour; 0: what the profile asks; "
        "below 0: any.",
    )
    add(
        "--metrics-url",
        action="append",
        include_in_web_ui=False,
        help="Management port of a gateway or another process whose memory is watched; repeat it.",
    )
    add("--ledger-file", default="", include_in_web_ui=False, help="Keep what was acknowledged.")
    add("--skip-storage-check", action="store_true", help="Do not look up what was acknowledged.")


def settings_of(options: Namespace) -> Settings:
    """Check the options and return them.

    Raises:
        SettingsError: Something is wrong with them.
    """
    problems = list(_problems(options))
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(
        url=options.host,
        api_url=options.api_url,
        api_key=options.api_key or None,
        station_prefix=options.station_prefix,
        station_password=options.station_password,
        id_token=options.id_token,
        ocpp_versions=tuple(
            OcppVersion(each) for each in options.ocpp_version or (OcppVersion.V1_6,)
        ),
        connectors=options.connectors,
        meter_interval_s=options.meter_interval,
        energy_wh=options.energy_wh or None,
        session_s=options.session,
        commands_per_minute=options.commands_per_minute,
        restart_command=options.restart_command or None,
        settle_timeout_s=options.settle_timeout,
        check_timeout_s=options.check_timeout,
        ledger_file=options.ledger_file or None,
        metrics_urls=tuple(options.metrics_url or ()),
        skip_registration=options.skip_registration,
        skip_storage_check=options.skip_storage_check,
        thresholds=Thresholds(
            max_failure_ratio=None if options.max_failure_ratio < 0 else options.max_failure_ratio,
            max_memory_growth=_max_memory_growth(options),
            **{
                field.name: getattr(options, field.name) or None
                for field in fields(Thresholds)
                if field.name not in {"max_failure_ratio", "max_memory_growth"}
            },
        ),
    )


def _max_memory_growth(options: Namespace) -> float | None:
    asked: float = options.max_memory_growth or PROFILES[options.profile].max_memory_growth or -1.0
    return asked if asked > 0 else None


def plan_of(options: Namespace, *, processes: Sequence[int]) -> RunPlan:
    """Return the run that the options ask for.

    Args:
        options: Checked by `settings_of`.
        processes: Indexes of the processes that share the stations.
    """
    return RunPlan(
        profile=options.profile,
        users=options.num_users,
        spawn_rate=options.spawn_rate,
        run_time_s=float(options.run_time or PROFILES[options.profile].run_time_s),
        processes=tuple(processes),
        waves=0 if options.restart_command else options.waves,
    )


def make_password() -> str:
    """Return a password as a station has it: 40 hexadecimal digits (OCPP 1.6 whitepaper, 2.2)."""
    return secrets.token_hex(20)


def _problems(options: Namespace) -> Iterator[str]:
    """Return what is wrong, a sentence each."""
    if options.profile not in PROFILES:
        yield f"--profile {options.profile} is none of {', '.join(PROFILES)}."
    yield from _address_problems(options)
    yield from _size_problems(options)
    yield from _credential_problems(options)


def _size_problems(options: Namespace) -> Iterator[str]:
    if not 1 <= (options.num_users or 0) <= MAX_USERS:
        yield f"--users must be between 1 and {MAX_USERS}, got {options.num_users}."
    if not (options.spawn_rate or 0) > 0:
        yield f"--spawn-rate must be positive, got {options.spawn_rate}."
    if (options.run_time or 1) > MAX_RUN_TIME_S:
        yield f"--run-time must not exceed {MAX_RUN_TIME_S} s, so that every run ends."
    for name in ("connectors", "session", "settle_timeout", "check_timeout", "waves"):
        if getattr(options, name) <= 0:
            yield f"--{name.replace('_', '-')} must be positive, got {getattr(options, name)}."
    for name in ("meter_interval", "energy_wh", "commands_per_minute"):
        if getattr(options, name) < 0:
            yield f"--{name.replace('_', '-')} must not be negative, got {getattr(options, name)}."


def _credential_problems(options: Namespace) -> Iterator[str]:
    longest = station_id(options.station_prefix, 999, MAX_USERS)
    if not options.station_prefix or len(longest) > STATION_ID_MAX_LENGTH:
        yield (
            "--station-prefix must hold 1 to "
            f"{STATION_ID_MAX_LENGTH - len(longest) + len(options.station_prefix)} characters, "
            f"got {options.station_prefix!r}."
        )
    if options.station_password and len(options.station_password) < _PASSWORD_MIN_LENGTH:
        yield f"--station-password must have {_PASSWORD_MIN_LENGTH} characters or more."
    if options.skip_registration and not options.station_password:
        yield "--skip-registration needs --station-password: known stations have one already."
    if not options.api_key and not options.skip_registration:
        yield (
            "--api-key is missing: stations are registered through the API. Name a key, or "
            "--skip-registration if they are known already."
        )
    if not options.api_key and options.commands_per_minute > 0:
        yield "--api-key is missing: name one, or --commands-per-minute 0."
    if options.max_memory_growth > 0 and not options.metrics_url:
        yield "--max-memory-growth needs --metrics-url: whose memory is it about?"


def _address_problems(options: Namespace) -> Iterator[str]:
    for option, url, schemes in (
        ("--host", options.host or "", ("ws", "wss")),
        ("--api-url", options.api_url, ("http", "https")),
        *(("--metrics-url", url, ("http", "https")) for url in options.metrics_url or ()),
    ):
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            yield f"{option} {url} is no URL."
            continue
        if parts.scheme not in schemes or not host:
            yield f"{option} must begin with {schemes[0]}:// or {schemes[1]}://, got {url!r}."
        elif not options.allow_remote_target and not is_loopback(host):
            yield (
                f"{option} names {host}, which is not this machine. A load test against a system "
                "that does not expect it is an attack; if it does, say --allow-remote-target."
            )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine for certain; names other than localhost are not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
