"""One's own account: who one is, one's sessions, password and second factor."""

from uuid import UUID

from fastapi import APIRouter, Request, Response, status

from control import problems
from control.accounts import cookies
from control.accounts.rules import Access, needs
from control.accounts.second_factor import new_recovery_codes
from control.accounts.service import address_of
from control.api.accounts.me_schemas import (
    CodeProof,
    Me,
    OwnSession,
    OwnSessions,
    PasswordChange,
    PasswordProof,
    RecoveryCodes,
    SecondFactorBegun,
    SecondFactorRemoval,
)
from control.auth import PrincipalDep, SessionDep
from control.services import Services, ServicesDep
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.domain.accounts.users import UserSession
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError
from shared.store.accounts import user_sessions, users

router = APIRouter(prefix="/v1/me", tags=["own account"])

_PROOF = problems.responses(problems.WRONG_PROOF, problems.TOO_MANY_TRIES)
_SIGNED_IN = needs(Access.SIGNED_IN)


def me_of(principal: Principal, token: str | None) -> Me:
    """Return what somebody is told of themselves.

    Args:
        principal: who they are.
        token: of their session; None with a key.
    """
    return Me(
        kind=PrincipalKind(principal.kind),
        principal_id=principal.principal_id,
        name=principal.name,
        organization_id=principal.organization_id,
        permissions=sorted(principal.permissions),
        csrf_token=None if token is None else cookies.csrf_token(token),
    )


@router.get("", openapi_extra=needs(Access.CREDENTIALS))
async def get_me(
    principal: PrincipalDep, request: Request, services: ServicesDep, response: Response
) -> Me:
    """Tell who sends this request, and what they may do."""
    response.headers["Cache-Control"] = "no-store"
    in_session = principal.kind is PrincipalKind.USER
    secure = services.settings.session_cookie_secure
    return me_of(principal, cookies.read_token(request, secure=secure) if in_session else None)


@router.get("/sessions", openapi_extra=_SIGNED_IN)
async def list_own_sessions(session: SessionDep, services: ServicesDep) -> OwnSessions:
    """List the browsers in which one is signed in, the latest first."""
    found = await services.accounts.sessions.list_of(session.user.user_id)
    return OwnSessions(
        items=[
            OwnSession(
                user_session_id=each.user_session_id,
                current=each.user_session_id == session.user_session_id,
                address=each.address,
                user_agent=each.user_agent,
                last_used_at=each.last_used_at,
                expires_at=each.expires_at,
                created_at=each.created_at,
            )
            for each in found
        ]
    )


@router.delete(
    "/sessions/{user_session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=_SIGNED_IN,
    responses=problems.responses(NotFoundCode.USER_SESSION),
)
async def end_own_session(
    user_session_id: UUID, session: SessionDep, services: ServicesDep
) -> None:
    """End one of one's own sessions, as in a browser that one has forgotten."""
    await services.accounts.sessions.end(str(user_session_id), user_id=session.user.user_id)


@router.post(
    "/password",
    openapi_extra=_SIGNED_IN,
    responses=problems.responses(
        problems.CONFLICT,
        problems.TOO_MANY_TRIES,
        NotFoundCode.USER,
        NotFoundCode.USER_SESSION,
        problems.WRONG_PROOF,
    ),
)
async def change_password(
    body: PasswordChange,
    session: SessionDep,
    request: Request,
    services: ServicesDep,
    response: Response,
) -> Me:
    """Change one's password. All other sessions end, and this one gets another token."""
    await services.accounts.prove(
        session.user, address=address_of(request), password=body.password.get_secret_value()
    )
    password_hash = await services.accounts.passwords.hash(body.new_password.get_secret_value())
    await users.set_password(
        services.db, session.user.user_id, password_hash, keep=session.user_session_id
    )
    return await _renewed(session, request, services, response)


@router.post(
    "/second-factor",
    openapi_extra=_SIGNED_IN,
    responses=problems.responses(
        problems.CONFLICT,
        ConflictCode.SECOND_FACTOR_EXISTS,
        problems.TOO_MANY_TRIES,
        NotFoundCode.USER,
        problems.WRONG_PROOF,
    ),
)
async def begin_second_factor(
    body: PasswordProof,
    session: SessionDep,
    request: Request,
    services: ServicesDep,
    response: Response,
) -> SecondFactorBegun:
    """Begin to set up a second factor. It counts when a code of it was sent."""
    await services.accounts.prove(
        session.user, address=address_of(request), password=body.password.get_secret_value()
    )
    secret, uri, encrypted = services.accounts.second_factor.new_secret(session.user.email)
    await users.begin_second_factor(services.db, session.user.user_id, encrypted)
    response.headers["Cache-Control"] = "no-store"
    return SecondFactorBegun(secret=secret, uri=uri)


@router.post(
    "/second-factor/confirm",
    openapi_extra=_SIGNED_IN,
    responses=problems.responses(
        problems.CONFLICT,
        ConflictCode.SECOND_FACTOR_REPLACED,
        problems.TOO_MANY_TRIES,
        NotFoundCode.USER,
        NotFoundCode.USER_SESSION,
        problems.WRONG_PROOF,
    ),
)
async def confirm_second_factor(
    body: CodeProof,
    session: SessionDep,
    request: Request,
    services: ServicesDep,
    response: Response,
) -> RecoveryCodes:
    """Have the second factor count from now on. All other sessions end."""
    found = await users.get_secrets(services.db, session.user.user_id)
    if found.totp_secret is None:
        raise ConflictError(
            "no second factor was begun: POST /v1/me/second-factor does that",
            code=ConflictCode.SECOND_FACTOR_REPLACED,
        )
    await services.accounts.prove(session.user, address=address_of(request), code=body.code)
    codes, hashes = new_recovery_codes()
    await users.confirm_second_factor(
        services.db,
        session.user.user_id,
        totp_secret=found.totp_secret,
        recovery_code_hashes=hashes,
    )
    await user_sessions.end_all(services.db, session.user.user_id, keep=session.user_session_id)
    await _renewed(session, request, services, response)
    return RecoveryCodes(recovery_codes=codes)


@router.post(
    "/second-factor/remove",
    openapi_extra=_SIGNED_IN,
    responses=problems.responses(
        problems.CONFLICT,
        problems.TOO_MANY_TRIES,
        NotFoundCode.USER,
        NotFoundCode.USER_SESSION,
        problems.WRONG_PROOF,
    ),
)
async def remove_own_second_factor(
    body: SecondFactorRemoval,
    session: SessionDep,
    request: Request,
    services: ServicesDep,
    response: Response,
) -> Me:
    """Remove one's second factor. All other sessions end."""
    await services.accounts.prove(
        session.user,
        address=address_of(request),
        password=body.password.get_secret_value(),
        code=body.code,
    )
    await users.remove_second_factor(services.db, session.user.user_id)
    await user_sessions.end_all(services.db, session.user.user_id, keep=session.user_session_id)
    return await _renewed(session, request, services, response)


async def _renewed(
    session: UserSession, request: Request, services: Services, response: Response
) -> Me:
    """Give the session another token, and its browser the cookie."""
    token = await services.accounts.sessions.renew(session)
    cookies.set_token(
        response,
        request,
        token,
        max_age_s=services.settings.user_session_max_age_s,
        secure=services.settings.session_cookie_secure,
    )
    response.headers["Cache-Control"] = "no-store"
    return me_of(session.user.principal, token)
