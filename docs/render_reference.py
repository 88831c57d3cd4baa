"""Writes settings.md, metrics.md, permissions.md and events.md of docs/reference from the code.

`make docs` writes them; `--check` exits with 1 and says which of them is not current.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings

from control.accounts.rules import RouteRule, RouteRules
from control.app import create_api
from control.jobs.settings import WorkerSettings
from control.settings import ControlSettings
from gateway.settings import GatewaySettings
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.roles import Role
from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import Event, EventType, public_form
from shared.settings import DatabaseSettings, MigrateSettings, ServiceSettings
from shared.telemetry import metrics as _registered  # noqa: F401 - importing it registers them

_REFERENCE = Path(__file__).parent / "reference"
_PREFIX = "voltaro_"
_OF_NO_PLACE = {
    EventType.STATION_UNKNOWN,
    EventType.QUIRK_FIRST_SEEN,
    EventType.WEBHOOK_DISABLED,
}


def render_settings() -> str:
    """Return the page of settings."""
    lines = [
        "# Settings",
        "",
        "All come from the environment. This page is made from the settings classes: `make docs`.",
    ]
    for title, settings, base in (
        ("Every process", ServiceSettings, None),
        ("Gateway", GatewaySettings, ServiceSettings),
        ("Control plane", ControlSettings, ServiceSettings),
        ("Worker", WorkerSettings, ServiceSettings),
        ("`voltaro migrate`", MigrateSettings, DatabaseSettings),
    ):
        lines += ["", f"## {title}", "", "| variable | default | what and why |", "|---|---|---|"]
        lines += _settings_rows(settings, base)
    return "\n".join(lines) + "\n"


def _settings_rows(settings: type[BaseSettings], base: type[BaseSettings] | None) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        if base is not None and name in base.model_fields:
            continue
        if field.is_required():
            default = "required"
        elif field.default_factory is not None:
            default = "the host's name"
        else:
            default = f"`{field.default}`"
        yield f"| `VOLTARO_{name.upper()}` | {default} | {field.description or ''} |"


def render_metrics() -> str:
    """Return the page of metrics."""
    lines = [
        "# Metrics",
        "",
        "Every process answers `/metrics`. This page is made from the code: `make docs`.",
        "",
        "| metric | type | what |",
        "|---|---|---|",
    ]
    lines += sorted(
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} "
        f"| {family.documentation} |"
        for family in REGISTRY.collect()
        if family.name.startswith(_PREFIX)
    )
    return "\n".join(lines) + "\n"


def render_permissions() -> str:
    """Return the page of what each operation needs, and which roles may call it."""
    lines = [
        "# Permissions",
        "",
        "What each operation of the API needs, and which roles have it. API keys name the same",
        "permissions as their scopes. This page is made from the code: `make docs`.",
        "",
        "| role | who it is meant for |",
        "|---|---|",
        *(f"| {role} | {role.description} |" for role in Role),
    ]
    heads = f"| operation | needs | {' | '.join(Role)} |"
    areas: dict[str, list[RouteRule]] = {}
    for each in RouteRules(create_api()).rules:
        areas.setdefault(_area(each), []).append(each)
    for area in sorted(areas):
        lines += ["", f"## {area}", "", heads, "|---|---|" + ":-:|" * len(Role)]
        lines += [_permissions_row(each) for each in areas[area]]
    return "\n".join(lines) + "\n"


def _area(each: RouteRule) -> str:
    if isinstance(each.rule, Permission):
        return each.rule.partition(":")[0]
    return "one's own account"


def _permissions_row(each: RouteRule) -> str:
    may = [not isinstance(each.rule, Permission) or each.rule in role.permissions for role in Role]
    ticks = " | ".join("✓" if each_may else "" for each_may in may)
    return f"| `{each.method} {each.path}` | {each.rule} | {ticks} |"


def render_events() -> str:
    """Return the page of events: what each type tells, with an example."""
    lines = [
        "# Events",
        "",
        "What happens is told once, and in order, wherever it is read: `GET /v1/events` lists it,",
        "`GET /v1/events/stream` follows it, and webhooks deliver it. The form is the same in all",
        "three. Times are in UTC, units stand in the names, and what is not known is null. There",
        "may be new types and new members: pass over those that you do not know.",
        "",
        "| member | what |",
        "|---|---|",
        "| `id` | a number as text; no event ever comes with a lower one than was seen before |",
        "| `type` | one of those below |",
        "| `occurred_at` | when it happened, by our clock |",
        "| `organization_id` | whose it is |",
        "| `location_id`, `station_id` | where it happened; null if it is not about a place |",
        "| `data` | what is told of it |",
        "",
        "How long events are kept says `VOLTARO_EVENTS_RETENTION_DAYS`. This page is made from the",
        "code: `make docs`.",
    ]
    for number, (type_, kind) in enumerate(CATALOGUE.items(), start=4711):
        lines += ["", f"## {type_}", "", kind.description, "", "| data | what |", "|---|---|"]
        lines += [f"| `{name}` | {what} |" for name, what in kind.data.items()]
        lines += ["", "```json", _example(number, type_, kind.example), "```"]
    return "\n".join(lines) + "\n"


def _example(number: int, type_: EventType, data: Mapping[str, Any]) -> str:
    at = datetime(2026, 6, 1, 10, 30, 2, 104_000, UTC)
    event = Event(
        number=number,
        type=type_,
        occurred_at=at,
        recorded_at=at,
        organization_id="default",
        location_id=None if type_ in _OF_NO_PLACE else "depot-north",
        station_id=None if type_ is EventType.WEBHOOK_DISABLED else "CS-0042",
        data=data,
    )
    return json.dumps(public_form(event), indent=2)


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name, text in (
        ("settings.md", render_settings()),
        ("metrics.md", render_metrics()),
        ("permissions.md", render_permissions()),
        ("events.md", render_events()),
    ):
        path = _REFERENCE / name
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(str(path))
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"not current: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
