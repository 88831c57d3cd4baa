"""Login at an OpenID provider: there, back, and out again. docs/how-to/oidc.md is its manual."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.responses import RedirectResponse

from control import problems, query_names
from control.accounts import cookies
from control.accounts.audit import note_of_user
from control.accounts.oidc.errors import LoginFailedError, NoRoleError, ProviderAwayError
from control.accounts.oidc.login import Arrival, OidcLogin
from control.accounts.rules import Access, needs
from control.accounts.service import address_of
from control.addresses import client_address
from control.api.accounts.oidc_pages import NO_STORE, refusal
from control.api.types import Written
from control.auth import SessionDep
from control.services import Services, ServicesDep
from shared.domain.accounts.audit_log import Action
from shared.domain.accounts.users import User
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.accounts import oidc_users
from shared.telemetry import metrics

log = structlog.get_logger()

router = APIRouter(prefix="/v1/oidc", tags=["OpenID provider"])

_COOKIE = "voltaro_oidc_login"
_RETURN_TO_MAX_LENGTH = 500
# A browser takes two slashes at the beginning, of either kind, for another host.
_PATH = re.compile(r"^/([!-.0-\[\]-~][!-\[\]-~]*)?$")
# What fits into a URL, as which it goes to the provider.
_ID_TOKEN_MAX_LENGTH = 4000
_PUBLIC = needs(Access.PUBLIC)


def _stays_here(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise PydanticCustomError(
            "path",
            "it has to be a path of this host, such as /stations, with all but ASCII encoded",
        )
    return value


_ReturnTo = Annotated[
    str,
    Query(
        max_length=_RETURN_TO_MAX_LENGTH,
        description="path that the browser is sent to once somebody is logged in",
        examples=["/stations"],
    ),
    Written(_stays_here, _PATH.pattern),
]


class OidcLogout(BaseModel):
    """Where to go from here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://login.example.com/logout?client_id=voltaro"}]
        }
    )

    url: str | None = Field(
        description="send the browser there to log out of the provider as well; null if it has no "
        "such place, or the session did not begin there"
    )


@router.get(
    "/login",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    dependencies=[Depends(query_names.refuse_unknown)],
    responses=problems.responses(problems.NOT_FOUND),
    openapi_extra=_PUBLIC,
)
async def begin_oidc_login(
    request: Request,
    services: ServicesDep,
    return_to: _ReturnTo = "/",
) -> Response:
    """Send a browser to the OpenID provider to log in there.

    It comes back to `/v1/oidc/callback`, which begins a session as a password does.
    """
    oidc = _provider(services)
    try:
        departure = await oidc.begin(return_to)
    except ProviderAwayError as error:
        return _refusal(request, error)
    response = RedirectResponse(departure.url, status.HTTP_303_SEE_OTHER, headers=NO_STORE)
    name, secure = _cookie(services)
    response.set_cookie(
        name,
        departure.sealed_attempt,
        max_age=services.settings.oidc_login_timeout_s,
        path="/",
        secure=secure,
        httponly=True,
        # The way back begins at the provider, which is another site.
        samesite="lax",
    )
    return response


# Not in the document that clients are generated from: the provider alone makes these requests, with
# parameters of its own.
@router.get("/callback", include_in_schema=False, openapi_extra=_PUBLIC)
async def finish_oidc_login(request: Request, services: ServicesDep) -> Response:
    """Begin a session for whoever the provider has logged in."""
    oidc = _provider(services)
    name, secure = _cookie(services)
    try:
        arrival = await oidc.finish(dict(request.query_params), request.cookies.get(name))
        user = await _welcome(services, request, arrival)
    except (LoginFailedError, NoRoleError, ProviderAwayError) as error:
        log.info("nobody was logged in by the OpenID provider", error=str(error))
        response = _refusal(request, error)
    else:
        response = RedirectResponse(arrival.return_to, status.HTTP_303_SEE_OTHER, headers=NO_STORE)
        await _begin_session(request, response, services, user, arrival)
        metrics.oidc_logins.labels("logged_in").inc()
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
    return response


@router.post("/backchannel-logout", include_in_schema=False, openapi_extra=_PUBLIC)
async def end_oidc_sessions(
    request: Request, services: ServicesDep, logout_token: Annotated[str, Form(max_length=65_536)]
) -> Response:
    """End the sessions that the provider has ended (OpenID Connect Back-Channel Logout 1.0 §2.5).

    Its token proves who says so.
    """
    oidc = _provider(services)
    try:
        notice = await oidc.read_logout(logout_token)
    except LoginFailedError as error:
        log.warning("a logout token is refused", error=str(error))
        return problems.problem_response(problems.MALFORMED_REQUEST, str(error), headers=NO_STORE)
    skew = timedelta(seconds=services.settings.oidc_clock_skew_s)
    ended = await oidc_users.end_sessions(
        services.db,
        issuer=oidc.issuer,
        subject=notice.subject,
        provider_session_id=notice.provider_session_id,
        begun_before=datetime.fromtimestamp(notice.issued_at_s, UTC) + skew,
        request_id=request.state.request_id,
        address=client_address(request.scope),
    )
    for user_id in ended:
        services.accounts.sessions.forget(user_id)
    return Response(headers=NO_STORE)


@router.post(
    "/logout",
    openapi_extra=needs(Access.SIGNED_IN),
    responses=problems.responses(NotFoundCode.USER_SESSION),
)
async def log_out_of_oidc(
    session: SessionDep, request: Request, services: ServicesDep, response: Response
) -> OidcLogout:
    """End this session, and tell where to end the one at the OpenID provider (RP-initiated logout).

    It ends here also while the provider is away.
    """
    id_token = await oidc_users.id_token_of(services.db, session.user_session_id)
    await services.accounts.sessions.end(session.user_session_id, user_id=session.user.user_id)
    await note_of_user(services.db, request, session.user, Action.SIGNED_OUT)
    cookies.forget_token(response, request)
    response.headers["Cache-Control"] = "no-store"
    if id_token is None or services.oidc is None:
        return OidcLogout(url=None)
    try:
        return OidcLogout(url=await services.oidc.logout_url(id_token or None))
    except ProviderAwayError as error:
        log.warning("who has logged out stays logged in at the OpenID provider", error=str(error))
        return OidcLogout(url=None)


async def _begin_session(
    request: Request, response: Response, services: Services, user: User, arrival: Arrival
) -> None:
    """Have the browser keep a new session, as after a password."""
    token, session = await services.accounts.sessions.begin(
        user, address=address_of(request), user_agent=request.headers.get("user-agent")
    )
    await oidc_users.note_session(
        services.db,
        session.user_session_id,
        provider_session_id=arrival.provider_session_id,
        id_token=arrival.id_token if len(arrival.id_token) <= _ID_TOKEN_MAX_LENGTH else "",
    )
    await note_of_user(services.db, request, user, Action.SIGNED_IN)
    cookies.set_token(
        response,
        request,
        token,
        max_age_s=services.settings.user_session_max_age_s,
        secure=services.settings.session_cookie_secure,
    )


async def _welcome(services: Services, request: Request, arrival: Arrival) -> User:
    """Return who has arrived, as a user of ours.

    Raises:
        NoRoleError: there is no place for them here.
    """
    try:
        user = await oidc_users.welcome(
            services.db,
            issuer=arrival.issuer,
            subject=arrival.subject,
            name=arrival.name,
            email=arrival.email,
            role=arrival.rule.role,
            organization_id=arrival.rule.organization_id,
            request_id=request.state.request_id,
            address=client_address(request.scope),
        )
    except NotFoundError as error:
        raise NoRoleError(
            f"{arrival.rule.value!r} leads nowhere, as {error}: ask whoever runs this installation "
            "to make it, or to mend VOLTARO_OIDC_ROLES"
        ) from error
    if user.disabled:
        raise NoRoleError(
            f"the user {user.name!r} is disabled here: ask an administrator to change that"
        )
    services.accounts.sessions.forget(user.user_id)
    services.api_keys.forget_of(user.user_id)
    return user


def _refusal(request: Request, error: Exception) -> Response:
    problem, outcome = problems.UNAUTHORIZED, "failed"
    if isinstance(error, NoRoleError):
        problem, outcome = problems.MISSING_PERMISSION, "no_role"
    elif isinstance(error, ProviderAwayError):
        problem, outcome = problems.UNAVAILABLE, "provider_away"
    metrics.oidc_logins.labels(outcome).inc()
    return refusal(request, problem, str(error))


def _provider(services: Services) -> OidcLogin:
    if services.oidc is None:
        raise NotFoundError(
            "no OpenID provider is set up here (VOLTARO_OIDC_ISSUER): log in with a password"
        )
    return services.oidc


def _cookie(services: Services) -> tuple[str, bool]:
    """Return the name of our cookie, and whether it is for HTTPS alone.

    With HTTPS no other host below the same domain can give one to our browsers: it could log
    somebody in as whoever has begun there.
    """
    secure = (services.settings.oidc_redirect_url or "").startswith("https:")
    return (f"__Host-{_COOKIE}" if secure else _COOKIE), secure
