"""Checks the tokens that a provider signs: ID tokens and logout tokens."""

from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from control.accounts.oidc.errors import LoginFailedError, UnknownKeyError

# What only the provider can make. `none` proves nothing, and an HMAC's key is known to both sides:
# with a public key in its place anybody could make one. Every provider has RS256 (OpenID Connect
# Core §15.1).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
# OpenID Connect Core §2.
_SUBJECT_MAX_LENGTH = 255
_TOKEN_MAX_LENGTH = 64 * 1024
# OpenID Connect Back-Channel Logout 1.0 §2.4.
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_TOKEN_MAX_AGE_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token has to say of itself.

    Attributes:
        leeway_s: by how much the clock of who made it may differ from ours.
    """

    issuer: str
    client_id: str
    leeway_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutNotice:
    """Whose sessions the provider has ended: by its session, by the user, or by both."""

    subject: str | None
    provider_session_id: str | None
    issued_at_s: int


def read_id_token(
    token: str, keys: KeySet, expected: Expected, *, nonce: str, access_token: str, now_s: int
) -> dict[str, Any]:
    """Return the claims of an ID token (OpenID Connect Core §3.1.3.7).

    Args:
        token: as it came from the token endpoint.
        keys: the provider's.
        expected: who has to have made it, and for whom.
        nonce: of the request that it answers.
        access_token: that came with it.
        now_s: seconds since 1970.

    Raises:
        UnknownKeyError: its signature is of none of the keys.
        LoginFailedError: it is not one, is of somebody else, for somebody else, or too old.
    """
    return _read(
        token,
        keys,
        expected,
        params={"nonce": nonce, "client_id": expected.client_id, "access_token": access_token},
        now_s=now_s,
    )


def read_logout_token(token: str, keys: KeySet, expected: Expected, *, now_s: int) -> LogoutNotice:
    """Return what a logout token says (OpenID Connect Back-Channel Logout 1.0 §2.6).

    Raises:
        UnknownKeyError: its signature is of none of the keys.
        LoginFailedError: it is not one, is of somebody else, for somebody else, or too old.
    """
    claims = _read(token, keys, expected, params={}, now_s=now_s, essential=())
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT_EVENT), dict):
        raise LoginFailedError(f"the token is no logout token: its events lack {_LOGOUT_EVENT}")
    if "nonce" in claims:
        raise LoginFailedError("the token is no logout token: it has a nonce")
    if now_s - claims["iat"] > _LOGOUT_TOKEN_MAX_AGE_S + expected.leeway_s:
        raise LoginFailedError("the logout token is too old")
    subject, session_id = claims.get("sub"), claims.get("sid")
    if subject is None and session_id is None:
        raise LoginFailedError("the logout token says neither whose nor which session (sub, sid)")
    if session_id is not None and not (isinstance(session_id, str) and session_id.isprintable()):
        raise LoginFailedError("the logout token's sid is no text that can be printed")
    return LogoutNotice(
        subject=subject, provider_session_id=session_id, issued_at_s=int(claims["iat"])
    )


def _read(
    token: str,
    keys: KeySet,
    expected: Expected,
    *,
    params: dict[str, str],
    now_s: int,
    essential: tuple[str, ...] = ("sub",),
) -> dict[str, Any]:
    if len(token) > _TOKEN_MAX_LENGTH:
        raise LoginFailedError(f"the token is longer than {_TOKEN_MAX_LENGTH} characters")
    try:
        decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except (InvalidKeyIdError, BadSignatureError) as error:
        raise UnknownKeyError(
            "the token is not signed by any of the keys that the provider publishes"
        ) from error
    except (JoseError, ValueError, RecursionError) as error:
        raise LoginFailedError(f"the token cannot be read: {error}") from error
    claims = _Claims(
        decoded.claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
            "exp": {"essential": True},
            "iat": {"essential": True},
            **{name: {"essential": True} for name in essential},
        },
        params=params,
    )
    try:
        claims.validate(now=now_s, leeway=expected.leeway_s)
    except (JoseError, TypeError, ValueError) as error:
        raise LoginFailedError(f"the token is refused: {error}") from error
    subject = claims.get("sub") or ""
    if len(subject) > _SUBJECT_MAX_LENGTH or not subject.isprintable():
        raise LoginFailedError("the token's sub is not up to 255 characters that can be printed")
    return dict(claims)


class _Claims(CodeIDToken):  # type: ignore[misc]  # Authlib has no types
    # Ours are in `options`: a logout token may do without `sub`.
    ESSENTIAL_CLAIMS: tuple[str, ...] = ()
