"""Users and keys of one organization: who sees, changes and makes them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.control.accounts.people import PASSWORD, browser, invite, join, sign_in
from tests.integration.control.players import Api, assert_problem


async def make_organizations(client: httpx.AsyncClient) -> None:
    """Make an operator, a site host below it, and another operator."""
    for organization_id, parent_id in (("north", None), ("host", "north"), ("south", None)):
        body = {"organization_id": organization_id, "name": organization_id}
        if parent_id is not None:
            body["parent_id"] = parent_id
        response = await client.post("/v1/organizations", json=body)
        assert response.status_code == 201, response.text


@pytest.fixture
async def ada(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of the operator's administrator."""
    await make_organizations(api.client)
    await join(api.client, organization_id="north")
    async with browser(api) as client:
        await sign_in(client)
        yield client


async def test_an_administrator_sees_the_users_of_theirs_and_below(
    api: Api, ada: httpx.AsyncClient
) -> None:
    below = await invite(api.client, "host@example.com", organization_id="host")
    others = [
        await invite(api.client, "root@example.com"),
        await invite(api.client, "south@example.com", organization_id="south"),
    ]
    listed = (await ada.get("/v1/users")).json()["items"]
    assert [each["email"] for each in listed] == ["ada@example.com", "host@example.com"]
    assert (await ada.get(f"/v1/users/{below['user_id']}")).status_code == 200
    for other in others:
        url = f"/v1/users/{other['user_id']}"
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/password-link"),
            ("DELETE", "/second-factor"),
            ("DELETE", "/sessions"),
        ):
            assert_problem(await ada.request(method, f"{url}{path}"), 404, "not-found")
        assert_problem(await ada.patch(url, json={"disabled": True}), 404, "not-found")


async def test_an_administrator_invites_where_they_see_and_nowhere_else(
    ada: httpx.AsyncClient,
) -> None:
    own = await invite(ada, "own@example.com", role="field_technician")
    assert own["organization_id"] == "north"
    below = await invite(ada, "below@example.com", organization_id="host")
    for organization_id in ("default", "south", "nowhere"):
        body = {
            "email": "a@example.com",
            "name": "a",
            "role": "viewer",
            "organization_id": organization_id,
        }
        assert_problem(await ada.post("/v1/users", json=body), 404, "not-found")
        move = {"organization_id": organization_id}
        response = await ada.patch(f"/v1/users/{below['user_id']}", json=move)
        assert_problem(response, 404, "not-found")
    moved = await ada.patch(f"/v1/users/{below['user_id']}", json={"organization_id": "north"})
    assert moved.json()["organization_id"] == "north"
    # The last administrator of an operator may go: whoever runs the installation invites another.
    assert (await ada.delete(f"/v1/users/{below['user_id']}")).status_code == 204


async def test_a_key_is_of_one_organization(api: Api, ada: httpx.AsyncClient) -> None:
    body = {"name": "portal", "scopes": ["accounts:read", "accounts:write", "stations:read"]}
    made = (await ada.post("/v1/api-keys", json=body)).json()
    assert made["organization_id"] == "north"
    root = (await api.client.post("/v1/api-keys", json=body)).json()
    assert_problem(await ada.get(f"/v1/api-keys/{root['api_key_id']}"), 404, "not-found")
    assert_problem(await ada.delete(f"/v1/api-keys/{root['api_key_id']}"), 404, "not-found")
    for organization_id in ("default", "south"):
        elsewhere = {**body, "organization_id": organization_id}
        assert_problem(await ada.post("/v1/api-keys", json=elsewhere), 404, "not-found")

    async with browser(api) as program:
        program.headers["Authorization"] = f"Bearer {made['key']}"
        listed = (await program.get("/v1/api-keys")).json()["items"]
        assert [each["api_key_id"] for each in listed] == [made["api_key_id"]]
        assert (await program.get("/v1/me")).json()["organization_id"] == "north"


async def test_what_is_ones_own_is_changed_wherever_one_belongs(
    api: Api, ada: httpx.AsyncClient
) -> None:
    assert len((await ada.get("/v1/me/sessions")).json()["items"]) == 1
    new = {"password": PASSWORD, "new_password": "staple battery horse correct"}
    changed = await ada.post("/v1/me/password", json=new)
    assert changed.status_code == 200, changed.text
    ada.headers["X-CSRF-Token"] = changed.json()["csrf_token"]
    assert (await ada.post("/v1/logout")).status_code == 204
    async with browser(api) as again:
        await sign_in(again, password=new["new_password"])


async def test_a_technician_sees_what_places_are_called_and_not_who_may_charge_there(
    api: Api,
) -> None:
    place = {"location_id": "depot", "name": "Depot North", "allowed_id_tokens": ["04A2B3C4"]}
    assert (await api.client.post("/v1/locations", json=place)).status_code == 201
    await join(api.client, role="field_technician")
    async with browser(api) as technician:
        await sign_in(technician)
        answer = await technician.get("/v1/location-names")
        (named,) = answer.json()["items"]
        assert named == {
            "location_id": "depot",
            "organization_id": "default",
            "name": "Depot North",
        }
        assert (await technician.get("/v1/locations/depot")).status_code == 403
        made = await technician.post("/v1/stations", json={"station_id": "CS-1"})
        assert made.status_code == 201
        put = await technician.patch(
            "/v1/stations/CS-1", json={"location_id": named["location_id"]}
        )
        assert put.json()["location_id"] == "depot"
