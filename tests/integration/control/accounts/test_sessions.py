"""Sessions of the dashboard: their cookie, their CSRF token, and how they end."""

import httpx

from control.accounts.secrets import digest
from shared.store.pool import Database
from tests.integration.control.accounts.people import (
    PASSWORD,
    browser,
    invite,
    join,
    sign_in,
    try_to_sign_in,
)
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.eventually import eventually

NEW_PASSWORD = "staple battery horse correct"


async def test_who_takes_an_invitation_up_signs_in_and_works(api: Api) -> None:
    told = await invite(api.client, role="operator")
    assert (told["has_password"], told["invitation"]["mailed"]) == (False, False)
    async with browser(api) as ada:
        use = {"token": told["invitation"]["token"], "password": PASSWORD}
        assert (await ada.post("/v1/password-links/use", json=use)).status_code == 204
        again = await ada.post("/v1/password-links/use", json=use)
        assert_problem(again, 404, "not-found")

        await sign_in(ada, "ADA@example.com")
        me = (await ada.get("/v1/me")).json()
        assert (me["kind"], me["name"], me["principal_id"]) == ("user", "ada", told["user_id"])
        assert (await ada.post("/v1/stations", json={"station_id": "CS-1"})).status_code == 201
        assert_problem(await ada.get("/v1/users"), 403, "missing-permission")


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada:
        cookie = (await try_to_sign_in(ada)).headers["set-cookie"]
        name, _, rest = cookie.partition("=")
        attributes = {each.strip().lower() for each in rest.split(";")[1:]}
        assert name == "voltaro_session"
        assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= attributes
        assert "secure" not in attributes


async def test_behind_tls_the_cookie_is_for_https_alone(make_settings: MakeSettings) -> None:
    async with running(make_settings(http_trusted_proxies="127.0.0.1")) as api:
        await join(api.client)
        async with browser(api) as ada:
            ada.headers["X-Forwarded-Proto"] = "https"
            cookie = (await try_to_sign_in(ada)).headers["set-cookie"]
        assert cookie.startswith("__Host-voltaro_session=")
        assert "secure" in cookie.lower()


async def test_who_is_no_proxy_does_not_say_where_a_request_came_from(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada:
        ada.headers.update({"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"})
        await sign_in(ada)
        (session,) = (await ada.get("/v1/me/sessions")).json()["items"]
        assert session["address"] == "127.0.0.1"


async def test_only_the_hash_of_a_session_is_stored(api: Api, db: Database) -> None:
    await join(api.client)
    async with browser(api) as ada:
        await sign_in(ada)
        token = ada.cookies["voltaro_session"]
    (stored,) = await db.fetch("SELECT * FROM user_sessions")
    assert stored["token_hash"] == digest(token)
    assert token not in repr(dict(stored))


async def test_what_changes_anything_needs_the_csrf_token_and_reading_does_not(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada, browser(api) as eve:
        await sign_in(ada)
        right = ada.headers.pop("X-CSRF-Token")
        await join(api.client, "eve@example.com")
        await sign_in(eve, "eve@example.com")
        station = {"station_id": "CS-1"}
        for told in (None, "", "x" * 43, eve.headers["X-CSRF-Token"], right[:-1]):
            headers = {} if told is None else {"X-CSRF-Token": told}
            response = await ada.post("/v1/stations", json=station, headers=headers)
            assert_problem(response, 403, "missing-csrf-token")
        assert (await ada.get("/v1/stations")).json()["items"] == []
        # A page that is loaded anew asks for it.
        assert (await ada.get("/v1/me")).json()["csrf_token"] == right


async def test_a_key_needs_no_csrf_token_and_is_nobody(client: httpx.AsyncClient) -> None:
    me = (await client.get("/v1/me")).json()
    assert (me["kind"], me["csrf_token"]) == ("root_key", None)
    assert_problem(await client.get("/v1/me/sessions"), 403, "missing-permission")
    assert_problem(await client.post("/v1/logout"), 403, "missing-permission")


async def test_signing_in_always_begins_a_new_session(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada:
        ada.cookies.set("voltaro_session", "chosen-by-somebody-else")
        await sign_in(ada)
        first = ada.cookies.get("voltaro_session", domain="127.0.0.1")
        assert first != "chosen-by-somebody-else"
        ada.cookies.clear()
        await sign_in(ada)
        assert ada.cookies["voltaro_session"] != first


async def test_who_signs_out_is_out(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada:
        await sign_in(ada)
        cookie = ada.cookies["voltaro_session"]
        left = await ada.post("/v1/logout")
        assert left.status_code == 204
        assert "voltaro_session" not in ada.cookies
        stolen = {"Cookie": f"voltaro_session={cookie}"}
        assert_problem(await ada.get("/v1/me", headers=stolen), 401, "unauthorized")


async def test_own_sessions_are_listed_and_ended_and_nobody_elses(api: Api) -> None:
    await join(api.client)
    await join(api.client, "eve@example.com")
    async with browser(api) as ada, browser(api) as phone, browser(api) as eve:
        phone.headers["User-Agent"] = "a phone"
        await sign_in(ada)
        await sign_in(phone)
        await sign_in(eve, "eve@example.com")
        sessions = (await ada.get("/v1/me/sessions")).json()["items"]
        told = [(each["user_agent"], each["current"]) for each in sessions]
        assert (len(told), told[0]) == (2, ("a phone", False))
        url = f"/v1/me/sessions/{sessions[0]['user_session_id']}"
        assert_problem(await eve.delete(url), 404, "not-found")
        assert (await ada.delete(url)).status_code == 204
        assert_problem(await phone.get("/v1/me"), 401, "unauthorized")
        assert (await ada.get("/v1/me")).status_code == 200


async def test_a_session_ends_when_nobody_uses_it_and_at_its_age(
    make_settings: MakeSettings, db: Database
) -> None:
    settings = make_settings(credentials_memory_s=0.01, user_session_idle_timeout_s=600)
    async with running(settings) as api:
        await join(api.client)
        for sooner in ("last_used_at = now() - interval '11 min'", "expires_at = now()"):
            async with browser(api) as ada:
                await sign_in(ada)
                await db.execute(f"UPDATE user_sessions SET {sooner}")  # noqa: S608 - the test's

                async def status(client: httpx.AsyncClient = ada) -> int:
                    return (await client.get("/v1/me")).status_code

                await eventually(status, lambda found: found == 401)


async def test_a_session_that_is_used_does_not_end_before_its_age(
    make_settings: MakeSettings, db: Database
) -> None:
    async with running(make_settings(credentials_memory_s=0.01)) as api:
        await join(api.client)
        async with browser(api) as ada:
            await sign_in(ada)
            assert (await ada.get("/v1/me")).status_code == 200
            await db.execute("UPDATE user_sessions SET last_used_at = now() - interval '1 day'")
            assert (await ada.get("/v1/me")).status_code == 200


async def test_a_new_password_ends_all_other_sessions_and_renews_this_one(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada, browser(api) as phone:
        await sign_in(ada)
        await sign_in(phone)
        before = ada.cookies["voltaro_session"]
        wrong = {"password": "wrong", "new_password": NEW_PASSWORD}
        assert_problem(await ada.post("/v1/me/password", json=wrong), 403, "wrong-proof")
        body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
        changed = await ada.post("/v1/me/password", json=body)
        assert changed.status_code == 200, changed.text
        assert ada.cookies["voltaro_session"] != before
        assert (await ada.get("/v1/me")).json()["csrf_token"] == changed.json()["csrf_token"]
        stolen = {"Cookie": f"voltaro_session={before}"}
        async with browser(api) as thief:
            assert_problem(await thief.get("/v1/me", headers=stolen), 401, "unauthorized")
        assert_problem(await phone.get("/v1/me"), 401, "unauthorized")
        assert_problem(await try_to_sign_in(phone), 401, "wrong-credentials")
        await sign_in(phone, password=NEW_PASSWORD)


async def test_whose_rights_change_signs_in_anew(api: Api) -> None:
    told = await join(api.client)
    url = f"/v1/users/{told['user_id']}"
    await join(api.client, "eve@example.com")
    async with browser(api) as ada:
        await sign_in(ada)
        assert (await api.client.patch(url, json={"name": "Ada L"})).status_code == 200
        assert (await ada.get("/v1/me")).json()["name"] == "Ada L"
        assert (await api.client.patch(url, json={"role": "viewer"})).status_code == 200
        assert_problem(await ada.get("/v1/me"), 401, "unauthorized")
        await sign_in(ada)
        assert (await api.client.patch(url, json={"disabled": True})).status_code == 200
        assert_problem(await ada.get("/v1/me"), 401, "unauthorized")
        assert_problem(await try_to_sign_in(ada), 401, "wrong-credentials")
