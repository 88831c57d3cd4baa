"""Organizations over HTTP, and what belongs to them."""

from typing import Any

import httpx
import pytest

from shared.store.pool import Database
from tests.integration.control.accounts.belongings import (
    HOST,
    OPERATOR,
    STRANGER,
    Keys,
    make_organizations,
)


@pytest.fixture
async def keys(client: httpx.AsyncClient) -> Keys:
    return {**await make_organizations(client), "default": {}}


class As:
    """Asks as an organization, and expects a status."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def __call__(self, status: int, method: str, path: str, body: Any = None) -> Any:
        answer = await self._client.request(method, path, json=body, headers=self._headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def operator(client: httpx.AsyncClient, keys: Keys) -> As:
    return As(client, keys[OPERATOR])


@pytest.fixture
def host(client: httpx.AsyncClient, keys: Keys) -> As:
    return As(client, keys[HOST])


@pytest.fixture
def stranger(client: httpx.AsyncClient, keys: Keys) -> As:
    return As(client, keys[STRANGER])


@pytest.fixture
def root(client: httpx.AsyncClient, keys: Keys) -> As:
    return As(client, keys["default"])


def ids(page: dict[str, Any], name: str = "organization_id") -> list[str]:
    return [item[name] for item in page["items"]]


async def test_each_sees_itself_and_those_below(root: As, operator: As, stranger: As) -> None:
    path = "/v1/organizations"
    assert ids(await root(200, "GET", path)) == ["default", HOST, OPERATOR, STRANGER]
    assert ids(await operator(200, "GET", path)) == [HOST, OPERATOR]
    assert ids(await stranger(200, "GET", path)) == [STRANGER]
    assert ids(await root(200, "GET", f"{path}?parent_id=default")) == [OPERATOR, STRANGER]


async def test_one_is_made_below_the_callers_unless_it_says_otherwise(
    root: As, operator: As, stranger: As
) -> None:
    body = {"organization_id": "site-7", "name": "Site 7"}
    made = await operator(201, "POST", "/v1/organizations", body)
    assert (made["parent_id"], made["name"]) == (OPERATOR, "Site 7")
    below = await operator(
        201, "POST", "/v1/organizations", {**body, "organization_id": "s-8", "parent_id": HOST}
    )
    assert below["parent_id"] == HOST
    assert "s-8" in ids(await operator(200, "GET", "/v1/organizations"))
    # Another's id is taken, and nothing more is told; another's place is none.
    await stranger(409, "POST", "/v1/organizations", body)
    for taken in ("default", OPERATOR):
        await root(
            409,
            "POST",
            "/v1/organizations",
            {"organization_id": taken, "parent_id": taken, "name": "Itself"},
        )
    await stranger(
        422, "POST", "/v1/organizations", {**body, "organization_id": "s-9", "parent_id": OPERATOR}
    )


async def test_nothing_stands_below_itself(root: As, operator: As) -> None:
    for parent_id in (OPERATOR, HOST):
        await root(409, "PATCH", f"/v1/organizations/{OPERATOR}", {"parent_id": parent_id})
        await operator(409, "PATCH", f"/v1/organizations/{OPERATOR}", {"parent_id": parent_id})
    await root(409, "PATCH", "/v1/organizations/default", {"parent_id": HOST})
    moved = await root(200, "PATCH", f"/v1/organizations/{HOST}", {"parent_id": "default"})
    assert moved["parent_id"] == "default"
    assert ids(await operator(200, "GET", "/v1/organizations")) == [OPERATOR]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO stations (station_id, organization_id) VALUES ('CP-1', 'host')",
        "INSERT INTO locations (location_id, organization_id) VALUES ('L', 'host')",
        "INSERT INTO files (purpose, name, organization_id) VALUES ('log', 'n', 'host')",
        """INSERT INTO sessions (station_id, organization_id, transaction_id,
                                 transaction_id_issuer, ocpp_version)
           VALUES ('gone', 'host', '1', 'csms', '1.6')""",
        "INSERT INTO organizations VALUES ('below', 'host', 'Below')",
    ],
)
async def test_one_that_has_something_stays(db: Database, operator: As, statement: str) -> None:
    await db.execute(statement)
    await operator(409, "DELETE", f"/v1/organizations/{HOST}")


async def test_one_without_anything_goes(root: As, operator: As, host: As) -> None:
    await host(409, "DELETE", f"/v1/organizations/{HOST}")  # its own
    body = {"organization_id": "empty", "name": "Empty"}
    await operator(201, "POST", "/v1/organizations", body)
    await operator(204, "DELETE", "/v1/organizations/empty")
    await root(404, "GET", "/v1/organizations/empty")
    await root(409, "DELETE", "/v1/organizations/default")


CREATED = {
    "/v1/stations": {"station_id": "NEW", "security_profile": 0},
    "/v1/locations": {"location_id": "NEW"},
    "/v1/id-tokens": {"id_token": "NEW"},
    "/v1/id-token-groups": {"group_id_token": "NEW"},
}


@pytest.mark.parametrize("path", CREATED)
async def test_whose_it_is_follows_from_who_makes_it_unless_said_otherwise(
    path: str, operator: As, host: As, stranger: As
) -> None:
    body = CREATED[path]
    assert (await operator(201, "POST", path, body))["organization_id"] == OPERATOR
    # The id is taken for everybody, and whose it is nobody is told.
    refused = await stranger(409, "POST", path, body)
    assert OPERATOR not in str(refused)
    assert (await operator(200, "GET", f"{path}?organization_id={OPERATOR}"))["items"]
    assert not (await operator(200, "GET", f"{path}?organization_id={HOST}"))["items"]

    moved = await operator(200, "PATCH", f"{path}/NEW", {"organization_id": HOST})
    assert moved["organization_id"] == HOST
    await host(200, "GET", f"{path}/NEW")
    # Nobody gives anything to whom they do not see, neither up nor aside.
    for above in (OPERATOR, STRANGER, "nobody"):
        await host(422, "PATCH", f"{path}/NEW", {"organization_id": above})
    await stranger(404, "PATCH", f"{path}/NEW", {"organization_id": STRANGER})
    other = {name: "OTHER" for name in body if name != "security_profile"}
    await host(422, "POST", path, {**body, **other, "organization_id": STRANGER})
    assert (await operator(201, "POST", path, {**body, **other, "organization_id": HOST}))[
        "organization_id"
    ] == HOST


async def test_a_station_stands_at_no_location_of_a_stranger(operator: As, stranger: As) -> None:
    await stranger(201, "POST", "/v1/locations", {"location_id": "theirs"})
    await operator(201, "POST", "/v1/stations", {"station_id": "CP-1", "security_profile": 0})
    known = await operator(422, "PATCH", "/v1/stations/CP-1", {"location_id": "theirs"})
    unknown = await operator(422, "PATCH", "/v1/stations/CP-1", {"location_id": "nobodys"})
    assert known["detail"].replace("theirs", "nobodys") == unknown["detail"]


async def test_no_two_stations_are_called_alike_in_certificates_whosever_they_are(
    operator: As, stranger: As
) -> None:
    named = {"station_id": "CP-1", "security_profile": 0, "certificate_serial_number": "SN-1"}
    await operator(201, "POST", "/v1/stations", named)
    for body in (
        {"station_id": "SN-1"},
        {"station_id": "CP-2", "certificate_serial_number": "SN-1"},
        {"station_id": "CP-2", "certificate_serial_number": "CP-1"},
    ):
        await stranger(409, "POST", "/v1/stations", {"security_profile": 0, **body})


async def test_a_batch_asks_own_stations_alone(operator: As, stranger: As) -> None:
    for organization, station_id in ((operator, "CP-1"), (stranger, "CP-2")):
        await organization(
            201, "POST", "/v1/stations", {"station_id": station_id, "security_profile": 0}
        )
    path, command = "/v1/command-batches", {"command": {"type": "Reset"}}
    everywhere = await operator(202, "POST", path, {**command, "filter": {"all": True}})
    assert (everywhere["total"], everywhere["organization_id"]) == (1, OPERATOR)
    refused = await operator(422, "POST", path, {**command, "station_ids": ["CP-1", "CP-2"]})
    assert "'CP-2'" in refused["detail"]


async def test_a_key_that_a_stranger_used_is_no_good_reason_to_doubt_the_pace(
    client: httpx.AsyncClient, keys: Keys, operator: As, stranger: As
) -> None:
    for organization, station_id in ((operator, "CP-1"), (stranger, "CP-2")):
        await organization(
            201, "POST", "/v1/stations", {"station_id": station_id, "security_profile": 0}
        )
    answers = [
        await client.post(
            "/v1/command-batches",
            json={"command": {"type": "Reset"}, "filter": {"all": True}},
            headers={**keys[organization], "Idempotency-Key": "same"},
        )
        for organization in (OPERATOR, STRANGER)
    ]
    assert [answer.status_code for answer in answers] == [202, 409]


async def test_a_station_that_moves_leaves_its_past_behind(
    db: Database, root: As, operator: As, stranger: As
) -> None:
    await operator(201, "POST", "/v1/stations", {"station_id": "CP-1", "security_profile": 0})
    said = """INSERT INTO security_events (station_id, occurred_at, type, fingerprint, tech_info)
              VALUES ('CP-1', now(), 'SettingSystemTime', $1, $2)"""
    await db.execute(said, 1, "before")
    await db.execute(
        """INSERT INTO sessions (station_id, organization_id, transaction_id,
                                 transaction_id_issuer, ocpp_version)
           VALUES ('CP-1', $1, '1', 'csms', '1.6')""",
        OPERATOR,
    )
    await root(200, "PATCH", "/v1/stations/CP-1", {"organization_id": STRANGER})
    await db.execute(said, 2, "behind")

    await operator(404, "GET", "/v1/stations/CP-1")
    assert len((await operator(200, "GET", "/v1/sessions"))["items"]) == 1
    assert (await stranger(200, "GET", "/v1/sessions"))["items"] == []
    events = (await stranger(200, "GET", "/v1/security-events"))["items"]
    assert [event["tech_info"] for event in events] == ["behind"]
    assert (await operator(200, "GET", "/v1/security-events"))["items"] == []


async def test_an_id_that_was_anothers_begins_anew(
    db: Database, operator: As, stranger: As
) -> None:
    body = {"station_id": "CP-1", "security_profile": 0}
    await operator(201, "POST", "/v1/stations", body)
    await db.execute(
        """INSERT INTO commands (station_id, type, params, state, expires_at)
           VALUES ('CP-1', 'Reset', '{}', 'accepted', now())"""
    )
    assert len((await operator(200, "GET", "/v1/stations/CP-1/commands"))["items"]) == 1
    await operator(204, "DELETE", "/v1/stations/CP-1")
    await stranger(201, "POST", "/v1/stations", body)
    assert (await stranger(200, "GET", "/v1/stations/CP-1/commands"))["items"] == []


async def test_whoever_knocks_belongs_to_nobody_yet(db: Database, root: As, operator: As) -> None:
    await db.execute(
        """INSERT INTO unknown_stations (station_id, address, subprotocols, first_seen_at,
                                         last_seen_at, attempts)
           VALUES ('NEW', '192.0.2.1', '{}', now(), now(), 1)"""
    )
    assert (await operator(200, "GET", "/v1/unknown-stations"))["items"] == []
    await operator(404, "POST", "/v1/unknown-stations/NEW/accept", {})
    accepted = await root(
        201, "POST", "/v1/unknown-stations/NEW/accept", {"organization_id": OPERATOR}
    )
    assert accepted["organization_id"] == OPERATOR
    await operator(200, "GET", "/v1/stations/NEW")
