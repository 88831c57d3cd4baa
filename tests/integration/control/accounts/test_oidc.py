"""Login at a real OpenID provider through the API: there, back, and out again."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from shared.store.pool import Database
from shared.telemetry import metrics
from tests.integration.control.accounts.people import join, sign_in, try_to_sign_in
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.http import http_client
from tests.support.openid_provider import OpenIdProvider, new_key, visit

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
async def api(make_settings: MakeSettings, provider: OpenIdProvider) -> AsyncIterator[Api]:
    async with running(make_settings(**provider.settings(oidc_keys_interval_s=0.001))) as served:
        yield served


@pytest.fixture
async def other_browser() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(timeout=20) as client:
        yield client


async def come_back(
    api: Api,
    provider: OpenIdProvider,
    browser: httpx.AsyncClient,
    user: str = "ada",
    **asked: str,
) -> str:
    """Log in at the provider, and return where it sends the browser to."""
    begun = await browser.get(f"{api.url}/v1/oidc/login", params=asked)
    assert begun.status_code == 303, begun.text
    back = await visit(browser, begun.headers["location"], user=user, until=provider.redirect_url)
    return f"{api.url}/v1/oidc/callback?{urlsplit(back).query}"


async def log_in(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient, user: str = "ada"
) -> dict[str, Any]:
    """Log in, and return who one is; later requests of this browser prove it."""
    answer = await browser.get(await come_back(api, provider, browser, user))
    assert answer.status_code == 303, answer.text
    found = await me(api, browser)
    browser.headers["X-CSRF-Token"] = found["csrf_token"]
    return found


async def me(api: Api, browser: httpx.AsyncClient) -> dict[str, Any]:
    answer = await browser.get(f"{api.url}/v1/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_login_there_begins_a_session_like_a_password(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient, other_browser: httpx.AsyncClient
) -> None:
    back = await come_back(api, provider, browser, return_to="/stations?sort=name")
    answer = await browser.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/stations?sort=name")
    found = await me(api, browser)
    assert (found["kind"], found["name"]) == ("user", "Ada Example")
    assert "accounts:write" in found["permissions"]

    await join(api.client, "eve@example.com")
    other_browser.base_url = httpx.URL(api.url)
    by_password = await try_to_sign_in(other_browser, "eve@example.com")

    def attributes(told: httpx.Response) -> set[str]:
        cookies = told.headers.get_list("set-cookie")
        cookie = next(each for each in cookies if each.startswith("voltaro_session="))
        return {each.strip() for each in cookie.split(";")[1:] if "expires" not in each}

    assert attributes(answer) == attributes(by_password)
    station = {"json": {"station_id": "CS-1"}}
    without = await browser.post(f"{api.url}/v1/stations", **station)
    assert_problem(without, 403, "missing-csrf-token")
    browser.headers["X-CSRF-Token"] = found["csrf_token"]
    assert (await browser.post(f"{api.url}/v1/stations", **station)).status_code == 201
    assert (await log_in(api, provider, other_browser))["principal_id"] == found["principal_id"]


async def test_rights_are_those_of_the_last_login(
    make_settings: MakeSettings, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    found = []
    for role in ("admin", "viewer"):
        settings = provider.settings(oidc_roles=f'{{"everybody": "{role}"}}')
        async with running(make_settings(**settings)) as api:
            found.append(await log_in(api, provider, browser))
    before, after = found
    assert before["principal_id"] == after["principal_id"]
    assert "stations:write" in before["permissions"]
    assert "stations:write" not in after["permissions"]


async def test_who_comes_back_with_other_rights_is_signed_out_elsewhere_at_once(
    api: Api,
    provider: OpenIdProvider,
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    db: Database,
) -> None:
    await log_in(api, provider, browser)
    await db.execute("UPDATE users SET role = 'viewer'")
    await log_in(api, provider, other_browser)
    assert_problem(await browser.get(f"{api.url}/v1/me"), 401, "unauthorized")


async def test_a_group_leads_into_an_organization_that_there_is(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient, db: Database
) -> None:
    refused = await browser.get(await come_back(api, provider, browser, "cy"))
    detail = assert_problem(refused, 403, "missing-permission")["detail"]
    assert "'hotel-desk' leads nowhere" in detail
    await db.execute(
        "INSERT INTO organizations (organization_id, parent_id, name)"
        " VALUES ('hotel', 'default', 'Hotel')"
    )
    found = await log_in(api, provider, browser, "cy")
    assert found["organization_id"] == "hotel"
    assert "stations:write" not in found["permissions"]


async def test_who_has_no_role_is_told_so_in_a_page(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    back = await come_back(api, provider, browser, "bo")
    page = await browser.get(back, headers={"Accept": "text/html,application/xhtml+xml"})
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "&#x27;everybody&#x27;, none of which VOLTARO_OIDC_ROLES knows" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert_problem(await browser.get(f"{api.url}/v1/me"), 401, "unauthorized")


async def test_who_made_a_user_and_what_became_of_each_login_is_told(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient, other_browser: httpx.AsyncClient
) -> None:
    before = logins()
    found = await log_in(api, provider, browser)
    await other_browser.get(await come_back(api, provider, other_browser, "bo"))
    await browser.get(f"{api.url}/v1/oidc/callback")
    counted = {outcome: count - before.get(outcome, 0) for outcome, count in logins().items()}
    assert {outcome for outcome, count in counted.items() if count == 1} == {
        *("logged_in", "no_role", "failed"),
    }

    told = await api.client.get(
        "/v1/audit-log", params={"resource": "users", "principal_id": provider.issuer}
    )
    (made,) = told.json()["items"]
    assert (made["action"], made["resource_id"]) == ("created", found["principal_id"])
    assert made["principal"] == {
        "kind": "openid_provider",
        "id": provider.issuer,
        "name": made["after"]["oidc_subject"],
        "organization_id": found["organization_id"],
    }
    assert made["request_id"]


def logins() -> dict[str, float]:
    """Return how many logins there were in this process, by what became of them."""
    samples = [each for family in metrics.oidc_logins.collect() for each in family.samples]
    return {each.labels["outcome"]: each.value for each in samples if each.name.endswith("_total")}


async def test_who_is_disabled_here_stays_out(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    found = await log_in(api, provider, browser)
    await join(api.client, "eve@example.com")
    path = f"/v1/users/{found['principal_id']}"
    changed = await api.client.patch(path, json={"disabled": True})
    assert changed.status_code == 200, changed.text
    refused = await browser.get(await come_back(api, provider, browser))
    assert "disabled here" in assert_problem(refused, 403, "missing-permission")["detail"]


async def test_who_logs_out_here_logs_out_there(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    await log_in(api, provider, browser)
    assert "sessionid" in browser.cookies
    kept = {"Cookie": f"voltaro_session={browser.cookies['voltaro_session']}"}
    told = await browser.post(f"{api.url}/v1/oidc/logout")
    assert told.status_code == 200, told.text
    assert_problem(await browser.get(f"{api.url}/v1/me"), 401, "unauthorized")
    assert_problem(await browser.get(f"{api.url}/v1/me", headers=kept), 401, "unauthorized")
    end = await browser.get(told.json()["url"])
    assert (end.status_code, end.headers["location"]) == (302, provider.logged_out_url)
    begun = await browser.get(f"{api.url}/v1/oidc/login")
    asked = await browser.get(begun.headers["location"])
    assert "/login/" in asked.headers["location"], "the provider asks for a password again"


async def test_a_session_of_a_password_ends_here_alone(
    api: Api, browser: httpx.AsyncClient
) -> None:
    await join(api.client)
    browser.base_url = httpx.URL(api.url)
    await sign_in(browser)
    assert (await browser.post("/v1/oidc/logout")).json() == {"url": None}
    assert_problem(await browser.get("/v1/me"), 401, "unauthorized")


async def test_a_key_that_the_provider_changes_keeps_nobody_out(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient, other_browser: httpx.AsyncClient
) -> None:
    found = await log_in(api, provider, browser)
    provider.rotate(publish_former=False)
    assert (await log_in(api, provider, other_browser))["principal_id"] == found["principal_id"]
    assert await me(api, browser) == found


async def test_without_the_provider_passwords_go_on(
    make_settings: MakeSettings, browser: httpx.AsyncClient
) -> None:
    gone = OpenIdProvider()  # nothing listens there
    async with running(make_settings(**gone.settings())) as api:
        refused = await browser.get(f"{api.url}/v1/oidc/login")
        detail = assert_problem(refused, 503, "unavailable")["detail"]
        assert f"{gone.issuer} is of no use now" in detail
        await join(api.client)
        browser.base_url = httpx.URL(api.url)
        await sign_in(browser)


async def test_a_provider_that_hangs_is_waited_for_a_while_only(
    make_settings: MakeSettings, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    async with running(make_settings(**provider.settings(oidc_timeout_s=2))) as api:
        found = await log_in(api, provider, browser)
        back = await come_back(api, provider, browser)
        with provider.hanging():
            began_s = time.monotonic()
            refused = await browser.get(back)
            assert time.monotonic() - began_s < 5
            assert_problem(refused, 503, "unavailable")
            assert await me(api, browser) == found, "who is logged in goes on working"


async def test_an_answer_that_is_not_ones_own_logs_nobody_in(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient, other_browser: httpx.AsyncClient
) -> None:
    back = await come_back(api, provider, browser)
    assert_problem(await other_browser.get(back), 401, "unauthorized")
    await come_back(api, provider, other_browser)
    assert_problem(await other_browser.get(back), 401, "unauthorized")
    forged = back.replace("state=", "state=x")
    kept = dict(browser.cookies)
    assert_problem(await browser.get(forged), 401, "unauthorized")
    # The browser has forgotten its try; who has kept its cookie can use the answer, and once.
    assert_problem(await browser.get(back), 401, "unauthorized")
    cookie = {"Cookie": f"voltaro_oidc_login={kept['voltaro_oidc_login']}"}
    assert (await browser.get(back, headers=cookie)).status_code == 303
    replayed = await other_browser.get(back, headers=cookie)
    assert "invalid_grant" in assert_problem(replayed, 401, "unauthorized")["detail"]


async def test_with_https_no_other_host_can_have_begun_a_login(
    make_settings: MakeSettings, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    """Hosts below one domain give each other's browsers cookies, but none with this prefix."""
    by_https = provider.settings(oidc_redirect_url="https://csms.example.com/v1/oidc/callback")
    async with running(make_settings(**by_https)) as api:
        begun = await browser.get(f"{api.url}/v1/oidc/login")
        name, _, rest = begun.headers["set-cookie"].partition("=")
        assert name == "__Host-voltaro_oidc_login"
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(rest.split("; "))
        state = dict(parse_qsl(urlsplit(begun.headers["location"]).query))["state"]
        plain = {"Cookie": f"voltaro_oidc_login={rest.partition(';')[0]}"}
        url = f"{api.url}/v1/oidc/callback"
        refused = await browser.get(url, params={"state": state, "code": "c"}, headers=plain)
        assert "has not begun to log in" in assert_problem(refused, 401, "unauthorized")["detail"]


@pytest.mark.parametrize(
    "return_to", ["//example.com", "/\\example.com", "https://example.com", "/\texample", "", "/é"]
)
async def test_nobody_is_sent_elsewhere_afterwards(api: Api, return_to: str) -> None:
    answer = await api.client.get("/v1/oidc/login", params={"return_to": return_to})
    assert_problem(answer, 422, "invalid-input")


async def test_without_a_provider_there_is_none(make_settings: MakeSettings) -> None:
    async with running(make_settings()) as api:
        for path in ("login", "callback"):
            assert_problem(await api.client.get(f"/v1/oidc/{path}"), 404, "not-found")


def logout_token(provider: OpenIdProvider, key: str | None = None, **changes: object) -> str:
    signing = RSAKey.import_key(key or provider.signing_key)
    now_s = int(time.time())
    claims = {
        "iss": provider.issuer,
        "aud": provider.client_id,
        "sub": "1",
        "iat": now_s,
        "exp": now_s + 120,
        "jti": "1",
        "events": {LOGOUT_EVENT: {}},
        **changes,
    }
    return jwt.encode({"alg": "RS256", "kid": signing.thumbprint()}, claims, signing)


async def test_who_is_logged_out_by_the_provider_is_logged_out_here(
    api: Api, provider: OpenIdProvider, browser: httpx.AsyncClient
) -> None:
    found = await log_in(api, provider, browser)
    url = "/v1/oidc/backchannel-logout"
    async with http_client(base_url=api.url) as sender:
        for other in (
            logout_token(provider, key=new_key()),
            logout_token(provider, aud="another"),
            logout_token(provider, events={}),
            "no token",
        ):
            refused = await sender.post(url, data={"logout_token": other})
            assert_problem(refused, 400, "malformed-request")
        assert_problem(await sender.post(url), 422, "invalid-input")
        past = logout_token(provider, iat=int(time.time()) - 300)
        for harmless in (past, logout_token(provider, sub="2")):
            answer = await sender.post(url, data={"logout_token": harmless})
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert await me(api, browser) == found
        ended = await sender.post(url, data={"logout_token": logout_token(provider)})
        assert ended.status_code == 200, ended.text
    assert_problem(await browser.get(f"{api.url}/v1/me"), 401, "unauthorized")
