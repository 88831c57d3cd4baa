"""Who may use the API, and who each caller is: nothing is read of a request before."""

from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from control import problems
from control.accounts.api_keys import ApiKeys
from control.accounts.rules import PREFIX, Access, RouteRules, Rule
from control.problems import ProblemResponse, problem_response
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.store.judgement import is_away
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_SCHEME = "bearer"


class RequireCredentials:
    """ASGI middleware: below `/v1/` nothing is read, parsed or looked up for nobody.

    Nor for those who lack the permission: they are told which.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through with its principal, or answer 401 or 403."""
        refusal = None
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            rules: RouteRules = scope["app"].state.rules
            rule = rules.find(scope["method"], scope["path"])
            if rule is not Access.PUBLIC:
                refusal = await _admit(scope, rule)
        await (self._app if refusal is None else refusal)(scope, receive, send)


async def _admit(scope: Scope, rule: Rule | None) -> ProblemResponse | None:
    """Note who sent a request; return what is answered to who may not."""
    found = await _find_principal(scope)
    if isinstance(found, ProblemResponse):
        return found
    if isinstance(rule, Permission) and rule not in found.permissions:
        return problem_response(
            problems.MISSING_PERMISSION,
            f"{found.name!r} has not the permission {rule}, which this needs: ask an administrator",
        )
    if rule is Access.SIGNED_IN and found.kind is not PrincipalKind.USER:
        return problem_response(
            problems.MISSING_PERMISSION,
            "this is about the user who is signed in, and an API key is nobody: sign in",
        )
    scope.setdefault("state", {})["principal"] = found
    return None


async def _find_principal(scope: Scope) -> Principal | ProblemResponse:
    """Return who sent a request, or what is answered to nobody."""
    scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
    if not scheme:
        return _refusal(
            "the header Authorization is missing: send `Authorization: Bearer <API key>`"
        )
    keys: ApiKeys = scope["app"].state.services.api_keys
    try:
        principal = await keys.principal_of(key.strip()) if scheme.lower() == _SCHEME else None
    except Exception as error:
        if not is_away(error):
            raise
        log.warning("an API key cannot be looked up", error=describe_error(error))
        return problem_response(
            problems.UNAVAILABLE,
            "Postgres does not answer, so that nobody knows whether this API key counts: "
            "try again in a moment",
        )
    return principal or _refusal("this API key is not known, or its time is over")


def _refusal(detail: str) -> ProblemResponse:
    return problem_response(
        problems.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="voltaro"'}
    )


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


PrincipalDep = Annotated[Principal, Depends(_principal)]
"""Who sent the request: of routes below the prefix alone, where nobody else comes through."""
