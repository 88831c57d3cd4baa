"""The flow of a login against a real provider, without our own routes around it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from control.accounts.oidc.attempts import AttemptSeal, new_attempt
from control.accounts.oidc.errors import LoginFailedError, NoRoleError, ProviderAwayError
from control.accounts.oidc.login import Arrival, Departure, OidcLogin
from control.accounts.oidc.provider import open_provider
from control.accounts.oidc.settings import OidcSettings
from tests.support.openid_provider import OpenIdProvider, visit


@asynccontextmanager
async def logging_in(provider: OpenIdProvider, **changes: object) -> AsyncIterator[OidcLogin]:
    settings = OidcSettings(**provider.settings(**changes))
    async with open_provider(settings) as opened:
        assert opened is not None
        yield OidcLogin(opened, settings)


@pytest.fixture
async def login(provider: OpenIdProvider) -> AsyncIterator[OidcLogin]:
    async with logging_in(provider) as login:
        yield login


async def _answer(
    provider: OpenIdProvider, browser: httpx.AsyncClient, departure: Departure, user: str
) -> dict[str, str]:
    url = await visit(browser, departure.url, user=user, until=provider.redirect_url)
    return dict(parse_qsl(urlsplit(url).query))


async def _log_in(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin, user: str
) -> Arrival:
    departure = await login.begin("/stations")
    answer = await _answer(provider, browser, departure, user)
    return await login.finish(answer, departure.sealed_attempt)


async def test_who_logs_in_there_has_the_role_of_her_group_here(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    arrival = await _log_in(provider, browser, login, "ada")
    assert (arrival.issuer, arrival.name) == (provider.issuer, "Ada Example")
    assert arrival.email == "ada@example.com"
    assert (arrival.rule.role, arrival.rule.organization_id) == ("admin", "default")
    assert arrival.return_to == "/stations"


async def test_a_group_may_lead_into_another_organization(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    rule = (await _log_in(provider, browser, login, "cy")).rule
    assert (rule.role, rule.organization_id) == ("viewer", "hotel")


async def test_who_has_no_group_of_ours_is_told_which_she_has(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    with pytest.raises(NoRoleError, match=r"'Bo Example'.*'groups' holds 'everybody'"):
        await _log_in(provider, browser, login, "bo")


async def test_without_the_scope_the_missing_claim_is_named(
    provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    async with logging_in(provider, oidc_scopes="openid profile") as login:
        with pytest.raises(NoRoleError, match="told no claim 'groups'"):
            await _log_in(provider, browser, login, "ada")


async def test_an_answer_to_another_login_is_refused(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    """Else somebody could be logged in as whoever sent her a link."""
    theirs = await _answer(provider, browser, await login.begin("/"), "ada")
    mine = await login.begin("/")
    for attempt in (mine.sealed_attempt, None, "made up"):
        with pytest.raises(LoginFailedError, match="begin again"):
            await login.finish(theirs, attempt)


async def test_a_code_is_taken_once(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    departure = await login.begin("/")
    answer = await _answer(provider, browser, departure, "ada")
    await login.finish(answer, departure.sealed_attempt)
    with pytest.raises(LoginFailedError, match="invalid_grant"):
        await login.finish(answer, departure.sealed_attempt)


async def test_a_code_is_of_no_use_without_the_verifier_that_it_was_asked_with(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    answer = await _answer(provider, browser, await login.begin("/"), "ada")
    other = replace_state(provider, answer["state"])
    with pytest.raises(LoginFailedError, match="invalid_grant"):
        await login.finish(answer, other)


def replace_state(provider: OpenIdProvider, state: str) -> str:
    """Return a sealed try that fits the answer, and whose verifier does not."""
    fresh = new_attempt("/")
    attempt = type(fresh)(
        state=state, nonce=fresh.nonce, code_verifier=fresh.code_verifier, return_to="/"
    )
    return AttemptSeal(provider.client_secret, max_age_s=900).seal(attempt, now_s=int(time.time()))


async def test_whoever_takes_too_long_begins_again(
    provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    settings = OidcSettings(**provider.settings(oidc_login_timeout_s=60))
    now_s = time.time()
    async with open_provider(settings) as opened:
        assert opened is not None
        login = OidcLogin(opened, settings, now=lambda: now_s)
        departure = await login.begin("/")
        answer = await _answer(provider, browser, departure, "ada")
        now_s += 62
        with pytest.raises(LoginFailedError, match="too long ago"):
            await login.finish(answer, departure.sealed_attempt)


@pytest.mark.parametrize("skew_s", [-400, 4 * 3600 * 24])
async def test_a_clock_that_is_far_off_is_noticed(
    provider: OpenIdProvider, browser: httpx.AsyncClient, skew_s: int
) -> None:
    settings = OidcSettings(**provider.settings())
    async with open_provider(settings) as opened:
        assert opened is not None
        login = OidcLogin(opened, settings, now=lambda: time.time() + skew_s)
        with pytest.raises(LoginFailedError, match=r"in the future|expired"):
            await _log_in(provider, browser, login, "ada")


async def test_an_answer_of_another_provider_is_refused(
    provider: OpenIdProvider, browser: httpx.AsyncClient, login: OidcLogin
) -> None:
    departure = await login.begin("/")
    answer = await _answer(provider, browser, departure, "ada")
    assert answer.pop("iss") == provider.issuer
    for other in ({"iss": "http://127.0.0.1:1"}, {}):
        with pytest.raises(LoginFailedError, match="provider"):
            await login.finish({**answer, **other}, departure.sealed_attempt)


async def test_what_the_provider_says_of_a_refusal_is_told(login: OidcLogin) -> None:
    departure = await login.begin("/")
    state = dict(parse_qsl(urlsplit(departure.url).query))["state"]
    answer = {"state": state, "error": "access_denied", "error_description": "not today"}
    with pytest.raises(LoginFailedError, match="'access_denied', 'not today'"):
        await login.finish(answer, departure.sealed_attempt)


async def test_a_wrong_secret_of_ours_is_no_fault_of_who_logs_in(
    provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    async with logging_in(provider, oidc_client_secret="of another installation") as login:
        with pytest.raises(ProviderAwayError, match="invalid_client"):
            await _log_in(provider, browser, login, "ada")


async def test_a_new_key_of_the_provider_is_found_at_once(
    provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    async with logging_in(provider, oidc_keys_interval_s=0.001) as login:
        await _log_in(provider, browser, login, "ada")
        for publish_former in (True, False):
            provider.rotate(publish_former=publish_former)
            assert (await _log_in(provider, browser, login, "ada")).rule.role == "admin"


async def test_keys_are_read_anew_once_in_a_while_only(
    provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    """Whoever sends tokens of unknown keys would have us ask the provider each time."""
    async with logging_in(provider, oidc_keys_interval_s=3600) as login:
        await _log_in(provider, browser, login, "ada")
        provider.rotate(publish_former=False)
        with pytest.raises(LoginFailedError, match="not signed by any of the keys"):
            await _log_in(provider, browser, login, "ada")


async def test_a_provider_that_hangs_is_waited_for_a_while_only(
    provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    async with logging_in(provider, oidc_timeout_s=2) as login:
        departure = await login.begin("/")
        answer = await _answer(provider, browser, departure, "ada")
        with provider.hanging():
            began_s = time.monotonic()
            with pytest.raises(ProviderAwayError, match=provider.issuer):
                await login.finish(answer, departure.sealed_attempt)
            assert time.monotonic() - began_s < 4
        assert (await _log_in(provider, browser, login, "ada")).rule.role == "admin"


async def test_a_provider_that_is_away_is_named() -> None:
    provider = OpenIdProvider()
    async with logging_in(provider) as login:
        with pytest.raises(ProviderAwayError, match=f"{provider.issuer} is of no use now"):
            await login.begin("/")
