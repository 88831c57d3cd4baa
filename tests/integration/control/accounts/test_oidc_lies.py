"""What comes of a provider that says what no real one would, or says it elsewhere."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from control.accounts.oidc.errors import LoginFailedError, NoRoleError, ProviderAwayError
from control.accounts.oidc.login import Arrival, OidcLogin
from control.accounts.oidc.provider import open_provider
from control.accounts.oidc.settings import OidcSettings
from tests.support.file_server import FileServer, file_server

KEY = RSAKey.generate_key(2048, {"kid": "current"})
WELL_KNOWN = "GET /.well-known/openid-configuration"


class Liar:
    """Answers as it is told: `metadata`, `claims` of ID tokens, and `userinfo` may be changed."""

    def __init__(self, server: FileServer) -> None:
        self.server = server
        self.metadata: dict[str, Any] = {
            "issuer": server.url,
            "authorization_endpoint": f"{server.url}/authorize",
            "token_endpoint": f"{server.url}/token",
            "jwks_uri": f"{server.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        self.claims: dict[str, Any] = {"groups": ["csms-admins"], "name": "Ada"}
        self.say("GET /keys", KeySet([KEY]).as_dict(private=False))

    def say(self, target: str, content: object, status: int = 200) -> None:
        self.server.answers[target] = (status, json.dumps(content).encode())

    @asynccontextmanager
    async def login(self, **changes: object) -> AsyncIterator[OidcLogin]:
        settings = OidcSettings(
            **{
                "oidc_issuer": self.server.url,
                "oidc_client_id": "voltaro",
                "oidc_client_secret": "a secret",
                "oidc_redirect_url": "http://127.0.0.1:9/v1/oidc/callback",
                "oidc_roles": '{"csms-admins": "admin", "ada@example.com": "viewer"}',
                **changes,
            }
        )
        self.say(WELL_KNOWN, self.metadata)
        async with open_provider(settings) as provider:
            assert provider is not None
            yield OidcLogin(provider, settings)

    async def log_in(
        self, answers: dict[str, tuple[int, bytes]] | None = None, **changes: object
    ) -> Arrival:
        """Log in; `answers` are instead of those that it would give."""
        async with self.login(**changes) as login:
            self.server.answers |= answers or {}
            departure = await login.begin("/")
            asked = dict(parse_qsl(urlsplit(departure.url).query))
            claims = {
                "iss": self.server.url,
                "sub": "7f3a",
                "aud": "voltaro",
                "exp": int(time.time()) + 300,
                "iat": int(time.time()),
                "nonce": asked["nonce"],
                **self.claims,
            }
            token = jwt.encode({"alg": "RS256", "kid": "current"}, claims, KEY)
            if "POST /token" not in self.server.answers:
                self.say("POST /token", {"id_token": token, "access_token": "an access token"})
            return await login.finish(
                {"state": asked["state"], "code": "a code"}, departure.sealed_attempt
            )


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    async with file_server() as server:
        yield Liar(server)


async def test_it_is_believed_as_long_as_it_says_what_it_should(liar: Liar) -> None:
    arrival = await liar.log_in()
    assert (arrival.subject, arrival.name, arrival.rule.role) == ("7f3a", "Ada", "admin")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "of another login"}, "nonce"),
        ({"aud": "another"}, "aud"),
        ({"iss": "https://other.example.com"}, "iss"),
        ({"exp": 1_000_000_000}, "expired"),
    ],
)
async def test_a_token_for_something_else_logs_nobody_in(
    liar: Liar, claims: dict[str, Any], said: str
) -> None:
    liar.claims |= claims
    with pytest.raises(LoginFailedError, match=said):
        await liar.log_in()


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "https://other.example.com"}, "VOLTARO_OIDC_ISSUER"),
        ({"token_endpoint": "http://192.0.2.1/token"}, "token_endpoint"),
        ({"jwks_uri": "http://login.example.com/keys"}, "jwks_uri"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"userinfo_endpoint": "file:///etc/hostname"}, "userinfo_endpoint"),
        ({"response_types_supported": "code"}, "response_types_supported"),
    ],
)
async def test_metadata_that_lead_elsewhere_are_of_no_use(
    liar: Liar, metadata: dict[str, Any], said: str
) -> None:
    liar.metadata |= metadata
    with pytest.raises(ProviderAwayError, match=said):
        await liar.log_in()


@pytest.mark.parametrize("target", [WELL_KNOWN, "GET /keys", "POST /token"])
@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (200, b"[]"), (200, b"{}"), (302, b""), (500, b"{}"), (200, b"")]
)
async def test_an_answer_that_is_none_is_no_fault_of_who_logs_in(
    liar: Liar, target: str, answer: tuple[int, bytes]
) -> None:
    liar.say("POST /token", {"id_token": "a.b.c", "access_token": "t"})
    with pytest.raises(ProviderAwayError, match=liar.server.url):
        await liar.log_in({target: answer})


async def test_an_answer_is_read_up_to_a_bound(liar: Liar) -> None:
    liar.metadata["padding"] = "x" * 600_000
    with pytest.raises(ProviderAwayError, match="longer than 524288 bytes"):
        await liar.log_in()


async def test_a_claim_that_is_not_in_the_token_is_asked_for(liar: Liar) -> None:
    liar.claims = {}
    liar.metadata["userinfo_endpoint"] = f"{liar.server.url}/userinfo"
    liar.say("GET /userinfo", {"sub": "7f3a", "groups": ["csms-admins"], "name": "Ada"})
    arrival = await liar.log_in()
    assert (arrival.name, arrival.rule.role) == ("Ada", "admin")


async def test_claims_of_somebody_else_are_not_taken(liar: Liar) -> None:
    liar.claims = {}
    liar.metadata["userinfo_endpoint"] = f"{liar.server.url}/userinfo"
    liar.say("GET /userinfo", {"sub": "another", "groups": ["csms-admins"]})
    with pytest.raises(LoginFailedError, match="somebody else"):
        await liar.log_in()


async def test_an_address_is_verified_by_the_word_that_told_it(liar: Liar) -> None:
    """`email` of one answer and `email_verified` of another are not one claim."""
    liar.metadata["userinfo_endpoint"] = f"{liar.server.url}/userinfo"
    liar.claims = {"email": "ada@example.com", "email_verified": False}
    liar.say("GET /userinfo", {"sub": "7f3a", "email_verified": True, "email": "eve@example.com"})
    with pytest.raises(NoRoleError, match=r"eve@example\.com"):
        await liar.log_in(oidc_role_claim="email")
    liar.claims["email_verified"] = True
    del liar.server.answers["POST /token"]
    assert (await liar.log_in(oidc_role_claim="email")).rule.role == "viewer"


async def test_an_address_that_nobody_verified_is_not_kept(liar: Liar) -> None:
    liar.metadata["userinfo_endpoint"] = f"{liar.server.url}/userinfo"
    liar.claims = {"email": "ada@example.com", "email_verified": True}
    liar.say("GET /userinfo", {"sub": "7f3a", "groups": ["csms-admins"], "email": "eve@x.example"})
    assert (await liar.log_in()).email is None


async def test_a_name_that_cannot_be_shown_is_not_kept(liar: Liar) -> None:
    liar.claims |= {"name": "A\x00da", "preferred_username": "ada", "sid": "s\x00"}
    arrival = await liar.log_in()
    assert (arrival.name, arrival.provider_session_id) == ("ada", None)


async def test_a_secret_goes_where_the_provider_takes_it(liar: Liar) -> None:
    liar.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await liar.log_in()
    body = next(body for target, body in liar.server.received if target == "POST /token")
    assert dict(parse_qsl(body.decode()))["client_secret"] == "a secret"
