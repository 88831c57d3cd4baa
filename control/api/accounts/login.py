"""Signing in and out, and setting a password by a link."""

from fastapi import APIRouter, Request, Response, status

from control import problems
from control.accounts import cookies
from control.accounts.audit import note_of_user, note_password_by_link
from control.accounts.rules import Access, needs
from control.accounts.service import address_of
from control.api.accounts.me import me_of
from control.api.accounts.me_schemas import Login, Me
from control.api.accounts.users_schemas import PasswordLinkRequest, PasswordLinkUse
from control.auth import SessionDep
from control.services import ServicesDep
from shared.domain.accounts.audit_log import Action
from shared.domain.error_codes import NotFoundCode

router = APIRouter(prefix="/v1", tags=["own account"])


@router.post(
    "/login",
    openapi_extra=needs(Access.PUBLIC),
    responses=problems.responses(
        problems.CONFLICT,
        problems.SECOND_FACTOR_NEEDED,
        problems.TOO_MANY_TRIES,
        NotFoundCode.USER,
        problems.WRONG_CREDENTIALS,
    ),
)
async def log_in(body: Login, request: Request, services: ServicesDep, response: Response) -> Me:
    """Begin a session: the answer sets a cookie, and tells the CSRF token that goes with it.

    If there is a second factor, the first answer is `second-factor-needed`: send the same with
    `code`.
    """
    token, session = await services.accounts.sign_in(
        email=body.email,
        password=body.password.get_secret_value(),
        code=body.code,
        address=address_of(request),
        user_agent=request.headers.get("user-agent"),
    )
    await note_of_user(services.db, request, session.user, Action.SIGNED_IN)
    cookies.set_token(
        response,
        request,
        token,
        max_age_s=services.settings.user_session_max_age_s,
        secure=services.settings.session_cookie_secure,
    )
    response.headers["Cache-Control"] = "no-store"
    return me_of(session.user.principal, token)


@router.post(
    "/logout",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=needs(Access.SIGNED_IN),
    responses=problems.responses(NotFoundCode.USER_SESSION),
)
async def log_out(
    session: SessionDep, request: Request, services: ServicesDep, response: Response
) -> None:
    """End this session."""
    await services.accounts.sessions.end(session.user_session_id, user_id=session.user.user_id)
    await note_of_user(services.db, request, session.user, Action.SIGNED_OUT)
    cookies.forget_token(response, request)


@router.post(
    "/password-links",
    status_code=status.HTTP_202_ACCEPTED,
    response_class=Response,
    openapi_extra=needs(Access.PUBLIC),
    responses=problems.responses(problems.NO_MAIL),
)
async def request_password_link(body: PasswordLinkRequest, services: ServicesDep) -> Response:
    """Ask for a link to set a new password.

    It is mailed if somebody has this address; the answer is the same if nobody has.
    """
    await services.accounts.request_link(body.email)
    return Response(status_code=status.HTTP_202_ACCEPTED)


@router.post(
    "/password-links/use",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=needs(Access.PUBLIC),
    responses=problems.responses(NotFoundCode.ACCOUNT_LINK),
)
async def use_password_link(body: PasswordLinkUse, request: Request, services: ServicesDep) -> None:
    """Set a password by a link, which does not work again. Sessions end: sign in anew."""
    user = await services.accounts.use_link(
        body.token, body.password.get_secret_value(), address=address_of(request)
    )
    await note_password_by_link(services.db, request, user)
