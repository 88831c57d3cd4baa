"""Who may use the API, and who each caller is: nothing is read of a request before."""

from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from control import problems
from control.accounts import cookies
from control.accounts.api_keys import ApiKeys
from control.accounts.rules import PREFIX, SAFE_METHODS, Access, RouteRules, Rule
from control.accounts.user_sessions import UserSessions
from control.problems import ProblemResponse, problem_response
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import Principal
from shared.domain.accounts.users import UserSession
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
    found = await _find(scope)
    if isinstance(found, ProblemResponse):
        return found
    session = found if isinstance(found, UserSession) else None
    principal = found if isinstance(found, Principal) else found.user.principal
    if isinstance(rule, Permission) and rule not in principal.permissions:
        return problem_response(
            problems.MISSING_PERMISSION,
            f"{principal.name!r} has not the permission {rule}, which this needs: ask an "
            "administrator",
        )
    if rule is Access.SIGNED_IN and session is None:
        return problem_response(
            problems.MISSING_PERMISSION,
            "this is about the user who is signed in, and an API key is nobody: sign in",
        )
    scope.setdefault("state", {}).update(principal=principal, user_session=session)
    return None


async def current_principal(request: HTTPConnection) -> Principal | None:
    """Return who sent a request, as it is known by now; None if the key or session has ended.

    For answers that go on for long. It is no use of a session: one whose user has left ends.

    Raises:
        Exception: as the store does, as when Postgres is away.
    """
    found = await _look_up(request, is_use=False)
    if isinstance(found, ProblemResponse):
        return None
    return found if isinstance(found, Principal) else found.user.principal


async def _look_up(
    request: HTTPConnection, *, is_use: bool
) -> Principal | UserSession | ProblemResponse:
    authorization = request.headers.get("authorization", "")
    services = request.app.state.services
    secure = services.settings.session_cookie_secure
    token = None if authorization else cookies.read_token(request, secure=secure)
    if token is not None:
        return await _find_session(services.accounts.sessions, request, token, is_use=is_use)
    return await _find_key(services.api_keys, authorization)


async def _find(scope: Scope) -> Principal | UserSession | ProblemResponse:
    """Return who sent a request, or what is answered to nobody."""
    try:
        return await _look_up(HTTPConnection(scope), is_use=True)
    except Exception as error:
        if not is_away(error):
            raise
        log.warning("credentials cannot be looked up", error=describe_error(error))
        return problem_response(
            problems.UNAVAILABLE,
            "Postgres does not answer, so that nobody knows whether this API key or session "
            "counts: try again in a moment",
        )


async def _find_key(keys: ApiKeys, authorization: str) -> Principal | ProblemResponse:
    scheme, _, key = authorization.partition(" ")
    if not scheme:
        return _refusal(
            "the header Authorization is missing: send `Authorization: Bearer <API key>`, or sign "
            "in (POST /v1/login)"
        )
    principal = await keys.principal_of(key.strip()) if scheme.lower() == _SCHEME else None
    return principal or _refusal("this API key is not known, or its time is over")


async def _find_session(
    sessions: UserSessions, request: HTTPConnection, token: str, *, is_use: bool
) -> UserSession | ProblemResponse:
    session = await sessions.find(token, is_use=is_use)
    if session is None:
        return _refusal("this session has ended: sign in again (POST /v1/login)")
    told = request.headers.get(cookies.CSRF_HEADER, "")
    if request.scope["method"] not in SAFE_METHODS and not cookies.is_csrf_token(token, told):
        return problem_response(
            problems.MISSING_CSRF_TOKEN,
            f"what changes anything needs the header {cookies.CSRF_HEADER} beside the cookie: send "
            "the `csrf_token` that POST /v1/login and GET /v1/me tell",
        )
    return session


def _refusal(detail: str) -> ProblemResponse:
    return problem_response(
        problems.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="voltaro"'}
    )


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


def _session(request: Request) -> UserSession:
    return cast("UserSession", request.state.user_session)


PrincipalDep = Annotated[Principal, Depends(_principal)]
"""Who sent the request: of routes below the prefix alone, where nobody else comes through."""
SessionDep = Annotated[UserSession, Depends(_session)]
"""The session that the request belongs to: of routes that need `Access.SIGNED_IN` alone."""
