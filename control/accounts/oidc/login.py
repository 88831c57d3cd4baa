"""The flow: to the provider and back, with a code (OpenID Connect Core §3.1), PKCE and a nonce."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import KeySet

from control.accounts.oidc.attempts import AttemptSeal, new_attempt
from control.accounts.oidc.errors import (
    LoginFailedError,
    NoRoleError,
    ProviderAwayError,
    UnknownKeyError,
)
from control.accounts.oidc.provider import Provider, Tokens
from control.accounts.oidc.settings import OidcSettings
from control.accounts.oidc.tokens import (
    Expected,
    LogoutNotice,
    read_id_token,
    read_logout_token,
)
from shared.domain.accounts.claims import ClaimRule, claim_values, matching_rule

_NAME_MAX_LENGTH = 200
_EMAIL_MAX_LENGTH = 254
_SAID_MAX_LENGTH = 200
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where a browser is sent to log in, and what it has to bring back in a cookie."""

    url: str
    sealed_attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who came back from the provider, and what that comes to here.

    Attributes:
        issuer: with `subject` the only thing that never changes, and nobody can choose.
        email: as the provider knows it; None unless it has verified it.
        rule: the role and the organization.
        provider_session_id: `sid` of the ID token, which a logout token may name.
        id_token: says at the provider who logs out.
        return_to: path that the browser is sent to.
    """

    issuer: str
    subject: str
    name: str
    email: str | None
    rule: ClaimRule
    provider_session_id: str | None
    id_token: str
    return_to: str


class OidcLogin:
    """Logs users in by a provider.

    Args:
        provider: which.
        settings: what we are to it, and what its claims come to.
        now: seconds since 1970.
    """

    def __init__(
        self,
        provider: Provider,
        settings: OidcSettings,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        secret = settings.oidc_client_secret
        self.issuer = provider.issuer
        self._provider = provider
        self._settings = settings
        self._now = now
        self._seal = AttemptSeal(
            "" if secret is None else secret.get_secret_value(),
            max_age_s=settings.oidc_login_timeout_s,
        )
        self._expected = Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            leeway_s=settings.oidc_clock_skew_s,
        )

    async def begin(self, return_to: str) -> Departure:
        """Return where to send a browser.

        Raises:
            ProviderAwayError: the provider does not say in time where that is.
        """
        async with self._in_time():
            metadata = await self._provider.metadata()
        attempt = new_attempt(return_to)
        url = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._provider.client_id,
            "code",
            redirect_uri=self._settings.oidc_redirect_url,
            scope=self._settings.oidc_scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.code_verifier),
            code_challenge_method="S256",
        )
        return Departure(url=url, sealed_attempt=self._seal.seal(attempt, now_s=self._now_s()))

    async def finish(self, answer: Mapping[str, str], sealed_attempt: str | None) -> Arrival:
        """Return who came back.

        Args:
            answer: the parameters that the provider sent the browser back with.
            sealed_attempt: that `begin` gave the browser.

        Raises:
            LoginFailedError: nobody, as far as anything proves.
            NoRoleError: somebody who has no role here.
            ProviderAwayError: the provider does not say in time.
        """
        attempt = self._seal.open(sealed_attempt or "", now_s=self._now_s())
        if attempt is None:
            raise LoginFailedError(
                "this browser has not begun to log in, or too long ago: begin again, and let it "
                "keep cookies"
            )
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise LoginFailedError(
                "the answer belongs to another login than this browser has begun last: begin again"
            )
        async with self._in_time():
            code = await self._code(answer)
            tokens = await self._provider.exchange(code, attempt.code_verifier)
            claims = await self._with_fresh_keys(
                lambda keys: read_id_token(
                    tokens.id_token,
                    keys,
                    self._expected,
                    nonce=attempt.nonce,
                    access_token=tokens.access_token,
                    now_s=self._now_s(),
                )
            )
            claims = await self._with_role_claim(claims, tokens)
        return self._arrival(claims, tokens, attempt.return_to)

    async def logout_url(self, id_token: str | None) -> str | None:
        """Return where to send a browser to log out of the provider as well, if it can do that.

        OpenID Connect RP-Initiated Logout 1.0 §2.

        Args:
            id_token: of the login; without it the provider asks whoever comes.

        Raises:
            ProviderAwayError: the provider does not say in time where that is.
        """
        async with self._in_time():
            endpoint = (await self._provider.metadata()).end_session_endpoint
        if endpoint is None:
            return None
        params = [("client_id", self._provider.client_id)]
        if id_token is not None:
            params.append(("id_token_hint", id_token))
        if self._settings.oidc_logged_out_url is not None:
            params.append(("post_logout_redirect_uri", self._settings.oidc_logged_out_url))
        return str(add_params_to_uri(endpoint, params))

    async def read_logout(self, logout_token: str) -> LogoutNotice:
        """Return whose sessions the provider has ended (OpenID Connect Back-Channel Logout 1.0).

        Raises:
            LoginFailedError: it was not the provider who said so.
            ProviderAwayError: the provider does not say in time what it signs with.
        """
        async with self._in_time():
            return await self._with_fresh_keys(
                lambda keys: read_logout_token(
                    logout_token, keys, self._expected, now_s=self._now_s()
                )
            )

    async def _code(self, answer: Mapping[str, str]) -> str:
        if "error" in answer:
            said = answer["error"], answer.get("error_description", "")
            raise LoginFailedError(
                "the provider did not log in anybody: "
                + ", ".join(repr(word[:_SAID_MAX_LENGTH]) for word in said if word)
            )
        issuer = answer.get("iss")
        if issuer is None and (await self._provider.metadata()).names_itself:
            raise LoginFailedError("the answer does not say which provider it is of (iss)")
        if issuer is not None and issuer != self._provider.issuer:
            raise LoginFailedError("the answer is of another provider (iss)")
        code = answer.get("code", "")
        if not code:
            raise LoginFailedError("the answer has no code: begin again")
        return code

    async def _with_fresh_keys(self, read: Callable[[KeySet], _Read]) -> _Read:
        keys = await self._provider.keys()
        try:
            return read(keys)
        except UnknownKeyError:
            return read(await self._provider.keys(unlike=keys))

    async def _with_role_claim(self, claims: dict[str, Any], tokens: Tokens) -> dict[str, Any]:
        """Return the claims, with those of the UserInfo endpoint if the role's is not in the token.

        What a scope asks for is told there, and in the ID token only if the provider likes to
        (OpenID Connect Core §5.4).
        """
        if claim_values(claims, self._settings.oidc_role_claim):
            return claims
        more = await self._provider.userinfo(tokens.access_token, subject=claims["sub"])
        if "email" in more:  # verified or not by the same word
            claims = {name: claims[name] for name in claims.keys() - {"email", "email_verified"}}
        return {**claims, **more}

    def _arrival(self, claims: dict[str, Any], tokens: Tokens, return_to: str) -> Arrival:
        rule = matching_rule(claims, self._settings.oidc_role_claim, self._settings.oidc_roles)
        name = _text(claims, "name", "preferred_username", "email") or claims["sub"]
        if rule is None:
            raise NoRoleError(self._why_no_role(claims, name))
        email = _text(claims, "email") if claims.get("email_verified") is True else None
        return Arrival(
            issuer=self.issuer,
            subject=claims["sub"],
            name=name[:_NAME_MAX_LENGTH],
            email=email if email and len(email) <= _EMAIL_MAX_LENGTH else None,
            rule=rule,
            provider_session_id=_text(claims, "sid"),
            id_token=tokens.id_token,
            return_to=return_to,
        )

    def _why_no_role(self, claims: dict[str, Any], name: str) -> str:
        claim = self._settings.oidc_role_claim
        values = claim_values(claims, claim)
        said = (
            f"its claim {claim!r} holds {', '.join(values)[:_SAID_MAX_LENGTH]!r}, none of which "
            "VOLTARO_OIDC_ROLES knows"
            if values
            else f"it told no claim {claim!r} that holds a text"
            + (" and is verified (email_verified)" if claim == "email" else "")
        )
        return (
            f"the provider knows you as {name[:_NAME_MAX_LENGTH]!r}, but {said}: ask whoever runs "
            "it to add you to one of the groups that may come in"
        )

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        timeout_s = self._settings.oidc_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as error:
            raise ProviderAwayError(
                f"the OpenID provider {self._provider.issuer} has not answered within "
                f"{timeout_s:g} s: log in with a password, or try again later"
            ) from error

    def _now_s(self) -> int:
        return int(self._now())


def _text(claims: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these claims that is a text, and has nothing in it that cannot be shown.

    Postgres has no place for some of what JSON can say.
    """
    found = (claims.get(name) for name in names)
    return next(
        (each for each in found if isinstance(each, str) and each and each.isprintable()), None
    )
