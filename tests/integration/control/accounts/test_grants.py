"""Nobody hands on what they do not have: no scope, no longer time, no place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.control.accounts.test_api_keys import bearer, make_key
from tests.integration.control.accounts.test_scoped_accounts import make_organizations
from tests.integration.control.players import assert_problem

SCOPES = ["accounts:read", "accounts:write", "stations:read"]


def in_days(days: int | None) -> str | None:
    return None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
async def ending(client: httpx.AsyncClient) -> dict[str, Any]:
    """A key that ends in a week."""
    return await make_key(client, name="ending", scopes=SCOPES, expires_at=in_days(7))


@pytest.mark.parametrize("days", [None, 8])
async def test_a_key_makes_none_that_ends_later(
    client: httpx.AsyncClient, ending: dict[str, Any], days: int | None
) -> None:
    body = {"name": "other", "scopes": ["stations:read"], "expires_at": in_days(days)}
    refused = await client.post("/v1/api-keys", json=body, headers=bearer(ending))
    assert (
        "'ending' is a key that ends at"
        in assert_problem(refused, 403, "missing-permission")["detail"]
    )
    soon = {**body, "expires_at": in_days(6)}
    made = await client.post("/v1/api-keys", json=soon, headers=bearer(ending))
    assert made.status_code == 201, made.text


@pytest.mark.parametrize("days", [None, 8])
async def test_a_key_puts_off_no_end_beyond_its_own(
    client: httpx.AsyncClient, ending: dict[str, Any], days: int | None
) -> None:
    other = await make_key(client, scopes=["stations:read"], expires_at=in_days(2))
    for each in (ending, other):
        url = f"/v1/api-keys/{each['api_key_id']}"
        refused = await client.patch(
            url, json={"expires_at": in_days(days)}, headers=bearer(ending)
        )
        assert_problem(refused, 403, "missing-permission")
    allowed = await client.patch(url, json={"expires_at": in_days(6)}, headers=bearer(ending))
    assert allowed.status_code == 200, allowed.text


async def test_a_key_adds_nothing_to_one_that_ends_later(
    client: httpx.AsyncClient, ending: dict[str, Any]
) -> None:
    lasting = await make_key(client, name="lasting", scopes=["stations:read"])
    url = f"/v1/api-keys/{lasting['api_key_id']}"
    more = {"scopes": ["stations:read", "accounts:read"]}
    refused = await client.patch(url, json=more, headers=bearer(ending))
    assert_problem(refused, 403, "missing-permission")
    for harmless in ({"name": "renamed"}, {"expires_at": in_days(90)}, more):
        changed = await client.patch(url, json=harmless, headers=bearer(ending))
        if harmless is more:  # it still ends later
            assert_problem(changed, 403, "missing-permission")
        else:
            assert changed.status_code == 200, changed.text


async def test_a_key_gives_itself_no_scope(
    client: httpx.AsyncClient, ending: dict[str, Any]
) -> None:
    url = f"/v1/api-keys/{ending['api_key_id']}"
    more = {"scopes": [*SCOPES, "stations:write"]}
    refused = await client.patch(url, json=more, headers=bearer(ending))
    assert "stations:write" in assert_problem(refused, 403, "missing-permission")["detail"]


async def test_who_moves_an_organization_has_what_those_above_it_get(
    client: httpx.AsyncClient,
) -> None:
    await make_organizations(client)
    narrow = bearer(await make_key(client, scopes=SCOPES))
    renamed = await client.patch("/v1/organizations/host", json={"name": "H"}, headers=narrow)
    assert renamed.status_code == 200, renamed.text
    move = {"parent_id": "south"}
    refused = await client.patch("/v1/organizations/host", json=move, headers=narrow)
    assert "stations:write" in assert_problem(refused, 403, "missing-permission")["detail"]
    moved = await client.patch("/v1/organizations/host", json=move)
    assert moved.status_code == 200, moved.text
