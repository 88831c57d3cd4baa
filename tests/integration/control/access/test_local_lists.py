"""Local authorization lists through the API: asked for, sent by command, seen."""

from datetime import UTC, datetime

import httpx
import pytest

from shared.domain.access.local_lists import (
    LocalListEntry,
    LocalListUpdated,
    LocalListUpdateStatus,
    LocalListVersionReported,
)
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.commands import LocalListUpdateType
from shared.domain.stations.configuration import ConfigurationKey, ConfigurationReported
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.players import PodPlayer, assert_problem, register

PATH = "/v1/stations/CS-1/local-list"


async def test_a_list_that_nobody_asked_for_is_not_kept(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    found = (await client.get(PATH)).json()
    assert (found["enabled"], found["state"], found["version"]) == (False, None, None)
    assert (await client.get(f"{PATH}/entries")).json()["items"] == []


async def test_what_a_list_is_to_hold_is_said_and_seen(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    wanted = {"enabled": True, "tokens": "groups", "group_id_tokens": ["FLEET-7"]}
    answer = await client.put(PATH, json=wanted)
    assert answer.status_code == 200
    assert answer.json().items() >= {**wanted, "state": "unverified", "entries": 0}.items()
    assert (await client.get(PATH)).json() == answer.json()
    off = await client.put(PATH, json={"enabled": False})
    assert (off.json()["enabled"], off.json()["tokens"]) == (False, "all")


async def test_the_state_says_why_nothing_is_sent(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    await db.execute("UPDATE stations SET ocpp_version = '1.6'")

    async def state(**wanted: object) -> tuple[str, int | None]:
        found = (await client.put(PATH, json=wanted)).json()
        assert (await client.get(PATH)).json() == found
        return found["state"], found["max_entries_per_message"]

    assert await state(enabled=True) == ("unverified", None)
    assert await state(enabled=False) == ("not_kept", None)

    async def told(enabled: str) -> None:
        keys = {"LocalAuthListEnabled": enabled, "SendLocalListMaxLength": "20"}
        report = ConfigurationReported(
            station_id="CS-1",
            keys=[ConfigurationKey(key, value, read_only=False) for key, value in keys.items()],
            unknown_keys=[],
            told_at=datetime.now(UTC),
        )
        await facts.write(db, [report])

    await told("false")
    assert await state(enabled=True) == ("switched_off", 20)
    assert await state(enabled=False) == ("not_kept", 20)
    await told("true")
    assert await state(enabled=True) == ("unverified", 20)
    await facts.write(db, [LocalListVersionReported("CS-1", -1)])
    assert (await client.get(PATH)).json()["state"] == "not_supported"


async def test_all_stations_of_a_location_are_told_at_once(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/locations", json={"location_id": "depot"})
    for station_id in ("CS-1", "CS-2", "CS-3"):
        await register(db, station_id)
    for station_id in ("CS-1", "CS-2"):
        await client.patch(f"/v1/stations/{station_id}", json={"location_id": "depot"})
    answer = await client.put("/v1/locations/depot/local-lists", json={"enabled": True})
    assert answer.json() == {"stations": 2}
    enabled = [
        (await client.get(f"/v1/stations/CS-{n}/local-list")).json()["enabled"] for n in (1, 2, 3)
    ]
    assert enabled == [True, True, False]
    nowhere = await client.put("/v1/locations/moon/local-lists", json={"enabled": True})
    assert_problem(nowhere, 404, "not-found")


async def test_what_the_station_holds_is_listed(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    entries = tuple(
        LocalListEntry(id_token=id_token, status=AuthorizationStatus.ACCEPTED)
        for id_token in ("b", "A", "c")
    )
    told = LocalListUpdated(
        station_id="CS-1",
        version=3,
        update_type=LocalListUpdateType.FULL,
        status=LocalListUpdateStatus.ACCEPTED,
        entries=entries,
    )
    await facts.write(db, [told])
    await facts.write(db, [told])  # a commit that was not heard of is done again
    await facts.write(db, [LocalListVersionReported("CS-1", 3)])
    found = (await client.get(PATH)).json()
    assert (found["version"], found["reported_version"], found["entries"]) == (3, 3, 3)
    assert found["verified_at"] is not None
    first = (await client.get(f"{PATH}/entries", params={"limit": 2})).json()
    rest = (await client.get(f"{PATH}/entries", params={"cursor": first["next_cursor"]})).json()
    assert [item["id_token"] for item in first["items"] + rest["items"]] == ["A", "b", "c"]


async def test_what_a_station_said_that_was_removed_meanwhile_is_dropped(db: Database) -> None:
    await facts.write(db, [LocalListVersionReported("GONE", 3)])
    gone = LocalListUpdated(
        station_id="GONE",
        version=3,
        update_type=LocalListUpdateType.FULL,
        status=LocalListUpdateStatus.ACCEPTED,
        entries=(LocalListEntry(id_token="A", status=AuthorizationStatus.ACCEPTED),),
    )
    await facts.write(db, [gone])
    assert await db.fetchval("SELECT count(*) FROM local_lists") == 0


async def test_a_list_is_sent_by_command(client: httpx.AsyncClient, pod: PodPlayer) -> None:
    await pod.hold("CS-1")
    body = {
        "type": "SendLocalList",
        "version": 2,
        "update_type": "Differential",
        "entries": [
            {"id_token": "A", "status": "Accepted", "expires_at": "2030-01-01T02:00:00+02:00"},
            {"id_token": "B"},
        ],
        "wait_s": 0,
    }
    answer = await client.post("/v1/stations/CS-1/commands", json=body)
    assert answer.status_code == 202
    assert answer.json()["params"] == {
        "version": 2,
        "update_type": "Differential",
        "entries": [
            {
                "id_token": "A",
                "type": "ISO14443",
                "status": "Accepted",
                "expires_at": "2030-01-01T00:00:00+00:00",
            },
            {"id_token": "B", "type": "ISO14443"},
        ],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 0},
        {"version": -1},
        {"update_type": "Partial"},
        {"entries": [{"id_token": "A", "status": "Accepted"}, {"id_token": "a"}]},
        {"update_type": "Full", "entries": [{"id_token": "A"}]},
    ],
)
async def test_a_list_that_cannot_be_is_refused(
    client: httpx.AsyncClient, wrong: dict[str, object]
) -> None:
    body = {"type": "SendLocalList", "version": 2, "update_type": "Differential", **wrong}
    response = await client.post("/v1/stations/CS-1/commands", json=body)
    assert_problem(response, 422, "invalid-input")


@pytest.mark.parametrize(
    "wrong",
    [{}, {"enabled": True, "group_id_tokens": ["A"]}, {"enabled": True, "tokens": "some"}],
)
async def test_a_wish_that_cannot_be_is_refused(
    client: httpx.AsyncClient, db: Database, wrong: dict[str, object]
) -> None:
    await register(db, "CS-1")
    assert_problem(await client.put(PATH, json=wrong), 422, "invalid-input")


async def test_a_station_that_is_not_there_is_a_404(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get(PATH), 404, "not-found")
    assert_problem(await client.get(f"{PATH}/entries"), 404, "not-found")
    assert_problem(await client.put(PATH, json={"enabled": True}), 404, "not-found")
