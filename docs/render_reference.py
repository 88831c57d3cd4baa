"""Writes docs/reference/settings.md, metrics.md and permissions.md from the code that defines them.

`make docs` writes them; `--check` exits with 1 and says which of them is not current.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings

from control.accounts.rules import RouteRule, RouteRules
from control.app import create_api
from control.jobs.settings import WorkerSettings
from control.settings import ControlSettings
from gateway.settings import GatewaySettings
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.roles import Role
from shared.settings import DatabaseSettings, MigrateSettings, ServiceSettings
from shared.telemetry import metrics as _registered  # noqa: F401 - importing it registers them

_REFERENCE = Path(__file__).parent / "reference"
_PREFIX = "voltaro_"


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
