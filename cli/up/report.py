"""What `voltaro up` tells its user: the addresses, the secrets, and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Report:
    """A running cluster. Its fields are the keys of the JSON line and of `up.json`.

    Attributes:
        ocpp_url: Where stations connect; the station's id follows as the last segment.
        http_url: The API and the dashboard.
        api_key: Opens the API.
        database_url: Postgres.
        redis_url: Redis.
        gateway_urls: Each gateway's own OCPP address, by name, for going past the load balancer.
        management_urls: Of each process with `/metrics` and `/readyz`, by name.
        pids: Of each process, by name.
        data: The data directory.
        logs: The directory of the log files, one per process.
    """

    ocpp_url: str
    http_url: str
    api_key: str
    database_url: str
    redis_url: str
    gateway_urls: Mapping[str, str]
    management_urls: Mapping[str, str]
    pids: Mapping[str, int]
    data: Path
    logs: Path

    def as_dict(self) -> dict[str, object]:
        """Return what JSON can hold."""
        return {**asdict(self), "data": str(self.data), "logs": str(self.logs)}

    def as_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.as_dict())


def show(report: Report, *, station_count: int, seconds: float) -> None:
    """Print a report for people.

    Args:
        report: What runs.
        station_count: How many simulated stations there are.
        seconds: How long it took to start.
    """
    from rich.console import Console
    from rich.text import Text

    sections: dict[str, dict[str, str]] = {
        "Addresses": {
            "Stations (OCPP)": f"{report.ocpp_url}/{{station_id}}",
            "API": f"{report.http_url}/v1",
            "API reference": f"{report.http_url}/docs",
            "Postgres": report.database_url,
            "Redis": report.redis_url,
        },
        "Metrics": {name: f"{url}/metrics" for name, url in report.management_urls.items()},
        "Secrets and files": {
            "API key": report.api_key,
            "Data": str(report.data),
            "Logs": str(report.logs),
        },
        "Next": {
            "List the stations": f"curl -sH 'Authorization: Bearer {report.api_key}' "
            f"{report.http_url}/v1/stations",
            "Invite an administrator": f"curl -s {report.http_url}/v1/users "
            f"-H 'Authorization: Bearer {report.api_key}' --json "
            '\'{"email": "you@example.com", "name": "You", "role": "admin"}\'',
            "Stop everything": "Ctrl-C; the data stays until `voltaro up --reset`",
        },
    }
    width = max(len(name) for section in sections.values() for name in section)
    # Lines are never wrapped or cut, as addresses are copied from them.
    console = Console(soft_wrap=True, highlight=False)
    stations = f"{station_count} simulated station{'' if station_count == 1 else 's'}"
    console.print(f"Voltaro is ready after {seconds:.1f} s, with {stations}.", style="bold green")
    for title, section in sections.items():
        console.print()
        console.print(title, style="bold")
        for name, value in section.items():
            console.print(Text(f"  {name:<{width}}  {value}"))
    console.print()
