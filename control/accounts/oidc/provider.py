"""What is asked of the provider over HTTP: its metadata, its keys, tokens and claims.

Authlib's own clients are not used: they keep metadata and keys until the process ends, and take an
answer of any length. What it knows of the protocol is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

import httpx
import msgspec
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from control.accounts.oidc.errors import LoginFailedError, ProviderAwayError
from control.accounts.oidc.settings import OidcSettings, is_safe_url
from shared.telemetry.errors import describe_error

# Metadata have some kilobytes, and a key half of one; all answers stay in memory until read.
_ANSWER_MAX_BYTES = 512 * 1024
_MAX_CONNECTIONS = 20
_SAID_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What of the provider's metadata is used (OpenID Connect Discovery 1.0 §3).

    Attributes:
        posts_secret: the provider takes our secret in the body alone, and not in a header.
        names_itself: it says who it is in its answers to browsers, too (RFC 9207).
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    posts_secret: bool
    names_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str
    access_token: str


@asynccontextmanager
async def open_provider(settings: OidcSettings) -> AsyncIterator["Provider | None"]:
    """Hold the connections to the provider for as long as the context lasts; None without one."""
    if settings.oidc_issuer is None:
        yield None
        return
    async with httpx.AsyncClient(
        timeout=settings.oidc_timeout_s,
        limits=httpx.Limits(max_connections=_MAX_CONNECTIONS),
        # A short answer could become a long one.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        follow_redirects=False,
    ) as client:
        yield Provider(client, settings)


class Provider:
    """One OpenID provider.

    Args:
        client: as `open_provider` makes it.
        settings: which provider, how long it may take, and how old what it said may become.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: OidcSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = settings.oidc_issuer or ""
        self.client_id = settings.oidc_client_id or ""
        self._client = client
        self._settings = settings
        self._clock = clock
        # All who want to log in at once ask once.
        self._asking = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._metadata_read_s = 0.0
        self._keys: KeySet | None = None
        self._keys_read_s = 0.0

    async def metadata(self) -> Metadata:
        """Return its metadata, not older than the settings say.

        Raises:
            ProviderAwayError: it cannot be reached, or what it says cannot be used.
        """
        async with self._asking:
            return await self._current_metadata()

    async def keys(self, *, unlike: KeySet | None = None) -> KeySet:
        """Return the keys that it signs with, not older than the settings say.

        Args:
            unlike: keys that did not do. They are read anew unless that has just been done.

        Raises:
            ProviderAwayError: it cannot be reached, or what it says cannot be used.
        """
        async with self._asking:
            age_s = self._clock() - self._keys_read_s
            useless = self._keys is unlike and age_s >= self._settings.oidc_keys_interval_s
            if self._keys is None or useless or age_s >= self._settings.oidc_metadata_max_age_s:
                # A provider that has moved says so in its metadata alone.
                metadata = await self._current_metadata(anew=useless)
                found = await self._read("its keys", "GET", metadata.jwks_uri)
                try:
                    self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
                except (JoseError, KeyError, TypeError, ValueError) as error:
                    raise self._away(f"its keys cannot be read ({error})") from error
                self._keys_read_s = self._clock()
            return self._keys

    async def exchange(self, code: str, code_verifier: str) -> Tokens:
        """Return what the provider gives for a code (RFC 6749 §4.1.3, RFC 7636 §4.5).

        Raises:
            LoginFailedError: nothing: it was given out already, is too old, or of somebody else.
            ProviderAwayError: it cannot be reached, or what it says cannot be used.
        """
        metadata = await self.metadata()
        secret_of_ours = self._settings.oidc_client_secret
        secret = "" if secret_of_ours is None else secret_of_ours.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.oidc_redirect_url or "",
            "code_verifier": code_verifier,
        }
        auth = None
        if metadata.posts_secret:
            form |= {"client_id": self.client_id, "client_secret": secret}
        else:
            # RFC 6749 §2.3.1: both are encoded as in a form, before they are encoded for Basic.
            auth = httpx.BasicAuth(quote_plus(self.client_id), quote_plus(secret))
        found = await self._read(
            "tokens", "POST", metadata.token_endpoint, form=form, auth=auth, refusals=True
        )
        tokens = found.get("id_token"), found.get("access_token")
        if not isinstance(tokens[0], str) or not isinstance(tokens[1], str):
            raise self._away("its tokens lack an ID token or an access token")
        return Tokens(id_token=tokens[0], access_token=tokens[1])

    async def userinfo(self, access_token: str, *, subject: str) -> dict[str, Any]:
        """Return what the UserInfo endpoint says of a user; nothing if there is none.

        Args:
            access_token: from `exchange`.
            subject: of the ID token, which the answer has to be about (OpenID Connect Core §5.3.2).

        Raises:
            LoginFailedError: it says nothing, or speaks of somebody else.
            ProviderAwayError: it cannot be reached, or what it says cannot be used.
        """
        endpoint = (await self.metadata()).userinfo_endpoint
        if endpoint is None:
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        found = await self._read("claims", "GET", endpoint, headers=headers, refusals=True)
        if found.get("sub") != subject:
            raise LoginFailedError("the provider's UserInfo endpoint speaks of somebody else")
        return found

    async def _current_metadata(self, *, anew: bool = False) -> Metadata:
        age_s = self._clock() - self._metadata_read_s
        if self._metadata is None or anew or age_s >= self._settings.oidc_metadata_max_age_s:
            url = get_well_known_url(self.issuer, external=True)
            self._metadata = self._understand(await self._read("its metadata", "GET", url))
            self._metadata_read_s = self._clock()
        return self._metadata

    def _understand(self, found: dict[str, Any]) -> Metadata:
        try:
            OpenIDProviderMetadata(found).validate()
        except (ValueError, TypeError, AttributeError) as error:
            raise self._away(f"its metadata cannot be used ({error})") from error
        if found["issuer"] != self.issuer:
            raise self._away(
                f"its metadata are of issuer {str(found['issuer'])[:_SAID_MAX_LENGTH]!r}: set "
                "VOLTARO_OIDC_ISSUER to that if it is yours"
            )
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        optional = ("userinfo_endpoint", "end_session_endpoint")
        for name in (*names, *(each for each in optional if found.get(each) is not None)):
            url = found.get(name)
            if not isinstance(url, str) or not is_safe_url(url):
                raise self._away(f"the {name} of its metadata is no URL with https")
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Metadata(
            authorization_endpoint=found["authorization_endpoint"],
            token_endpoint=found["token_endpoint"],
            jwks_uri=found["jwks_uri"],
            userinfo_endpoint=found.get("userinfo_endpoint"),
            end_session_endpoint=found.get("end_session_endpoint"),
            posts_secret="client_secret_basic" not in methods,
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )

    async def _read(
        self,
        what: str,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
        auth: httpx.Auth | None = None,
        refusals: bool = False,
    ) -> dict[str, Any]:
        """Return the JSON object of an answer.

        Args:
            what: is asked for, for people.
            method: of HTTP.
            url: likewise.
            headers: beside those of every request.
            form: the body.
            auth: who we are.
            refusals: whether a status of 4xx is about the user, and not about the provider.
        """
        try:
            async with self._client.stream(
                method, url, headers=headers, data=form, auth=auth
            ) as response:
                body = await self._body(what, response)
        except httpx.HTTPError as error:
            raise self._away(f"it was asked for {what}: {describe_error(error)}") from error
        except httpx.InvalidURL as error:
            raise self._away(f"the URL for {what} cannot be used ({error})") from error
        status = response.status_code
        try:
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = None
        if status == HTTPStatus.OK and isinstance(found, dict):
            return found
        if refusals and status in {400, 401, 403} and _error_code(found) != "invalid_client":
            raise LoginFailedError(f"the provider refused to give {what}: {_said(found, status)}")
        raise self._away(f"it was asked for {what} and said {_said(found, status)}")

    async def _body(self, what: str, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._away(f"it compresses {what}, unasked")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _ANSWER_MAX_BYTES:
                raise self._away(f"its answer with {what} is longer than {_ANSWER_MAX_BYTES} bytes")
        return bytes(body)

    def _away(self, why: str) -> ProviderAwayError:
        return ProviderAwayError(f"the OpenID provider {self.issuer} is of no use now: {why}")


def _error_code(found: object) -> object:
    return found.get("error") if isinstance(found, dict) else None


def _said(found: object, status: int) -> str:
    """Return what an answer says went wrong (RFC 6749 §5.2), for people."""
    words = [f"status {status}"]
    if isinstance(found, dict):
        words += [
            repr(found[name][:_SAID_MAX_LENGTH])
            for name in ("error", "error_description")
            if isinstance(found.get(name), str)
        ]
    return ", ".join(words)
