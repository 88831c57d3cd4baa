"""Cookies that somebody else gave to a browser of ours."""

import json

from tests.integration.control.accounts.people import PASSWORD, browser, join, try_to_sign_in
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running


async def _token_of_a_stranger(api: Api) -> str:
    await join(api.client)
    async with browser(api) as stranger:
        answer = await try_to_sign_in(stranger)
        cookie: str = answer.headers["set-cookie"]
        return cookie.partition("=")[2].partition(";")[0]


async def test_with_https_a_session_comes_from_our_own_host_alone(
    make_settings: MakeSettings,
) -> None:
    """Any host below the same domain can plant a cookie without the prefix `__Host-`.

    With it whoever has not signed in would work in a session of somebody else, who reads there what
    they did.
    """
    async with running(make_settings(http_trusted_proxies="127.0.0.1")) as api:
        planted = {"Cookie": f"voltaro_session={await _token_of_a_stranger(api)}"}
        async with browser(api) as ada:
            assert (await ada.get("/v1/me", headers=planted)).status_code == 200
            ada.headers["X-Forwarded-Proto"] = "https"
            assert_problem(await ada.get("/v1/me", headers=planted), 401, "unauthorized")


async def test_so_it_does_where_the_balancer_does_not_say_https(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings(session_cookie_secure=True)) as api:
        token = await _token_of_a_stranger(api)
        async with browser(api) as ada:
            planted = {"Cookie": f"voltaro_session={token}"}
            assert_problem(await ada.get("/v1/me", headers=planted), 401, "unauthorized")
            ours = {"Cookie": f"__Host-voltaro_session={token}"}
            told = await ada.get("/v1/me", headers=ours)
            assert told.status_code == 200
            assert told.json()["csrf_token"]


async def test_a_form_of_another_site_signs_nobody_in(api: Api) -> None:
    """A form can send any text as text/plain, without the browser asking us before."""
    await join(api.client)
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD})
    async with browser(api) as ada:
        for media_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ):
            answer = await ada.post("/v1/login", content=body, headers={"Content-Type": media_type})
            assert answer.status_code in {400, 415, 422}, (media_type, answer.text)
            assert "set-cookie" not in answer.headers
        answer = await ada.post("/v1/login", content=body)
        assert "set-cookie" not in answer.headers
