"""What each route asks of who calls it: one permission, unless the route says otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from re import Pattern
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from shared.domain.accounts.permissions import Permission

PREFIX = "/v1/"
"""What is below it needs credentials, unless its rule is `PUBLIC`; what is not answers anybody."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
_EXTENSION = "x-voltaro-needs"
_AREAS = "control.api."


class Access(StrEnum):
    """What a route may ask instead of a permission."""

    PUBLIC = "nothing"
    """Anybody calls it: it is how one gets credentials, or proves oneself by a link."""
    CREDENTIALS = "any credentials"
    """Whoever has some, whatever they may do."""
    SIGNED_IN = "a signed-in user"
    """It is about whoever calls it, who is a person; what they may do otherwise does not matter."""


Rule: TypeAlias = Permission | Access


def is_public(operation: Mapping[str, Any]) -> bool:
    """Tell whether an operation, as the OpenAPI document has it, answers anybody."""
    return operation.get(_EXTENSION) == Access.PUBLIC


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One operation and what it needs."""

    method: str
    path: str
    path_regex: Pattern[str]
    rule: Rule


def needs(rule: Rule) -> dict[str, str]:
    """Return the `openapi_extra` of a route that needs something else than its area's permission.

    A permission with a resource of its own, `Access.PUBLIC` or `Access.SIGNED_IN`.
    """
    return {_EXTENSION: rule.value}


class RouteRules:
    """The rules of every operation below `/v1/`, found by its method and path.

    They are looked for before FastAPI does, which reads the body first; in the same order, so that
    the same operation is found.

    Args:
        app: with all of its routes.

    Raises:
        LookupError: a route stands in no area and says nothing either.
    """

    def __init__(self, app: FastAPI) -> None:
        self.rules = tuple(_read(app))
        # By method and the word behind /v1/, so that few expressions are tried.
        self._found: dict[tuple[str, str], list[RouteRule]] = {}
        for rule in self.rules:
            self._found.setdefault((rule.method, _resource(rule.path)), []).append(rule)

    def find(self, method: str, path: str) -> Rule | None:
        """Return what an operation needs; None if there is none: that is answered with 404 or 405.

        HEAD needs what GET needs.
        """
        method = "GET" if method == "HEAD" else method
        for each in self._found.get((method, _resource(path)), ()):
            if each.path_regex.match(path):
                return each.rule
        return None


def _resource(path: str) -> str:
    return path.removeprefix(PREFIX).partition("/")[0]


def _read(app: FastAPI) -> Iterator[RouteRule]:
    for route in iter_route_contexts(app.routes):
        if route.path is None or not route.path.startswith(PREFIX):
            continue
        for method in sorted(route.methods or ()):
            path = route.path_format or route.path
            yield RouteRule(method, path, route.path_regex, _rule(route, method))


def _rule(route: RouteContext, method: str) -> Rule:
    extra: Mapping[str, Any] = route.openapi_extra or {}
    said = extra.get(_EXTENSION)
    if said is not None:
        return Access(said) if said in set(Access) else Permission(said)
    module = route.endpoint.__module__ if route.endpoint is not None else ""
    area = module.removeprefix(_AREAS).partition(".")[0] if module.startswith(_AREAS) else ""
    wanted = f"{area}:{'read' if method in SAFE_METHODS else 'write'}"
    if wanted not in set(Permission):
        raise LookupError(
            f"nobody knows who may call {method} {route.path}: put its file into the folder of an "
            "area below control/api, or say what it needs"
        )
    return Permission(wanted)
