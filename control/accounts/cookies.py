"""The cookie of a session, and the token that a page proves itself with.

The cookie is httpOnly and SameSite=Strict: no script reads it, and no other site's page sends it.
Should a browser send it all the same, what changes anything needs a header that only a page of ours
can know: the token is derived from the cookie, so that nothing is stored for it and it changes with
each session (double submit, tied to the session).
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode

from starlette.requests import HTTPConnection
from starlette.responses import Response

CSRF_HEADER = "X-CSRF-Token"
_NAME = "voltaro_session"
# A browser takes this one only with Secure, for the whole host and from it alone.
_SECURE_NAME = f"__Host-{_NAME}"
_CSRF_PURPOSE = b"voltaro csrf token"
_TOKEN_MAX_LENGTH = 128


def read_token(request: HTTPConnection, *, secure: bool) -> str | None:
    """Return the token of the session that a request says to belong to.

    Of the cookie that `set_token` would set alone: with HTTPS that is one which no other host below
    the same domain can have given to the browser, to have somebody work in a session of another.

    Args:
        request: of the browser.
        secure: as for `set_token`.
    """
    token = request.cookies.get(_name(request, secure=secure))
    return token if token and len(token) <= _TOKEN_MAX_LENGTH else None


def set_token(
    response: Response, request: HTTPConnection, token: str, *, max_age_s: float, secure: bool
) -> None:
    """Have the browser keep a session.

    Args:
        response: tells it so.
        request: what is answered.
        token: of the session.
        max_age_s: how long it keeps it.
        secure: whether it is for HTTPS alone, though the request did not say that it came so.
    """
    name = _name(request, secure=secure)
    response.set_cookie(
        name,
        token,
        max_age=round(max_age_s),
        path="/",
        secure=name == _SECURE_NAME,
        httponly=True,
        samesite="strict",
    )


def forget_token(response: Response, request: HTTPConnection) -> None:
    """Have the browser forget its session."""
    for name in (_SECURE_NAME, _NAME):
        if name in request.cookies:
            response.delete_cookie(
                name, path="/", secure=name == _SECURE_NAME, httponly=True, samesite="strict"
            )


def _name(request: HTTPConnection, *, secure: bool) -> str:
    return _SECURE_NAME if secure or request.url.scheme == "https" else _NAME


def csrf_token(token: str) -> str:
    """Return what a page sends as `X-CSRF-Token` with what changes anything."""
    code = hmac.new(token.encode("utf-8", "surrogatepass"), _CSRF_PURPOSE, hashlib.sha256)
    return urlsafe_b64encode(code.digest()).decode().rstrip("=")


def is_csrf_token(token: str, told: str) -> bool:
    """Tell whether a page has proved itself, in a time that tells nothing of the right token."""
    return hmac.compare_digest(csrf_token(token).encode(), told.encode("utf-8", "surrogatepass"))
