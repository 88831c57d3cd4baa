"""The audit log through the API."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.domain.accounts.audit_log import Action
from shared.domain.accounts.principals import ROOT
from shared.store.accounts import audit_log
from shared.store.pool import Database
from tests.integration.control.accounts.people import (
    PASSWORD,
    browser,
    join,
    sign_in,
    try_to_sign_in,
)
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, register, running

LOG = "/v1/audit-log"


async def log(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get(LOG, params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_each_change_is_told_with_who_made_it_and_in_which_request(
    client: httpx.AsyncClient,
) -> None:
    made = await client.post(
        "/v1/locations",
        json={"location_id": "depot", "name": "Depot"},
        headers={"X-Request-ID": "from-a-test-1"},
    )
    assert made.status_code == 201
    assert made.headers["x-request-id"] == "from-a-test-1"
    changed = await client.patch("/v1/locations/depot", json={"name": "North"})
    deleted = await client.delete("/v1/locations/depot")

    newest_first = await log(client)
    assert [each["action"] for each in newest_first] == ["deleted", "changed", "created"]
    assert [each["request_id"] for each in newest_first] == [
        deleted.headers["x-request-id"],
        changed.headers["x-request-id"],
        "from-a-test-1",
    ]
    change = newest_first[1]
    assert (change["before"], change["after"]) == ({"name": "Depot"}, {"name": "North"})
    assert (change["resource"], change["resource_id"]) == ("locations", "depot")
    assert change["principal"] == {
        "kind": "root_key",
        "id": "root",
        "name": "api",
        "organization_id": "default",
    }
    assert change["address"] == "127.0.0.1"
    assert (await client.get(f"{LOG}/{change['entry_id']}")).json() == change


async def test_a_password_is_masked_from_the_request_to_the_log(
    client: httpx.AsyncClient, db: Database
) -> None:
    password = "0123456789abcdef0123456789abcdef"
    made = await client.post("/v1/stations", json={"station_id": "CS-1", "password": password})
    assert made.status_code == 201, made.text
    made = await client.post("/v1/api-keys", json={"name": "n", "scopes": ["stations:read"]})
    key = made.json()["key"]

    everything = (await client.get(LOG)).text
    assert '"key_hash":"(redacted)"' in everything
    assert '"password_hash":"(redacted)"' in everything
    for secret in (
        password,
        key,
        "$argon2",
        await db.fetchval("SELECT key_hash::text FROM api_keys"),
    ):
        assert secret not in everything


async def test_what_is_refused_or_read_leaves_nothing(client: httpx.AsyncClient) -> None:
    await client.get("/v1/stations")
    await client.post("/v1/locations", json={"name": 7})
    await client.patch("/v1/locations/nowhere", json={"name": "North"})
    await client.delete("/v1/locations/nowhere")
    assert await log(client) == []


async def test_it_is_filtered_and_paged(client: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await client.post("/v1/locations", json={"location_id": name})
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    made = await client.patch("/v1/locations/b", json={"name": "B"})

    everything = await log(client)
    assert len(everything) == 5
    for params, expected in (
        ({"resource": "locations"}, 4),
        ({"resource": "locations", "resource_id": "b"}, 2),
        ({"action": "changed"}, 1),
        ({"request_id": made.headers["x-request-id"]}, 1),
        ({"principal_id": "root"}, 5),
        ({"principal_id": "somebody"}, 0),
        ({"since": everything[1]["occurred_at"]}, 2),
        ({"until": everything[1]["occurred_at"]}, 3),
    ):
        assert len(await log(client, **params)) == expected, params
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(LOG, params={"limit": 2, **cursor})).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == everything


async def test_an_entry_that_is_not_there(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get(f"{LOG}/{uuid4()}"), 404, "not-found")
    assert_problem(await client.get(LOG, params={"cursor": "x"}), 422, "invalid-input")


async def test_a_batch_of_commands_is_one_entry(client: httpx.AsyncClient, db: Database) -> None:
    for number in range(5):
        await register(db, f"CS-{number}")
    made = await client.post(
        "/v1/command-batches",
        json={"command": {"type": "ClearCache"}, "station_ids": [f"CS-{n}" for n in range(5)]},
    )
    assert made.status_code in {201, 202}, made.text
    (entry,) = await log(client)
    assert (entry["resource"], entry["action"]) == ("command-batches", "asked")
    assert entry["after"]["total"] == 5


async def test_the_permission_is_that_of_accounts(client: httpx.AsyncClient) -> None:
    for scopes, status in ((["accounts:read"], 200), (["stations:read"], 403)):
        made = await client.post("/v1/api-keys", json={"name": "n", "scopes": scopes})
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get(LOG, headers=headers)).status_code == status


async def test_an_organization_sees_what_was_done_to_its_own_and_below(
    make_settings: MakeSettings, db: Database
) -> None:
    await db.execute(
        "INSERT INTO organizations (organization_id, parent_id, name) VALUES"
        " ('north', 'default', 'North'), ('host', 'north', 'Host'), ('south', 'default', 'South')"
    )
    async with running(make_settings()) as api:
        seen = {}
        for organization in ("north", "south", "default"):
            made = await api.client.post(
                "/v1/api-keys",
                json={
                    "name": organization,
                    "organization_id": organization,
                    "scopes": ["accounts:read", "access:write"],
                },
            )
            assert made.status_code == 201, made.text
            seen[organization] = {"Authorization": f"Bearer {made.json()['key']}"}
        for organization, headers in seen.items():
            made = await api.client.post(
                "/v1/locations", json={"location_id": f"of-{organization}"}, headers=headers
            )
            assert made.status_code == 201, made.text
        await audit_log.record(
            db,
            principal=ROOT,
            action=Action.SIGNED_IN,
            resource="users",
            resource_id="u-1",
            organization_id="host",
            request_id=None,
            address=None,
        )
        assert [
            (each["resource"], each["resource_id"])
            for each in await log(api.client, principal_id="root")
            if each["resource"] == "users"
        ] == [("users", "u-1")]

        async def locations(organization: str) -> set[str]:
            answer = await api.client.get(LOG, headers=seen[organization])
            return {each["organization_id"] for each in answer.json()["items"]}

        assert await locations("north") == {"north", "host"}
        assert await locations("south") == {"south"}
        assert await locations("default") == {"default", "north", "south", "host"}
        entry = (await log(api.client, resource_id="of-north"))[0]
        assert entry["principal"]["name"] == "north"
        hidden = await api.client.get(f"{LOG}/{entry['entry_id']}", headers=seen["south"])
        assert_problem(hidden, 404, "not-found")


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "a\u00e9".encode().decode("latin1")])
async def test_a_request_id_that_could_do_harm_is_replaced(
    client: httpx.AsyncClient, given: str
) -> None:
    answer = await client.get(
        "/v1/stations/none",
        headers={b"X-Request-ID": given.encode("latin1")},  # type: ignore[arg-type]
    )
    told = answer.headers["x-request-id"]
    assert len(told) == 36
    assert assert_problem(answer, 404, "not-found")["request_id"] == told


async def test_answers_to_nobody_tell_their_request_id_too(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer wrong", "X-Request-ID": "mine-1"}
    answer = await client.get("/v1/stations", headers=headers)
    assert assert_problem(answer, 401, "unauthorized")["request_id"] == "mine-1"
    assert answer.headers["x-request-id"] == "mine-1"


async def test_who_signs_in_and_out_and_sets_a_password_by_a_link_is_told(api: Api) -> None:
    async with browser(api) as ada:
        invited = await join(api.client)
        await sign_in(ada)
        assert (await try_to_sign_in(ada, password="not it")).status_code != 200
        assert (await ada.post("/v1/logout")).status_code == 204
    mine = await log(api.client, principal_id=invited["user_id"])
    assert [each["action"] for each in mine] == ["signed_out", "signed_in", "changed"]
    for each in mine:
        assert (each["resource"], each["resource_id"]) == ("users", invited["user_id"])
        assert each["principal"]["kind"] == "user"
        assert each["request_id"]
    everything = (await api.client.get(LOG)).text
    for secret in (PASSWORD, invited["invitation"]["token"], "$argon2"):
        assert secret not in everything


async def test_what_a_user_changes_of_themselves_is_told(api: Api) -> None:
    async with browser(api) as ada:
        invited = await join(api.client)
        await sign_in(ada)
        changed = await ada.post(
            "/v1/me/password", json={"password": PASSWORD, "new_password": "another long password"}
        )
        assert changed.status_code == 200, changed.text
    entries = await log(api.client, principal_id=invited["user_id"], resource="users")
    assert entries[0]["after"] == {"password_hash": "(redacted)"}
    assert entries[0]["request_id"] == changed.headers["x-request-id"]
