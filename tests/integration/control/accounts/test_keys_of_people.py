"""What a key may do once whoever made it may do less, or is gone."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.control.accounts.people import browser, join, sign_in
from tests.integration.control.accounts.test_api_keys import bearer, make_key
from tests.integration.control.accounts.test_scoped_accounts import make_organizations
from tests.integration.control.players import Api, assert_problem

SCOPES = ["accounts:read", "accounts:write", "stations:read", "stations:write"]


@pytest.fixture
async def ada(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of an administrator, who is not the only one."""
    await join(api.client, "eve@example.com")
    await join(api.client)
    async with browser(api) as client:
        await sign_in(client)
        yield client


async def change(client: httpx.AsyncClient, name: str = "ada", **changes: Any) -> str:
    users = (await client.get("/v1/users")).json()["items"]
    (user_id,) = (each["user_id"] for each in users if each["name"] == name)
    answer = await client.patch(f"/v1/users/{user_id}", json=changes)
    assert answer.status_code == 200, answer.text
    return str(user_id)


async def may(client: httpx.AsyncClient, key: dict[str, Any]) -> list[str]:
    """Return what a key may do, as it is told itself and as it is listed."""
    told = (await client.get("/v1/me", headers=bearer(key))).json()["permissions"]
    shown = (await client.get(f"/v1/api-keys/{key['api_key_id']}")).json()
    assert shown["permissions"] == told
    assert shown["scopes"] == key["scopes"]
    return list(told)


async def test_a_key_loses_what_its_maker_loses(api: Api, ada: httpx.AsyncClient) -> None:
    key = await make_key(ada, scopes=SCOPES)
    assert await may(api.client, key) == SCOPES
    await change(api.client, role="viewer")
    assert await may(api.client, key) == ["stations:read"]
    again = {"email": "again@example.com", "name": "Ada", "role": "viewer"}
    refused = await api.client.post("/v1/users", json=again, headers=bearer(key))
    assert_problem(refused, 403, "missing-permission")
    await change(api.client, role="admin")
    assert await may(api.client, key) == SCOPES


async def test_while_its_maker_is_disabled_a_key_may_do_nothing(
    api: Api, ada: httpx.AsyncClient
) -> None:
    key = await make_key(ada, scopes=SCOPES)
    await change(api.client, disabled=True)
    assert await may(api.client, key) == []
    refused = await api.client.get("/v1/stations", headers=bearer(key))
    assert_problem(refused, 403, "missing-permission")
    await change(api.client, disabled=False)
    assert await may(api.client, key) == SCOPES


async def test_a_key_ends_where_its_maker_is_not_seen_any_more(
    api: Api, ada: httpx.AsyncClient
) -> None:
    await make_organizations(api.client)
    below = await make_key(ada, scopes=SCOPES, organization_id="host")
    elsewhere = await make_key(ada, scopes=SCOPES, organization_id="south")
    await change(api.client, organization_id="north")
    assert await may(api.client, below) == SCOPES
    assert await may(api.client, elsewhere) == []


async def test_a_key_goes_with_its_maker_and_that_is_told(api: Api, ada: httpx.AsyncClient) -> None:
    key = await make_key(ada, scopes=SCOPES)
    # Nor does it help to have had it make another one.
    made = await api.client.post(
        "/v1/api-keys", json={"name": "next", "scopes": ["stations:read"]}, headers=bearer(key)
    )
    lasting = await make_key(api.client, scopes=SCOPES)
    user_id = await change(api.client, disabled=False)
    listed = await api.client.get("/v1/api-keys", params={"created_by_user_id": user_id})
    ids = [each["api_key_id"] for each in listed.json()["items"]]
    assert ids == [key["api_key_id"], made.json()["api_key_id"]]

    assert (await api.client.delete(f"/v1/users/{user_id}")).status_code == 204
    for each in (key, made.json()):
        answer = await api.client.get("/v1/stations", headers=bearer(each))
        assert_problem(answer, 401, "unauthorized")
    assert await may(api.client, lasting) == SCOPES
    told = await api.client.get("/v1/audit-log", params={"resource": "api-keys"})
    deleted = [each for each in told.json()["items"] if each["action"] == "deleted"]
    assert sorted(each["resource_id"] for each in deleted) == sorted(ids)


async def test_who_stands_below_sees_what_a_key_of_those_above_may_do(
    api: Api, ada: httpx.AsyncClient
) -> None:
    await make_organizations(api.client)
    key = await make_key(ada, scopes=SCOPES, organization_id="north")
    await join(api.client, "bob@example.com", organization_id="north")
    async with browser(api) as bob:
        await sign_in(bob, "bob@example.com")
        shown = (await bob.get(f"/v1/api-keys/{key['api_key_id']}")).json()
        assert shown["permissions"] == SCOPES
        await change(api.client, role="viewer")
        shown = (await bob.get(f"/v1/api-keys/{key['api_key_id']}")).json()
        assert shown["permissions"] == ["stations:read"]
