"""Users: invited, changed and removed, by who may do at least as much."""

import asyncio

import httpx

from shared.domain.accounts.permissions import Permission
from tests.integration.control.accounts.people import (
    PASSWORD,
    browser,
    invite,
    join,
    sign_in,
    try_to_sign_in,
)
from tests.integration.control.players import Api, assert_problem


async def key_of(client: httpx.AsyncClient, *scopes: Permission) -> dict[str, str]:
    body = {"name": "helper", "scopes": scopes}
    key = (await client.post("/v1/api-keys", json=body)).json()["key"]
    return {"Authorization": f"Bearer {key}"}


async def test_users_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    made = [(await invite(client, f"{name}@example.com"))["user_id"] for name in "abc"]
    page = (await client.get("/v1/users", params={"limit": 2})).json()
    assert [each["user_id"] for each in page["items"]] == made[:2]
    page = (await client.get("/v1/users", params={"cursor": page["next_cursor"]})).json()
    assert [each["user_id"] for each in page["items"]] == made[2:]


async def test_an_e_mail_address_is_of_one_user(client: httpx.AsyncClient) -> None:
    await invite(client)
    same = {"email": "ADA@Example.com", "name": "Ada", "role": "viewer"}
    assert_problem(await client.post("/v1/users", json=same), 409, "conflict")
    for email in ("ada", "a@b@c", "a b@example.com", "ada@example.com\nBcc: x@y", "<a@b.c>"):
        body = {"email": email, "name": "Ada", "role": "viewer"}
        assert_problem(await client.post("/v1/users", json=body), 422, "invalid-input")


async def test_nobody_invites_or_changes_who_may_do_more(client: httpx.AsyncClient) -> None:
    headers = await key_of(client, Permission.ACCOUNTS_WRITE, Permission.ACCOUNTS_READ)
    body = {"email": "a@example.com", "name": "a", "role": "admin"}
    refused = await client.post("/v1/users", json=body, headers=headers)
    problem = assert_problem(refused, 403, "missing-permission")
    assert "stations:write" in problem["detail"]

    admin = (await join(client))["user_id"]
    for method, path, how in (
        ("PATCH", "", {"json": {"disabled": True}}),
        ("DELETE", "", {}),
        ("POST", "/password-link", {}),
        ("DELETE", "/second-factor", {}),
        ("DELETE", "/sessions", {}),
    ):
        url = f"/v1/users/{admin}{path}"
        refused = await client.request(method, url, headers=headers, **how)
        assert_problem(refused, 403, "missing-permission")


async def test_an_organization_that_there_is_not_is_a_404(client: httpx.AsyncClient) -> None:
    body = {"email": "a@x.de", "name": "a", "role": "viewer", "organization_id": "nowhere"}
    assert_problem(await client.post("/v1/users", json=body), 404, "not-found")
    told = await invite(client)
    move = {"organization_id": "nowhere"}
    response = await client.patch(f"/v1/users/{told['user_id']}", json=move)
    assert_problem(response, 404, "not-found")


async def test_the_last_administrator_stays(client: httpx.AsyncClient) -> None:
    only = (await join(client))["user_id"]
    url = f"/v1/users/{only}"
    for change in ({"role": "viewer"}, {"disabled": True}):
        assert_problem(await client.patch(url, json=change), 409, "conflict")
    assert_problem(await client.delete(url), 409, "conflict")
    # Who has not taken the invitation up runs nothing yet.
    await invite(client, "bob@example.com")
    assert_problem(await client.delete(url), 409, "conflict")
    await join(client, "eve@example.com")
    assert (await client.delete(url)).status_code == 204
    assert_problem(await client.get(url), 404, "not-found")


async def test_of_two_who_remove_each_other_one_stays(client: httpx.AsyncClient) -> None:
    ids = [(await join(client, f"{name}@example.com"))["user_id"] for name in "ab"]
    answers = await asyncio.gather(*(client.delete(f"/v1/users/{each}") for each in ids))
    assert sorted(each.status_code for each in answers) == [204, 409]


async def test_a_link_works_once_and_only_the_right_one(api: Api) -> None:
    told = await join(api.client)
    url = f"/v1/users/{told['user_id']}/password-link"
    links = [(await api.client.post(url)).json() for _ in range(2)]
    async with browser(api) as ada:
        await sign_in(ada)
        body = {"token": links[0]["token"], "password": "staple battery horse correct"}
        wrong = {**body, "token": "x" * 43}
        assert_problem(
            await api.client.post("/v1/password-links/use", json=wrong), 404, "not-found"
        )
        answers = await asyncio.gather(
            *(api.client.post("/v1/password-links/use", json=body) for _ in range(3))
        )
        assert sorted(each.status_code for each in answers) == [204, 404, 404]
        # All that was before has ended: the session, the password, and the other link.
        assert_problem(await ada.get("/v1/me"), 401, "unauthorized")
        assert_problem(await try_to_sign_in(ada), 401, "wrong-credentials")
        other = {**body, "token": links[1]["token"]}
        assert_problem(
            await api.client.post("/v1/password-links/use", json=other), 404, "not-found"
        )
        await sign_in(ada, password=body["password"])


async def test_a_password_that_is_too_short_or_long_is_refused(api: Api) -> None:
    told = await invite(api.client)
    for password in ("short", "x" * 257):
        body = {"token": told["invitation"]["token"], "password": password}
        response = await api.client.post("/v1/password-links/use", json=body)
        assert_problem(response, 422, "invalid-input")
        assert password not in response.text


async def test_without_a_mail_server_nobody_is_promised_a_mail(api: Api) -> None:
    await join(api.client)
    async with browser(api) as nobody:
        answers = [
            await nobody.post("/v1/password-links", json={"email": email})
            for email in ("ada@example.com", "nobody@example.com")
        ]
    told = [assert_problem(each, 409, "no-mail")["detail"] for each in answers]
    assert told[0] == told[1]


async def test_who_was_invited_and_not_yet_joined_cannot_sign_in(api: Api) -> None:
    await invite(api.client)
    async with browser(api) as ada:
        for password in (PASSWORD, "", "!"):
            refused = await try_to_sign_in(ada, password=password)
            assert_problem(refused, 401, "wrong-credentials")
