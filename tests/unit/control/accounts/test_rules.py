"""Every operation of the API says what it needs."""

import pytest
from fastapi import APIRouter, FastAPI

from control.accounts.rules import Access, RouteRules, needs
from control.app import create_api
from shared.domain.accounts.permissions import Permission

RULES = RouteRules(create_api())
# What is said otherwise is decided here once more: who adds to it has thought about it.
PUBLIC = {
    "POST /v1/login",
    "POST /v1/password-links",
    "POST /v1/password-links/use",
    "GET /v1/oidc/login",
    "GET /v1/oidc/callback",
    "POST /v1/oidc/backchannel-logout",
}


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", "/v1/stations", Permission.STATIONS_READ),
        ("HEAD", "/v1/stations/CS-1", Permission.STATIONS_READ),
        ("DELETE", "/v1/stations/CS-1", Permission.STATIONS_WRITE),
        ("POST", "/v1/stations/CS-1/commands", Permission.COMMANDS_WRITE),
        ("GET", "/v1/api-keys", Permission.ACCOUNTS_READ),
        ("PATCH", "/v1/id-token-groups/a/b", Permission.ACCESS_WRITE),
        ("GET", "/v1/nothing-here", None),
        ("BREW", "/v1/stations", None),
        ("GET", "/v1/", None),
    ],
)
def test_an_operation_needs_the_permission_of_its_area(
    method: str, path: str, rule: Permission | None
) -> None:
    assert RULES.find(method, path) is rule


def test_who_needs_no_credentials_is_listed() -> None:
    public = {f"{each.method} {each.path}" for each in RULES.rules if each.rule is Access.PUBLIC}
    assert public == PUBLIC


def test_a_route_without_a_rule_is_a_fault() -> None:
    app, router = FastAPI(), APIRouter(prefix="/v1/stray")

    @router.get("")
    async def stray() -> None: ...

    app.include_router(router)
    with pytest.raises(LookupError, match="GET /v1/stray"):
        RouteRules(app)


def test_a_route_may_say_what_it_needs() -> None:
    app, router = FastAPI(), APIRouter(prefix="/v1/stray")

    @router.get("", openapi_extra=needs(Access.PUBLIC))
    async def stray() -> None: ...

    @router.put("", openapi_extra=needs(Permission.TRUST_WRITE))
    async def change() -> None: ...

    app.include_router(router)
    rules = RouteRules(app)
    assert rules.find("GET", "/v1/stray") is Access.PUBLIC
    assert rules.find("PUT", "/v1/stray") is Permission.TRUST_WRITE
