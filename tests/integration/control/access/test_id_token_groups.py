"""Groups of id tokens through the API."""

import httpx
import pytest

from tests.integration.control.players import assert_problem

GROUP = {"group_id_token": "FLEET-7", "name": "Vans", "max_concurrent_sessions": 2}


async def test_rules_of_a_group_are_made_changed_and_removed(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/id-token-groups", json=GROUP)
    assert created.status_code == 201
    assert created.json()["status"] == "Accepted"
    location = created.headers["location"]
    blocked = await client.patch(location, json={"status": "Blocked"})
    assert (blocked.json()["status"], blocked.json()["max_concurrent_sessions"]) == ("Blocked", 2)
    unlimited = await client.patch(location, json={"max_concurrent_sessions": None})
    assert unlimited.json()["max_concurrent_sessions"] is None
    assert (await client.get("/v1/id-token-groups/fleet-7")).json() == unlimited.json()
    assert (await client.delete(location)).status_code == 204
    assert_problem(await client.get(location), 404, "not-found")


async def test_letter_case_does_not_make_another_group(client: httpx.AsyncClient) -> None:
    await client.post("/v1/id-token-groups", json=GROUP)
    again = await client.post("/v1/id-token-groups", json={"group_id_token": "fleet-7"})
    assert_problem(again, 409, "conflict")


async def test_groups_are_listed_in_order(client: httpx.AsyncClient) -> None:
    for name in ("b", "A", "c"):
        await client.post("/v1/id-token-groups", json={"group_id_token": name})
    first = (await client.get("/v1/id-token-groups", params={"limit": 2})).json()
    rest = (await client.get("/v1/id-token-groups", params={"cursor": first["next_cursor"]})).json()
    names = [item["group_id_token"] for item in first["items"] + rest["items"]]
    assert names == ["A", "b", "c"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("group_id_token", ""),
        ("status", "Expired"),
        ("status", "Invalid"),
        ("max_concurrent_sessions", 0),
        ("colour", "green"),
    ],
)
async def test_what_a_group_cannot_have_is_refused_naming_the_field(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    response = await client.post("/v1/id-token-groups", json={**GROUP, field: value})
    problem = assert_problem(response, 422, "invalid-input")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_token_can_have_a_limit(client: httpx.AsyncClient) -> None:
    token = {"id_token": "CARD", "max_concurrent_sessions": 1}
    created = await client.post("/v1/id-tokens", json=token)
    assert created.json()["max_concurrent_sessions"] == 1
    changed = await client.patch("/v1/id-tokens/CARD", json={"max_concurrent_sessions": None})
    assert changed.json()["max_concurrent_sessions"] is None
