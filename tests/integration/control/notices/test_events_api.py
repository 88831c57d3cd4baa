"""What happened, for whoever asks again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from shared.domain.notices.events import EventType
from shared.store.notices import events
from shared.store.pool import Database
from tests.integration.control.accounts.belongings import (
    HOST,
    OPERATOR,
    STRANGER,
    make_organizations,
)
from tests.integration.control.notices.conftest import happening, put, told
from tests.integration.control.players import assert_problem


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/v1/events", params=query)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


def ids(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["id"]) for item in items]


async def make_events(db: Database) -> None:
    """Three events at each of four stations."""
    for number in range(12):
        type_ = (EventType.STATION_ONLINE, EventType.STATION_OFFLINE)[number % 2]
        place = "L-1" if number < 6 else None
        await put(db, happening(f"CS-{number % 4}", type_, location_id=place, number=number))
    await told(db)


async def test_events_are_listed_the_oldest_first_and_go_on_behind_the_last(
    client: httpx.AsyncClient, db: Database
) -> None:
    assert await listed(client) == []
    assert await listed(client, after="0") == []
    await make_events(db)
    everything = await listed(client)
    assert ids(everything) == list(range(1, 13))
    first = everything[0]
    assert first.pop("occurred_at").endswith("Z")
    assert first == {
        "id": "1",
        "type": "station.online",
        "organization_id": "default",
        "location_id": "L-1",
        "station_id": "CS-0",
        "data": {"number": 0},
    }
    assert ids(await listed(client, after="9")) == [10, 11, 12]
    assert ids(await listed(client, after="12")) == []
    await put(db, happening("CS-9"))
    await told(db)
    assert ids(await listed(client, after="12")) == [13]


async def test_a_filter_lets_through_what_it_names(client: httpx.AsyncClient, db: Database) -> None:
    await make_events(db)
    assert ids(await listed(client, type="station.offline")) == [2, 4, 6, 8, 10, 12]
    assert ids(await listed(client, station_id=["CS-0", "CS-1"], after="4")) == [5, 6, 9, 10]
    assert ids(await listed(client, location_id="L-1", type="station.online")) == [1, 3, 5]
    assert ids(await listed(client, organization_id="default", limit=2)) == [1, 2]
    assert ids(await listed(client, organization_id="gone")) == []
    now = datetime.now(UTC)
    assert ids(await listed(client, since=(now + timedelta(hours=1)).isoformat())) == []
    assert len(await listed(client, since=(now - timedelta(hours=1)).isoformat())) == 12
    assert ids(await listed(client, until=(now - timedelta(hours=1)).isoformat())) == []
    assert_problem(await client.get("/v1/events?type=station.repainted"), 422, "invalid-input")


async def test_pages_go_both_ways(client: httpx.AsyncClient, db: Database) -> None:
    await make_events(db)
    for sort, wanted in (("id", range(1, 13)), ("-id", range(12, 0, -1))):
        found: list[int] = []
        query: dict[str, Any] = {"sort": sort, "limit": 5}
        while True:
            page = (await client.get("/v1/events", params=query)).json()
            found += ids(page["items"])
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert found == list(wanted)
    assert ids(await listed(client, sort="-id", after="9")) == [12, 11, 10]
    other = (await client.get("/v1/events", params={"limit": 1})).json()["next_cursor"]
    response = await client.get("/v1/events", params={"sort": "-id", "cursor": other})
    assert_problem(response, 422, "invalid-input")
    for odd in ("-1", "1.0", "x", "9" * 30):
        assert_problem(await client.get("/v1/events", params={"after": odd}), 422, "invalid-input")


async def test_one_event_is_returned_by_its_id(client: httpx.AsyncClient, db: Database) -> None:
    assert_problem(await client.get("/v1/events/1"), 404, "not-found")
    await make_events(db)
    event = (await client.get("/v1/events/3")).json()
    assert event == (await listed(client))[2]
    response = await client.get("/v1/events/13")
    assert_problem(response, 404, "not-found")
    assert response.json()["code"] == "event_not_found"
    assert_problem(await client.get("/v1/events/0"), 404, "not-found")


async def test_who_has_missed_something_is_told_so(client: httpx.AsyncClient, db: Database) -> None:
    await make_events(db)
    old = datetime.now(UTC).date() - timedelta(days=40)
    await db.execute("UPDATE events SET recorded_at = recorded_at - interval '40 days'")
    await db.execute("UPDATE event_days SET day = $1", old)
    await events.drop_days_before(db, old + timedelta(days=1))
    await put(db, happening("CS-9"))
    await told(db)
    response = await client.get("/v1/events", params={"after": "5"})
    assert_problem(response, 410, "events-gone")
    assert response.json()["code"] == "events_gone"
    assert "up to 12" in response.json()["detail"]
    assert ids(await listed(client, after="12")) == [13]
    assert ids(await listed(client, after="0")) == [13]
    assert ids(await listed(client)) == [13]


async def test_nobody_hears_of_another_organization(
    client: httpx.AsyncClient, db: Database
) -> None:
    keys = await make_organizations(client)
    await put(
        db,
        *(
            happening(f"CS-{each}", organization_id=each)
            for each in ("default", OPERATOR, HOST, STRANGER)
        ),
    )
    numbers = {event.organization_id: event.number for event in await told(db)}
    for organization_id, seen in (
        (OPERATOR, [OPERATOR, HOST]),
        (HOST, [HOST]),
        (STRANGER, [STRANGER]),
    ):
        headers = keys[organization_id]
        response = await client.get("/v1/events", headers=headers)
        assert [each["organization_id"] for each in response.json()["items"]] == seen
        for other, number in numbers.items():
            got = await client.get(f"/v1/events/{number}", headers=headers)
            assert got.status_code == (200 if other in seen else 404)
    assert len(await listed(client, station_id="CS-host")) == 1
