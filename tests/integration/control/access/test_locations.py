"""Locations through the API, and the word to the gateways that something changed."""

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.authorization import Change, ChangeListener, Kind
from shared.bus.client import open_redis
from shared.store.pool import Database
from shared.store.stations import wanted_settings
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import assert_problem, register, running
from tests.support.relay import relay

DEPOT = {"location_id": "depot", "name": "Depot", "allowed_group_id_tokens": ["FLEET-7"]}


async def test_a_location_is_registered_changed_and_removed(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/locations", json=DEPOT)
    assert created.status_code == 201
    assert created.json()["allowed_id_tokens"] == []
    assert_problem(await client.post("/v1/locations", json=DEPOT), 409, "conflict")
    changed = await client.patch(
        "/v1/locations/depot", json={"allowed_group_id_tokens": [], "allowed_id_tokens": ["ONE"]}
    )
    assert changed.json()["allowed_id_tokens"] == ["ONE"]
    assert changed.json()["allowed_group_id_tokens"] == []
    assert (await client.get("/v1/locations/depot")).json() == changed.json()
    assert [each["name"] for each in (await client.get("/v1/locations")).json()["items"]] == [
        "Depot"
    ]
    assert (await client.delete("/v1/locations/depot")).status_code == 204
    assert_problem(await client.get("/v1/locations/depot"), 404, "not-found")


async def test_a_station_stands_at_a_location_that_is_there(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await client.post("/v1/locations", json=DEPOT)
    moved = await client.patch("/v1/stations/CS-1", json={"location_id": "depot"})
    assert moved.json()["location_id"] == "depot"
    nowhere = await client.patch("/v1/stations/CS-1", json={"location_id": "moon"})
    assert "moon" in assert_problem(nowhere, 422, "invalid-input")["detail"]
    assert_problem(await client.delete("/v1/locations/depot"), 409, "conflict")
    await client.patch("/v1/stations/CS-1", json={"location_id": None})
    assert (await client.delete("/v1/locations/depot")).status_code == 204


async def test_a_location_is_free_for_all_until_it_is_not(client: httpx.AsyncClient) -> None:
    created = (await client.post("/v1/locations", json=DEPOT)).json()
    assert (created["authorization"], created["free_since"]) == ("required", None)
    url = "/v1/locations/depot"
    free = (await client.patch(url, json={"authorization": "free"})).json()
    assert free["authorization"] == "free"
    again = (await client.patch(url, json={"authorization": "free", "name": "Lake"})).json()
    assert (again["free_since"], again["name"]) == (free["free_since"], "Lake")
    required = (await client.patch(url, json={"authorization": "required"})).json()
    assert (required["authorization"], required["free_since"]) == ("required", free["free_since"])
    anew = (await client.patch(url, json={"authorization": "free"})).json()
    assert anew["authorization"] == "free"
    assert anew["free_since"] > free["free_since"]
    lake = {"location_id": "lake", "authorization": "free"}
    assert (await client.post("/v1/locations", json=lake)).json()["free_since"] is not None


async def test_what_a_station_is_to_be_set_to_is_shown_there(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await client.post("/v1/locations", json={**DEPOT, "authorization": "free"})
    await client.patch("/v1/stations/CS-1", json={"location_id": "depot"})
    await db.execute("UPDATE stations SET ocpp_version = '1.6'")
    url = "/v1/stations/CS-1/wanted-settings"
    assert (await client.get(url)).json() == {"items": []}
    assert await wanted_settings.synchronize(db) == 2
    assert await wanted_settings.synchronize(db) == 0
    shown = (await client.get(url)).json()["items"]
    assert [(each["name"], each["value"], each["state"]) for each in shown] == [
        ("AllowOfflineTxForUnknownId", "true", "unread"),
        ("LocalAuthorizeOffline", "true", "unread"),
    ]
    await client.patch("/v1/locations/depot", json={"authorization": "required"})
    assert await wanted_settings.synchronize(db) == 2
    assert {each["wanted"] for each in (await client.get(url)).json()["items"]} == {False}
    missing = await client.get("/v1/stations/CS-9/wanted-settings")
    assert_problem(missing, 404, "not-found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("location_id", "a/b"),
        ("location_id", ""),
        ("allowed_id_tokens", ["T"] * 1001),
        ("colour", "green"),
        ("authorization", "perhaps"),
    ],
)
async def test_what_a_location_cannot_have_is_refused_naming_the_field(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    response = await client.post("/v1/locations", json={**DEPOT, field: value})
    problem = assert_problem(response, 422, "invalid-input")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_gateways_are_told_of_every_change(
    client: httpx.AsyncClient, db: Database, make_settings: MakeSettings
) -> None:
    await register(db, "CS-1")
    await client.post("/v1/locations", json=DEPOT)
    redis: Redis
    async with (
        open_redis(make_settings()) as redis,
        ChangeListener(redis, timeout_s=5).subscribe() as changes,
    ):
        await client.post("/v1/id-tokens", json={"id_token": "Card"})
        await client.patch("/v1/id-tokens/CARD", json={"status": "Blocked"})
        await client.delete("/v1/id-tokens/card")
        await client.post("/v1/id-token-groups", json={"group_id_token": "Fleet"})
        await client.patch("/v1/id-token-groups/FLEET", json={"status": "Blocked"})
        await client.delete("/v1/id-token-groups/fleet")
        await client.patch("/v1/locations/depot", json={"allowed_id_tokens": ["ONE"]})
        await client.patch("/v1/stations/CS-1", json={"location_id": "depot"})
        await client.patch("/v1/stations/CS-1", json={"name": "this one is no such change"})
        await client.post("/v1/id-tokens", json={"id_token": "end"})
        heard = []
        async for change in changes:
            if change.key == "end":
                break
            heard.append(change)
    token, group = Change(Kind.ID_TOKEN, "card"), Change(Kind.GROUP, "fleet")
    assert heard == [token] * 3 + [group] * 3 + [Change(Kind.RULES)] * 2


async def test_while_redis_is_away_changes_are_kept_all_the_same(
    redis_url: str, make_settings: MakeSettings
) -> None:
    async with relay(redis_url) as wire, running(make_settings(redis_url=wire.url)) as api:
        await wire.cut()
        created = await api.client.post("/v1/id-tokens", json={"id_token": "CARD"})
        assert created.status_code == 201
        await wire.mend()
