"""API keys of the database: made, used, changed, revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from structlog.testing import capture_logs

from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.eventually import eventually
from tests.support.relay import relay


async def make_key(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    body = {"name": "portal", "scopes": ["stations:read", "accounts:read"], **changes}
    response = await client.post("/v1/api-keys", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def test_a_key_is_shown_once_and_opens_the_api(api: Api, db: Database) -> None:
    made = await make_key(api.client)
    assert made["key"].startswith(made["prefix"])
    assert made["organization_id"] == "default"
    assert made["created_by"] == "api"

    assert (await api.client.get("/v1/stations", headers=bearer(made))).status_code == 200
    shown = (await api.client.get(f"/v1/api-keys/{made['api_key_id']}")).json()
    assert shown == {name: value for name, value in made.items() if name != "key"}
    (stored,) = await db.fetch("SELECT * FROM api_keys")
    secret = made["key"].removeprefix(made["prefix"])
    assert secret not in repr(dict(stored))


async def test_a_revoked_key_is_refused_at_once(api: Api) -> None:
    made = await make_key(api.client)
    assert (await api.client.get("/v1/stations", headers=bearer(made))).status_code == 200
    url = f"/v1/api-keys/{made['api_key_id']}"
    assert (await api.client.delete(url)).status_code == 204

    assert_problem(await api.client.get("/v1/stations", headers=bearer(made)), 401, "unauthorized")
    assert_problem(await api.client.get(url), 404, "not-found")
    assert_problem(await api.client.delete(url), 404, "not-found")


async def test_a_key_revoked_elsewhere_is_refused_within_seconds(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(credentials_memory_s=0.2)
    async with running(settings) as here, running(settings) as there:
        made = await make_key(here.client)

        async def ask() -> int:
            return (await there.client.get("/v1/stations", headers=bearer(made))).status_code

        assert await ask() == 200
        await here.client.delete(f"/v1/api-keys/{made['api_key_id']}")
        await eventually(ask, lambda status: status == 401, timeout_s=3)


async def test_an_expired_key_is_refused_without_being_looked_up_again(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings(credentials_memory_s=60)) as api:
        soon = datetime.now(UTC) + timedelta(seconds=0.7)
        made = await make_key(api.client, expires_at=soon.isoformat())

        async def ask() -> int:
            return (await api.client.get("/v1/stations", headers=bearer(made))).status_code

        assert await ask() == 200
        await eventually(ask, lambda status: status == 401)
    assert datetime.now(UTC) >= soon


async def test_a_key_that_would_never_count_is_not_made(client: httpx.AsyncClient) -> None:
    past = {"name": "a", "scopes": ["stations:read"], "expires_at": "2020-01-01T00:00:00Z"}
    problem = assert_problem(await client.post("/v1/api-keys", json=past), 422, "invalid-input")
    assert problem["errors"][0]["field"] == "expires_at"
    none = {"name": "a", "scopes": []}
    assert_problem(await client.post("/v1/api-keys", json=none), 422, "invalid-input")
    stray = {"name": "a", "scopes": ["stations:read"], "organization_id": "nowhere"}
    assert_problem(await client.post("/v1/api-keys", json=stray), 404, "not-found")


async def test_nobody_grants_more_than_they_have(client: httpx.AsyncClient) -> None:
    maker = await make_key(client, scopes=["accounts:write", "accounts:read", "stations:read"])
    more = {"name": "more", "scopes": ["stations:write"]}
    refused = await client.post("/v1/api-keys", json=more, headers=bearer(maker))
    problem = assert_problem(refused, 403, "missing-permission")
    assert "stations:write" in problem["detail"]
    same = {"name": "same", "scopes": ["stations:read"]}
    made = await client.post("/v1/api-keys", json=same, headers=bearer(maker))
    assert made.status_code == 201
    assert made.json()["created_by"] == "portal"

    stronger = await make_key(client, scopes=["stations:write"])
    url = f"/v1/api-keys/{stronger['api_key_id']}"
    longer = await client.patch(url, json={"expires_at": None}, headers=bearer(maker))
    assert_problem(longer, 403, "missing-permission")
    own = f"/v1/api-keys/{maker['api_key_id']}"
    raised = await client.patch(own, json={"scopes": ["trust:write"]}, headers=bearer(maker))
    assert_problem(raised, 403, "missing-permission")


async def test_a_key_is_changed(client: httpx.AsyncClient) -> None:
    made = await make_key(client)
    url = f"/v1/api-keys/{made['api_key_id']}"
    changed = (await client.patch(url, json={"name": "shop"})).json()
    assert (changed["name"], changed["scopes"]) == ("shop", made["scopes"])
    changed = (await client.patch(url, json={"scopes": ["sessions:read"]})).json()
    assert changed["scopes"] == ["sessions:read"]
    assert (await client.patch(url, json={})).json() == changed


async def test_keys_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    made = [(await make_key(client, name=f"key {n}"))["api_key_id"] for n in range(3)]
    page = (await client.get("/v1/api-keys", params={"limit": 2})).json()
    assert [key["api_key_id"] for key in page["items"]] == made[:2]
    assert all("key" not in key for key in page["items"])
    rest = {"limit": 2, "cursor": page["next_cursor"]}
    page = (await client.get("/v1/api-keys", params=rest)).json()
    assert [key["api_key_id"] for key in page["items"]] == made[2:]
    assert page["next_cursor"] is None


async def test_the_last_use_is_written_and_not_by_the_request(
    make_settings: MakeSettings, db: Database
) -> None:
    async with running(make_settings(last_used_interval_s=3000)) as api:
        made = await make_key(api.client)
        assert (await api.client.get("/v1/stations", headers=bearer(made))).status_code == 200
        assert await db.fetchval("SELECT last_used_at FROM api_keys") is None
    # What is left is written as the process ends.
    assert await db.fetchval("SELECT last_used_at FROM api_keys") is not None


async def test_while_postgres_is_away_only_root_keys_are_answered(
    make_settings: MakeSettings, database_url: str
) -> None:
    async with relay(database_url) as wire:
        settings = make_settings(database_url=wire.url, credentials_memory_s=0.1)
        async with running(settings) as api:
            made = await make_key(api.client)
            await wire.cut()
            with capture_logs():
                away = await api.client.get("/v1/nothing-here", headers=bearer(made))
            problem = assert_problem(away, 503, "unavailable")
            assert "API key" in problem["detail"]
            assert away.headers["retry-after"]
            assert_problem(await api.client.get("/v1/nothing-here"), 404, "not-found")
