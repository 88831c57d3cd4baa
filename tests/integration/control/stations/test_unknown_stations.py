"""The inbox of unknown stations, and quirks, through the API."""

from datetime import UTC, datetime

import httpx
import pytest
from argon2 import PasswordHasher

from shared.domain.stations.quirks import QuirkKind, QuirkSighting
from shared.domain.stations.stations import UnknownStation
from shared.store import quirk_sightings
from shared.store.pool import Database
from shared.store.stations import stations, unknown_stations
from tests.integration.control.players import assert_problem

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def knock(db: Database, *station_ids: str, keep: int = 100) -> None:
    await unknown_stations.add(
        db,
        [
            UnknownStation(
                station_id=station_id,
                address="203.0.113.7",
                user_agent=None,
                subprotocols=("ocpp1.6",),
                first_seen_at=NOON,
                last_seen_at=NOON,
                attempts=1,
            )
            for station_id in station_ids
        ],
        keep=keep,
    )


async def ids(client: httpx.AsyncClient) -> list[str]:
    items = (await client.get("/v1/unknown-stations")).json()["items"]
    return [item["station_id"] for item in items]


async def test_who_came_is_listed_page_by_page(client: httpx.AsyncClient, db: Database) -> None:
    await knock(db, "CS-2", "CS-1", "CS-3")
    await knock(db, "CS-1")
    page = (await client.get("/v1/unknown-stations", params={"limit": 2})).json()
    assert page["items"][0] == {
        "station_id": "CS-1",
        "address": "203.0.113.7",
        "user_agent": None,
        "subprotocols": ["ocpp1.6"],
        "first_seen_at": "2026-01-02T12:00:00Z",
        "last_seen_at": "2026-01-02T12:00:00Z",
        "attempts": 2,
    }
    rest = await client.get("/v1/unknown-stations", params={"cursor": page["next_cursor"]})
    assert [item["station_id"] for item in rest.json()["items"]] == ["CS-3"]
    one = (await client.get("/v1/unknown-stations/CS-1")).json()
    assert one == page["items"][0]


async def test_ids_that_were_made_up_twice_do_not_keep_out_who_comes_next(
    client: httpx.AsyncClient, db: Database
) -> None:
    made_up = [f"SCAN-{n}" for n in range(10)]
    for _ in range(2):
        await knock(db, *made_up, keep=10)
    await knock(db, "CS-REAL", keep=10)
    assert await ids(client) == ["CS-REAL", *made_up[:9]]


async def test_one_is_accepted_and_its_password_told_once(
    client: httpx.AsyncClient, db: Database
) -> None:
    await knock(db, "CS-1")
    accepted = await client.post("/v1/unknown-stations/CS-1/accept", json={"name": "North"})
    assert accepted.status_code == 201
    assert accepted.headers["location"] == "/v1/stations/CS-1"
    assert accepted.headers["cache-control"] == "no-store"
    answer = accepted.json()
    assert (answer["name"], answer["registration_status"]) == ("North", "Accepted")
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert PasswordHasher().verify(credentials.password_hash, answer["password"])
    assert await ids(client) == []
    again = await client.post("/v1/unknown-stations/CS-1/accept", json={})
    assert_problem(again, 404, "not-found")


async def test_one_is_accepted_without_a_password_or_to_be_set_up_first(
    client: httpx.AsyncClient, db: Database
) -> None:
    await knock(db, "CS-1")
    terms = {"security_profile": 0, "registration_status": "Pending"}
    answer = (await client.post("/v1/unknown-stations/CS-1/accept", json=terms)).json()
    assert (answer["password"], answer["security_profile"]) == (None, 0)
    assert answer["registration_status"] == "Pending"


async def test_who_was_registered_meanwhile_is_not_listed(
    client: httpx.AsyncClient, db: Database
) -> None:
    await knock(db, "CS-1")
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    assert await ids(client) == []
    await knock(db, "CS-1")  # a pod that had not heard of it yet
    assert await db.fetchval("SELECT attempts FROM unknown_stations") == 1


async def test_one_is_forgotten(client: httpx.AsyncClient, db: Database) -> None:
    await knock(db, "CS-1")
    assert (await client.delete("/v1/unknown-stations/CS-1")).status_code == 204
    assert await ids(client) == []
    assert_problem(await client.delete("/v1/unknown-stations/CS-1"), 404, "not-found")


async def see(
    db: Database,
    kind: QuirkKind,
    *,
    station_id: str = "CS-1",
    action: str = "Heartbeat",
    count: int = 1,
) -> None:
    sighting = QuirkSighting(
        station_id=station_id,
        ocpp_version="1.6",
        action=action,
        kind=kind,
        member="",
        example="x",
        count=count,
        first_seen_at=NOON,
        last_seen_at=NOON,
    )
    await quirk_sightings.add(db, [sighting], max_per_station=500)


@pytest.fixture
async def firmware(client: httpx.AsyncClient, db: Database) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    await db.execute("UPDATE stations SET vendor = 'V', model = 'M', firmware_version = '1.0'")


@pytest.mark.usefixtures("firmware")
async def test_quirks_are_listed_by_what_they_are_of(
    client: httpx.AsyncClient, db: Database
) -> None:
    await see(db, QuirkKind.ADDITIONAL_MEMBER, count=2)
    await see(db, QuirkKind.ADDITIONAL_MEMBER, count=3)
    await see(db, QuirkKind.WRONG_CASE, action="MeterValues")
    first = (await client.get("/v1/quirks", params={"limit": 1})).json()
    (quirk,) = first["items"]
    assert (quirk["vendor"], quirk["model"], quirk["firmware_version"]) == ("V", "M", "1.0")
    assert (quirk["kind"], quirk["count"]) == ("additional_member", 5)
    rest = (await client.get("/v1/quirks", params={"cursor": first["next_cursor"]})).json()
    assert [item["kind"] for item in rest["items"]] == ["wrong_case"]
    for params, count in (
        ({"vendor": "V", "model": "M"}, 2),
        ({"vendor": "V", "model": "N"}, 0),
        ({"kind": "wrong_case"}, 1),
        ({"firmware_version": "1.0"}, 2),
    ):
        items = (await client.get("/v1/quirks", params=params)).json()["items"]
        assert len(items) == count


async def test_quirks_are_listed_by_a_station_of_their_firmware(
    client: httpx.AsyncClient, db: Database
) -> None:
    words = {"CS-1": "1.0", "CS-2": "1.0", "CS-3": "2.0", "CS-4": None, "CS-5": "V" * 200}
    for station_id, firmware_version in words.items():
        await client.post("/v1/stations", json={"station_id": station_id})
        await db.execute(
            "UPDATE stations SET vendor = 'V', firmware_version = $2 WHERE station_id = $1",
            station_id,
            firmware_version,
        )
    kinds = {
        "CS-1": QuirkKind.WRONG_CASE,
        "CS-3": QuirkKind.PADDED,
        "CS-4": QuirkKind.TOO_FEW,
        "CS-5": QuirkKind.TOO_LONG,
    }
    for station_id, kind in kinds.items():
        await see(db, kind, station_id=station_id)
    for station_id, kind in {**kinds, "CS-2": QuirkKind.WRONG_CASE}.items():
        answer = await client.get("/v1/quirks", params={"station_id": station_id})
        assert [quirk["kind"] for quirk in answer.json()["items"]] == [kind]
    params = {"station_id": "CS-1", "kind": "padded"}
    assert (await client.get("/v1/quirks", params=params)).json()["items"] == []
    assert (await client.get("/v1/quirks", params={"station_id": "CS-9"})).json()["items"] == []


@pytest.mark.usefixtures("firmware")
async def test_a_quirk_is_forgotten(client: httpx.AsyncClient, db: Database) -> None:
    await see(db, QuirkKind.WRONG_CASE)
    (quirk,) = (await client.get("/v1/quirks")).json()["items"]
    url = f"/v1/quirks/{quirk['quirk_id']}"
    assert (await client.delete(url)).status_code == 204
    assert_problem(await client.delete(url), 404, "not-found")


@pytest.mark.parametrize("params", [{"vendor": "\0"}, {"kind": "unheard_of"}, {"cursor": "x"}])
async def test_what_no_quirk_can_be_asked_by_is_refused(
    client: httpx.AsyncClient, params: dict[str, str]
) -> None:
    assert_problem(await client.get("/v1/quirks", params=params), 422, "invalid-input")
